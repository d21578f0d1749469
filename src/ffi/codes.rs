//! The error codes of the C interface, their names and their texts.
//!
//! A [`VixError`] has 64 bits: the code in bits 0-15, flags in bits 16-23 (1: from the guest, 2: from a
//! remote side), the kind of an additional error in bits 24-31 and the number of that error in bits 32-63.
//! Vixen returns bare codes with all upper bits 0, because clients compare the whole value; `lookup` ignores
//! them.
//!
//! Names and numbers are facts of the public VIX interface as open-vm-tools and VDDK clients use them; odd
//! spellings are part of it. A number is never reused: 3029, 3030, 3039, 3044, 3045 and 13022 are retired
//! and must stay unused. One file because it is one table. The texts are our own, but for a few short ones that clients know from run time.

/// Result of a call of the C interface: 0 is success, and the code is in the low 16 bits.
pub type VixError = u64;

// ---- General

/// The operation succeeded; the only value that means success.
pub const VIX_OK: VixError = 0;
/// Unspecified failure, such as a wrong thumbprint or a vCenter that is out of reach at open.
pub const VIX_E_FAIL: VixError = 1;
/// There is not enough memory.
pub const VIX_E_OUT_OF_MEMORY: VixError = 2;
/// An argument is bad; also a range of sectors that leaves the disk.
pub const VIX_E_INVALID_ARG: VixError = 3;
/// The file was not found.
pub const VIX_E_FILE_NOT_FOUND: VixError = 4;
/// The object is busy with another operation.
pub const VIX_E_OBJECT_IS_BUSY: VixError = 5;
/// The operation is not supported.
pub const VIX_E_NOT_SUPPORTED: VixError = 6;
/// Reading or writing a file failed.
pub const VIX_E_FILE_ERROR: VixError = 7;
/// No space is left on the file system.
pub const VIX_E_DISK_FULL: VixError = 8;
/// The file is not of the type this operation needs.
pub const VIX_E_INCORRECT_FILE_TYPE: VixError = 9;
/// The caller cancelled the operation.
pub const VIX_E_CANCELLED: VixError = 10;
/// The file or disk is read-only.
pub const VIX_E_FILE_READ_ONLY: VixError = 11;
/// The file already exists.
pub const VIX_E_FILE_ALREADY_EXISTS: VixError = 12;
/// Access rights are missing; releases before 7.0.3.3 and 8.0.2 also gave it for network failures.
pub const VIX_E_FILE_ACCESS_ERROR: VixError = 13;
/// The file system cannot hold files as large as this one.
pub const VIX_E_REQUIRES_LARGE_FILES: VixError = 14;
/// The file is locked by someone else.
pub const VIX_E_FILE_ALREADY_LOCKED: VixError = 15;
/// Internal communication with the host failed (VMDB).
pub const VIX_E_VMDB: VixError = 16;
/// This operation cannot be done on a remote object.
pub const VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT: VixError = 20;
/// The file is larger than the file system or format allows.
pub const VIX_E_FILE_TOO_BIG: VixError = 21;
/// The file name is not valid.
pub const VIX_E_FILE_NAME_INVALID: VixError = 22;
/// An object of this identity exists already.
pub const VIX_E_ALREADY_EXISTS: VixError = 23;
/// The buffer is too small; the length needed was returned.
pub const VIX_E_BUFFER_TOOSMALL: VixError = 24;
/// The object that was referred to is unknown or gone.
pub const VIX_E_OBJECT_NOT_FOUND: VixError = 25;
/// There is no connection to the host.
pub const VIX_E_HOST_NOT_CONNECTED: VixError = 26;
/// A string is not encoded as valid UTF-8.
pub const VIX_E_INVALID_UTF8_STRING: VixError = 27;
/// The job is still running.
pub const VIX_E_UNFINISHED_JOB: VixError = 29;
/// A decryption key is needed to go on.
pub const VIX_E_NEED_KEY: VixError = 30;
/// The same operation is running already.
pub const VIX_E_OPERATION_ALREADY_IN_PROGRESS: VixError = 31;
/// The licence does not cover this operation.
pub const VIX_E_LICENSE: VixError = 32;
/// The host of the virtual machine is disconnected.
pub const VIX_E_VM_HOST_DISCONNECTED: VixError = 34;
/// Authentication for the encrypted virtual machine failed.
pub const VIX_E_AUTHENTICATION_FAIL: VixError = 35;
/// The connection to the host has dropped.
pub const VIX_E_HOST_CONNECTION_LOST: VixError = 36;
/// Another object has this name already.
pub const VIX_E_DUPLICATE_NAME: VixError = 41;
/// An argument exceeds its size limit.
pub const VIX_E_ARGUMENT_TOO_BIG: VixError = 44;

// ---- Handle and XML

/// The handle is not valid.
pub const VIX_E_INVALID_HANDLE: VixError = 1000;
/// Handles of this type do not offer the operation.
pub const VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE: VixError = 1001;
/// The handle table is exhausted.
pub const VIX_E_TOO_MANY_HANDLES: VixError = 1002;
/// A required part of the file is absent.
pub const VIX_E_NOT_FOUND: VixError = 2000;
/// An object in the file is of the wrong type.
pub const VIX_E_TYPE_MISMATCH: VixError = 2001;
/// The content of the file is malformed.
pub const VIX_E_INVALID_XML: VixError = 2002;

// ---- VM control (not expected from VixDiskLib)

/// The tools in the guest did not answer in time.
pub const VIX_E_TIMEOUT_WAITING_FOR_TOOLS: VixError = 3000;
/// The virtual machine does not know this command.
pub const VIX_E_UNRECOGNIZED_COMMAND: VixError = 3001;
/// The guest operating system does not support the request.
pub const VIX_E_OP_NOT_SUPPORTED_ON_GUEST: VixError = 3003;
/// The program could not be started in the guest.
pub const VIX_E_PROGRAM_NOT_STARTED: VixError = 3004;
/// A read-only virtual machine cannot be powered on.
pub const VIX_E_CANNOT_START_READ_ONLY_VM: VixError = 3005;
/// The virtual machine is not powered on, as it has to be for this operation.
pub const VIX_E_VM_NOT_RUNNING: VixError = 3006;
/// The virtual machine is powered on, which this operation does not allow.
pub const VIX_E_VM_IS_RUNNING: VixError = 3007;
/// The virtual machine cannot be reached.
pub const VIX_E_CANNOT_CONNECT_TO_VM: VixError = 3008;
/// The scripts for power operations cannot run.
pub const VIX_E_POWEROP_SCRIPTS_NOT_AVAILABLE: VixError = 3009;
/// No operating system is installed in the guest.
pub const VIX_E_NO_GUEST_OS_INSTALLED: VixError = 3010;
/// The host lacks memory for this virtual machine.
pub const VIX_E_VM_INSUFFICIENT_HOST_MEMORY: VixError = 3011;
/// Suspending the virtual machine failed.
pub const VIX_E_SUSPEND_ERROR: VixError = 3012;
/// The host has too few CPUs for this virtual machine.
pub const VIX_E_VM_NOT_ENOUGH_CPUS: VixError = 3013;
/// The rights of the user on the host are too weak for this operation.
pub const VIX_E_HOST_USER_PERMISSIONS: VixError = 3014;
/// The rights of the user in the guest are too weak or the guest login failed.
pub const VIX_E_GUEST_USER_PERMISSIONS: VixError = 3015;
/// The tools in the guest are not up.
pub const VIX_E_TOOLS_NOT_RUNNING: VixError = 3016;
/// Operations in the guest are forbidden on this virtual machine.
pub const VIX_E_GUEST_OPERATIONS_PROHIBITED: VixError = 3017;
/// Operations in the guest need a guest login first.
pub const VIX_E_ANON_GUEST_OPERATIONS_PROHIBITED: VixError = 3018;
/// Operations in the guest are forbidden for the administrator account.
pub const VIX_E_ROOT_GUEST_OPERATIONS_PROHIBITED: VixError = 3019;
/// No account is configured for anonymous work in the guest.
pub const VIX_E_MISSING_ANON_GUEST_ACCOUNT: VixError = 3023;
/// There is no way to authenticate with the guest.
pub const VIX_E_CANNOT_AUTHENTICATE_WITH_GUEST: VixError = 3024;
/// The tools in the guest do not know this command.
pub const VIX_E_UNRECOGNIZED_COMMAND_IN_GUEST: VixError = 3025;
/// Operations in the guest are forbidden for console users.
pub const VIX_E_CONSOLE_GUEST_OPERATIONS_PROHIBITED: VixError = 3026;
/// Nobody but the console user may do this.
pub const VIX_E_MUST_BE_CONSOLE_USER: VixError = 3027;
/// The virtual machine waits for a user to answer a question.
pub const VIX_E_VMX_MSG_DIALOG_AND_NO_UI: VixError = 3028;
/// The type of the login forbids this command.
pub const VIX_E_OPERATION_NOT_ALLOWED_FOR_LOGIN_TYPE: VixError = 3031;
/// The type of the login is unsupported.
pub const VIX_E_LOGIN_TYPE_NOT_SUPPORTED: VixError = 3032;
/// The guest rejects empty passwords.
pub const VIX_E_EMPTY_PASSWORD_NOT_ALLOWED_IN_GUEST: VixError = 3033;
/// Nobody has an interactive session open in the guest.
pub const VIX_E_INTERACTIVE_SESSION_NOT_PRESENT: VixError = 3034;
/// The interactive session in the guest belongs to another user.
pub const VIX_E_INTERACTIVE_SESSION_USER_MISMATCH: VixError = 3035;
/// The virtual machine failed to start.
pub const VIX_E_CANNOT_POWER_ON_VM: VixError = 3041;
/// No display server could be found.
pub const VIX_E_NO_DISPLAY_SERVER: VixError = 3043;
/// Too many authentication sessions are open.
pub const VIX_E_TOO_MANY_LOGONS: VixError = 3046;
/// The authentication session is unknown.
pub const VIX_E_INVALID_AUTHENTICATION_SESSION: VixError = 3047;
/// No such virtual machine is known.
pub const VIX_E_VM_NOT_FOUND: VixError = 4000;
/// The version of the virtual machine does not support this operation.
pub const VIX_E_NOT_SUPPORTED_FOR_VM_VERSION: VixError = 4001;
/// The configuration of the virtual machine is unreadable.
pub const VIX_E_CANNOT_READ_VM_CONFIG: VixError = 4002;
/// The object is a template, not a virtual machine that can run.
pub const VIX_E_TEMPLATE_VM: VixError = 4003;
/// The virtual machine is loaded already.
pub const VIX_E_VM_ALREADY_LOADED: VixError = 4004;
/// The virtual machine is at the current version already.
pub const VIX_E_VM_ALREADY_UP_TO_DATE: VixError = 4006;
/// The target host does not support this guest operating system.
pub const VIX_E_VM_UNSUPPORTED_GUEST: VixError = 4011;
/// The property identifier is unknown.
pub const VIX_E_UNRECOGNIZED_PROPERTY: VixError = 6000;
/// The value is illegal for this property.
pub const VIX_E_INVALID_PROPERTY_VALUE: VixError = 6001;
/// The property cannot be changed, only read.
pub const VIX_E_READ_ONLY_PROPERTY: VixError = 6002;
/// A mandatory property is missing.
pub const VIX_E_MISSING_REQUIRED_PROPERTY: VixError = 6003;
/// The serialised data is malformed.
pub const VIX_E_INVALID_SERIALIZED_DATA: VixError = 6004;
/// The property is of another type than the caller assumed.
pub const VIX_E_PROPERTY_TYPE_MISMATCH: VixError = 6005;
/// The index lies outside the set of results.
pub const VIX_E_BAD_VM_INDEX: VixError = 8000;

// ---- Messages

/// A message header is corrupt or of the wrong version.
pub const VIX_E_INVALID_MESSAGE_HEADER: VixError = 10000;
/// A message body is corrupt or absent.
pub const VIX_E_INVALID_MESSAGE_BODY: VixError = 10001;

// ---- Snapshot

/// The snapshot operation failed for a reason that has no code of its own.
pub const VIX_E_SNAPSHOT_INVAL: VixError = 13000;
/// The snapshot file could not be opened.
pub const VIX_E_SNAPSHOT_DUMPER: VixError = 13001;
/// A virtual disk failed during the snapshot operation.
pub const VIX_E_SNAPSHOT_DISKLIB: VixError = 13002;
/// No such snapshot is known.
pub const VIX_E_SNAPSHOT_NOTFOUND: VixError = 13003;
/// The snapshot exists already.
pub const VIX_E_SNAPSHOT_EXISTS: VixError = 13004;
/// This virtual machine does not allow snapshots.
pub const VIX_E_SNAPSHOT_VERSION: VixError = 13005;
/// The user lacks the right to work with snapshots.
pub const VIX_E_SNAPSHOT_NOPERM: VixError = 13006;
/// The configuration file is faulty, which stops the snapshot operation.
pub const VIX_E_SNAPSHOT_CONFIG: VixError = 13007;
/// Nothing has changed since the last snapshot.
pub const VIX_E_SNAPSHOT_NOCHANGE: VixError = 13008;
/// The snapshot file could not be saved.
pub const VIX_E_SNAPSHOT_CHECKPOINT: VixError = 13009;
/// Another snapshot operation is under way.
pub const VIX_E_SNAPSHOT_LOCKED: VixError = 13010;
/// The snapshot files contradict each other.
pub const VIX_E_SNAPSHOT_INCONSISTENT: VixError = 13011;
/// A file name of the snapshot is too long.
pub const VIX_E_SNAPSHOT_NAMETOOLONG: VixError = 13012;
/// Metadata files of VIX cannot be part of a snapshot.
pub const VIX_E_SNAPSHOT_VIXFILE: VixError = 13013;
/// At least one disk of the snapshot is busy.
pub const VIX_E_SNAPSHOT_DISKLOCKED: VixError = 13014;
/// One disk is used more than once in the virtual machine.
pub const VIX_E_SNAPSHOT_DUPLICATEDDISK: VixError = 13015;
/// A running virtual machine with independent disks cannot be snapshotted.
pub const VIX_E_SNAPSHOT_INDEPENDENTDISK: VixError = 13016;
/// More than one snapshot bears this name.
pub const VIX_E_SNAPSHOT_NONUNIQUE_NAME: VixError = 13017;
/// Memory cannot be part of a snapshot while independent disks are attached.
pub const VIX_E_SNAPSHOT_MEMORY_ON_INDEPENDENT_DISK: VixError = 13018;
/// The limit on the number of snapshots is reached.
pub const VIX_E_SNAPSHOT_MAXSNAPSHOTS: VixError = 13019;
/// The snapshot would take more space than has to stay free.
pub const VIX_E_SNAPSHOT_MIN_FREE_SPACE: VixError = 13020;
/// The tree of snapshots is too deep.
pub const VIX_E_SNAPSHOT_HIERARCHY_TOODEEP: VixError = 13021;
/// This snapshot is not one that can be reverted to.
pub const VIX_E_SNAPSHOT_NOT_REVERTABLE: VixError = 13024;

// ---- Host / network

/// This is not a usable physical disk.
pub const VIX_E_HOST_DISK_INVALID_VALUE: VixError = 14003;
/// The check of the disk's sector size failed.
pub const VIX_E_HOST_DISK_SECTORSIZE: VixError = 14004;
/// A read went past the end of the file.
pub const VIX_E_HOST_FILE_ERROR_EOF: VixError = 14005;
/// The handshake of the network block device protocol failed.
pub const VIX_E_HOST_NETBLKDEV_HANDSHAKE: VixError = 14006;
/// A network socket could not be created.
pub const VIX_E_HOST_SOCKET_CREATION_ERROR: VixError = 14007;
/// The server cannot be reached under the given name or address.
pub const VIX_E_HOST_SERVER_NOT_FOUND: VixError = 14008;
/// The server actively refused the connection.
pub const VIX_E_HOST_NETWORK_CONN_REFUSED: VixError = 14009;
/// Communication over a network socket failed.
pub const VIX_E_HOST_TCP_SOCKET_ERROR: VixError = 14010;
/// The network connection was lost.
pub const VIX_E_HOST_TCP_CONN_LOST: VixError = 14011;
/// The volume for the NBD hash file is faulty.
pub const VIX_E_HOST_NBD_HASHFILE_VOLUME: VixError = 14012;
/// The NBD hash file could not be initialised.
pub const VIX_E_HOST_NBD_HASHFILE_INIT: VixError = 14013;
/// The server is about to shut down (clients know it since 7.0).
pub const VIX_E_HOST_SERVER_SHUTDOWN: VixError = 14014;
/// The server is not available at present (newer than 7.0).
pub const VIX_E_HOST_SERVER_NOT_AVAILABLE: VixError = 14015;

// ---- Disk layer

/// The disk layer was given a bad parameter.
pub const VIX_E_DISK_INVAL: VixError = 16000;
/// The disk library is not initialised.
pub const VIX_E_DISK_NOINIT: VixError = 16001;
/// The disk was not opened for reading or writing.
pub const VIX_E_DISK_NOIO: VixError = 16002;
/// The whole chain of disks is needed, so its parents have to be opened too.
pub const VIX_E_DISK_PARTIALCHAIN: VixError = 16003;
/// The disk is damaged and needs a repair.
pub const VIX_E_DISK_NEEDSREPAIR: VixError = 16006;
/// The access reaches past the end of the disk.
pub const VIX_E_DISK_OUTOFRANGE: VixError = 16007;
/// The parent disk was changed after its child was made.
pub const VIX_E_DISK_CID_MISMATCH: VixError = 16008;
/// Only the parent disk can be shrunk, and this is another one.
pub const VIX_E_DISK_CANTSHRINK: VixError = 16009;
/// The partition table of the physical disk has changed.
pub const VIX_E_DISK_PARTMISMATCH: VixError = 16010;
/// The disk uses a format version that is not supported.
pub const VIX_E_DISK_UNSUPPORTEDDISKVERSION: VixError = 16011;
/// The parent of the disk could not be opened.
pub const VIX_E_DISK_OPENPARENT: VixError = 16012;
/// The disk uses a feature that this version does not support.
pub const VIX_E_DISK_NOTSUPPORTED: VixError = 16013;
/// The keys of the encrypted disk are missing.
pub const VIX_E_DISK_NEEDKEY: VixError = 16014;
/// An encrypted disk is not given an unencrypted child.
pub const VIX_E_DISK_NOKEYOVERRIDE: VixError = 16015;
/// The disk has no encryption.
pub const VIX_E_DISK_NOTENCRYPTED: VixError = 16016;
/// Encryption was asked for, but no keys were given.
pub const VIX_E_DISK_NOKEY: VixError = 16017;
/// The partition table makes no sense.
pub const VIX_E_DISK_INVALIDPARTITIONTABLE: VixError = 16018;
/// Only sparse extents with an embedded descriptor can be encrypted.
pub const VIX_E_DISK_NOTNORMAL: VixError = 16019;
/// The descriptor of the disk has no encryption.
pub const VIX_E_DISK_NOTENCDESC: VixError = 16020;
/// The disk has to be on a VMFS file system.
pub const VIX_E_DISK_NEEDVMFS: VixError = 16022;
/// The physical disk is larger than supported.
pub const VIX_E_DISK_RAWTOOBIG: VixError = 16024;
/// Too many files are open.
pub const VIX_E_DISK_TOOMANYOPENFILES: VixError = 16027;
/// The chain of the disk has too many links.
pub const VIX_E_DISK_TOOMANYREDO: VixError = 16028;
/// The physical disk is smaller than needed.
pub const VIX_E_DISK_RAWTOOSMALL: VixError = 16029;
/// The chain mixes hosted disks with managed disks.
pub const VIX_E_DISK_INVALIDCHAIN: VixError = 16030;
/// The disk database has no such key.
pub const VIX_E_DISK_KEY_NOTFOUND: VixError = 16052;
/// A subsystem that the disk library needs failed to start.
pub const VIX_E_DISK_SUBSYSTEM_INIT_FAIL: VixError = 16053;
/// The connection handle is invalid.
pub const VIX_E_DISK_INVALID_CONNECTION: VixError = 16054;
/// The encoding of the disk causes a problem.
pub const VIX_E_DISK_ENCODING: VixError = 16061;
/// The disk is damaged beyond repair.
pub const VIX_E_DISK_CANTREPAIR: VixError = 16062;
/// The file is not a valid virtual disk.
pub const VIX_E_DISK_INVALIDDISK: VixError = 16063;
/// The licence of the host lacks this disk feature.
pub const VIX_E_DISK_NOLICENSE: VixError = 16064;
/// The device behind the disk is missing.
pub const VIX_E_DISK_NODEVICE: VixError = 16065;
/// The device behind the disk is of a type that does not support the operation.
pub const VIX_E_DISK_UNSUPPORTEDDEVICE: VixError = 16066;
/// Parent and child disk differ in capacity.
pub const VIX_E_DISK_CAPACITY_MISMATCH: VixError = 16067;
/// A disk of this type cannot be a parent.
pub const VIX_E_DISK_PARENT_NOTALLOWED: VixError = 16068;
/// Both links to be attached are roots of a chain.
pub const VIX_E_DISK_ATTACH_ROOTLINK: VixError = 16069;

// ---- Crypto

/// The encryption algorithm is unknown.
pub const VIX_E_CRYPTO_UNKNOWN_ALGORITHM: VixError = 17000;
/// A buffer for encryption has the wrong size.
pub const VIX_E_CRYPTO_BAD_BUFFER_SIZE: VixError = 17001;
/// The requested encryption operation is illegal.
pub const VIX_E_CRYPTO_INVALID_OPERATION: VixError = 17002;
/// The source of random numbers for encryption failed.
pub const VIX_E_CRYPTO_RANDOM_DEVICE: VixError = 17003;
/// A password is needed to unlock the keys.
pub const VIX_E_CRYPTO_NEED_PASSWORD: VixError = 17004;
/// The password for the keys is wrong.
pub const VIX_E_CRYPTO_BAD_PASSWORD: VixError = 17005;
/// An expected entry is not in the encryption dictionary.
pub const VIX_E_CRYPTO_NOT_IN_DICTIONARY: VixError = 17006;
/// No encryption is available.
pub const VIX_E_CRYPTO_NO_CRYPTO: VixError = 17007;
/// Encryption or decryption failed without a more exact reason.
pub const VIX_E_CRYPTO_ERROR: VixError = 17008;
/// Encrypted data or a key is in a bad format.
pub const VIX_E_CRYPTO_BAD_FORMAT: VixError = 17009;
/// The keys are locked.
pub const VIX_E_CRYPTO_LOCKED: VixError = 17010;
/// The key store is empty.
pub const VIX_E_CRYPTO_EMPTY: VixError = 17011;
/// The locator of the key safe causes a problem.
pub const VIX_E_CRYPTO_KEYSAFE_LOCATOR: VixError = 17012;

// ---- Remoting, screen, guest, tools installer, wrapper

/// The host did not accept a connection.
pub const VIX_E_CANNOT_CONNECT_TO_HOST: VixError = 18000;
/// The operation works with the local host only.
pub const VIX_E_NOT_FOR_REMOTE_HOST: VixError = 18001;
/// The host name has to be given as an https URL that ends in /sdk.
pub const VIX_E_INVALID_HOSTNAME_SPECIFICATION: VixError = 18002;
/// Capturing the screen failed.
pub const VIX_E_SCREEN_CAPTURE_ERROR: VixError = 19000;
/// The format for the screen capture is unsupported.
pub const VIX_E_SCREEN_CAPTURE_BAD_FORMAT: VixError = 19001;
/// Compressing the screen capture failed.
pub const VIX_E_SCREEN_CAPTURE_COMPRESSION_FAIL: VixError = 19002;
/// The screen capture is larger than its limit.
pub const VIX_E_SCREEN_CAPTURE_LARGE_DATA: VixError = 19003;
/// The volumes of the guest are not frozen.
pub const VIX_E_GUEST_VOLUMES_NOT_FROZEN: VixError = 20000;
/// The name does not stand for a file.
pub const VIX_E_NOT_A_FILE: VixError = 20001;
/// The name does not stand for a directory.
pub const VIX_E_NOT_A_DIRECTORY: VixError = 20002;
/// There is no process of this id.
pub const VIX_E_NO_SUCH_PROCESS: VixError = 20003;
/// The file name exceeds the length limit.
pub const VIX_E_FILE_NAME_TOO_LONG: VixError = 20004;
/// The guest operating system has this operation disabled.
pub const VIX_E_OPERATION_DISABLED: VixError = 20005;
/// No image of the tools installer exists for this guest.
pub const VIX_E_TOOLS_INSTALL_NO_IMAGE: VixError = 21000;
/// The image of the tools installer is inaccessible.
pub const VIX_E_TOOLS_INSTALL_IMAGE_INACCESIBLE: VixError = 21001;
/// The guest has no device for the image of the tools installer.
pub const VIX_E_TOOLS_INSTALL_NO_DEVICE: VixError = 21002;
/// The device for the image of the tools installer is disconnected.
pub const VIX_E_TOOLS_INSTALL_DEVICE_NOT_CONNECTED: VixError = 21003;
/// The tools installer was cancelled.
pub const VIX_E_TOOLS_INSTALL_CANCELLED: VixError = 21004;
/// The tools installer failed to initialise.
pub const VIX_E_TOOLS_INSTALL_INIT_FAILED: VixError = 21005;
/// The tools installer cannot run automatically in this guest.
pub const VIX_E_TOOLS_INSTALL_AUTO_NOT_SUPPORTED: VixError = 21006;
/// The guest is not ready for the tools installer.
pub const VIX_E_TOOLS_INSTALL_GUEST_NOT_READY: VixError = 21007;
/// The signature check of the tools installer failed.
pub const VIX_E_TOOLS_INSTALL_SIG_CHECK_FAILED: VixError = 21008;
/// The tools installer failed without a more exact reason.
pub const VIX_E_TOOLS_INSTALL_ERROR: VixError = 21009;
/// The tools in the guest are current already.
pub const VIX_E_TOOLS_INSTALL_ALREADY_UP_TO_DATE: VixError = 21010;
/// The tools installer is running already.
pub const VIX_E_TOOLS_INSTALL_IN_PROGRESS: VixError = 21011;
/// The image of the tools installer could not be copied.
pub const VIX_E_TOOLS_INSTALL_IMAGE_COPY_FAILED: VixError = 21012;
/// The service provider of Workstation is missing.
pub const VIX_E_WRAPPER_WORKSTATION_NOT_INSTALLED: VixError = 22001;
/// The requested version is not present on this computer.
pub const VIX_E_WRAPPER_VERSION_NOT_FOUND: VixError = 22002;
/// The requested service provider is missing.
pub const VIX_E_WRAPPER_SERVICEPROVIDER_NOT_FOUND: VixError = 22003;
/// The service provider of Player is missing.
pub const VIX_E_WRAPPER_PLAYER_NOT_INSTALLED: VixError = 22004;
/// The run-time files of VIX are missing.
pub const VIX_E_WRAPPER_RUNTIME_NOT_INSTALLED: VixError = 22005;
/// Several service providers cannot be mixed.
pub const VIX_E_WRAPPER_MULTIPLE_SERVICEPROVIDERS: VixError = 22006;

// ---- Mount API

/// The mount point is unknown.
pub const VIX_E_MNTAPI_MOUNTPT_NOT_FOUND: VixError = 24000;
/// The mount point is in use.
pub const VIX_E_MNTAPI_MOUNTPT_IN_USE: VixError = 24001;
/// The disk to mount does not exist.
pub const VIX_E_MNTAPI_DISK_NOT_FOUND: VixError = 24002;
/// The disk has not been mounted.
pub const VIX_E_MNTAPI_DISK_NOT_MOUNTED: VixError = 24003;
/// The disk is mounted already.
pub const VIX_E_MNTAPI_DISK_IS_MOUNTED: VixError = 24004;
/// Mounting is unsafe: the disk is in use, suspended or part of a snapshot chain.
pub const VIX_E_MNTAPI_DISK_NOT_SAFE: VixError = 24005;
/// The disk to mount could not be opened.
pub const VIX_E_MNTAPI_DISK_CANT_OPEN: VixError = 24006;
/// The partition table of the disk is unreadable.
pub const VIX_E_MNTAPI_CANT_READ_PARTS: VixError = 24007;
/// The umount program is missing from this system.
pub const VIX_E_MNTAPI_UMOUNT_APP_NOT_FOUND: VixError = 24008;
/// The umount command failed.
pub const VIX_E_MNTAPI_UMOUNT: VixError = 24009;
/// Nothing on this disk can be mounted.
pub const VIX_E_MNTAPI_NO_MOUNTABLE_PARTITONS: VixError = 24010;
/// The disk has no partition of this number.
pub const VIX_E_MNTAPI_PARTITION_RANGE: VixError = 24011;
/// The rights to mount are missing.
pub const VIX_E_MNTAPI_PERM: VixError = 24012;
/// The metadata of the mount is inaccessible or damaged.
pub const VIX_E_MNTAPI_DICT: VixError = 24013;
/// The metadata is locked by another program that mounts disks.
pub const VIX_E_MNTAPI_DICT_LOCKED: VixError = 24014;
/// Another process uses the mounted disk.
pub const VIX_E_MNTAPI_OPEN_HANDLES: VixError = 24015;
/// The run directory could not be created.
pub const VIX_E_MNTAPI_CANT_MAKE_VAR_DIR: VixError = 24016;
/// Mounting disks needs root rights.
pub const VIX_E_MNTAPI_NO_ROOT: VixError = 24017;
/// Setting up a loop device failed.
pub const VIX_E_MNTAPI_LOOP_FAILED: VixError = 24018;
/// The FUSE daemon did not start.
pub const VIX_E_MNTAPI_DAEMON: VixError = 24019;
/// Mounting failed through an internal error.
pub const VIX_E_MNTAPI_INTERNAL: VixError = 24020;
/// A system call of the mount failed.
pub const VIX_E_MNTAPI_SYSTEM: VixError = 24021;
/// No VixDiskLib connection was given for the mount.
pub const VIX_E_MNTAPI_NO_CONNECTION_DETAILS: VixError = 24022;
/// The version is too low for the mount interface.
pub const VIX_E_MNTAPI_INCOMPATIBLE_VERSION: VixError = 24300;
/// The operating system reported an error during the mount.
pub const VIX_E_MNTAPI_OS_ERROR: VixError = 24301;
/// The drive letter is in use.
pub const VIX_E_MNTAPI_DRIVE_LETTER_IN_USE: VixError = 24302;
/// A drive letter has been assigned already.
pub const VIX_E_MNTAPI_DRIVE_LETTER_ALREADY_ASSIGNED: VixError = 24303;
/// The volume has not been mounted.
pub const VIX_E_MNTAPI_VOLUME_NOT_MOUNTED: VixError = 24304;
/// The volume is mounted already.
pub const VIX_E_MNTAPI_VOLUME_ALREADY_MOUNTED: VixError = 24305;
/// The volume could not be formatted.
pub const VIX_E_MNTAPI_FORMAT_FAILURE: VixError = 24306;
/// The driver for mounting is missing.
pub const VIX_E_MNTAPI_NO_DRIVER: VixError = 24307;
/// The volume or disk set is open already.
pub const VIX_E_MNTAPI_ALREADY_OPENED: VixError = 24308;
/// A required item is missing.
pub const VIX_E_MNTAPI_ITEM_NOT_FOUND: VixError = 24309;
/// The boot loader on the disk is unsupported.
pub const VIX_E_MNTAPI_UNSUPPROTED_BOOT_LOADER: VixError = 24310;
/// The operating system on the disk is unsupported.
pub const VIX_E_MNTAPI_UNSUPPROTED_OS: VixError = 24311;
/// Converting a string to another encoding failed.
pub const VIX_E_MNTAPI_CODECONVERSION: VixError = 24312;
/// Writing to the registry failed.
pub const VIX_E_MNTAPI_REGWRITE_ERROR: VixError = 24313;
/// Fault-tolerant volumes of NT 4 are unsupported.
pub const VIX_E_MNTAPI_UNSUPPORTED_FT_VOLUME: VixError = 24314;
/// The partition is missing.
pub const VIX_E_MNTAPI_PARTITION_NOT_FOUND: VixError = 24315;
/// Copying a file to the volume failed.
pub const VIX_E_MNTAPI_PUTFILE_ERROR: VixError = 24316;
/// Copying a file from the volume failed.
pub const VIX_E_MNTAPI_GETFILE_ERROR: VixError = 24317;
/// The registry key could not be opened.
pub const VIX_E_MNTAPI_REG_NOT_OPENED: VixError = 24318;
/// The registry key could not be deleted.
pub const VIX_E_MNTAPI_REGDELKEY_ERROR: VixError = 24319;
/// The partition table could not be created.
pub const VIX_E_MNTAPI_CREATE_PARTITIONTABLE_ERROR: VixError = 24320;
/// The disk set could not be opened.
pub const VIX_E_MNTAPI_OPEN_FAILURE: VixError = 24321;
/// The volume is protected against writing.
pub const VIX_E_MNTAPI_VOLUME_NOT_WRITABLE: VixError = 24322;

// ---- Async

/// No error: the request was accepted, and its callback tells the outcome later.
pub const VIX_ASYNC: VixError = 25000;
/// Synchronous and asynchronous I/O cannot be mixed on one disk handle.
pub const VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED: VixError = 26000;

// ---- HTTP

/// The protocol in the URL is unsupported.
pub const VIX_E_NET_HTTP_UNSUPPORTED_PROTOCOL: VixError = 30001;
/// The URL is malformed.
pub const VIX_E_NET_HTTP_URL_MALFORMAT: VixError = 30003;
/// The name of the proxy could not be resolved.
pub const VIX_E_NET_HTTP_COULDNT_RESOLVE_PROXY: VixError = 30005;
/// The name of the host could not be resolved.
pub const VIX_E_NET_HTTP_COULDNT_RESOLVE_HOST: VixError = 30006;
/// The host or its proxy accepted no connection.
pub const VIX_E_NET_HTTP_COULDNT_CONNECT: VixError = 30007;
/// The server answered with an HTTP status of 400 or higher.
pub const VIX_E_NET_HTTP_HTTP_RETURNED_ERROR: VixError = 30022;
/// The network operation took longer than its time limit.
pub const VIX_E_NET_HTTP_OPERATION_TIMEDOUT: VixError = 30028;
/// The TLS handshake with the server failed.
pub const VIX_E_NET_HTTP_SSL_CONNECT_ERROR: VixError = 30035;
/// The server redirected more often than the limit allows.
pub const VIX_E_NET_HTTP_TOO_MANY_REDIRECTS: VixError = 30047;
/// The HTTP transfer failed.
pub const VIX_E_NET_HTTP_TRANSFER: VixError = 30200;
/// The TLS security of the HTTP connection failed.
pub const VIX_E_NET_HTTP_SSL_SECURITY: VixError = 30201;
/// HTTP failed without a more exact reason.
pub const VIX_E_NET_HTTP_GENERIC: VixError = 30202;

/// What is known about one error code.
pub(crate) struct Code {
    /// The number.
    pub code: VixError,
    /// The name in the C header.
    pub name: &'static str,
    /// What went wrong, in one phrase without a final full stop.
    pub text: &'static str,
}

/// Every code there is, in ascending order.
#[rustfmt::skip] // one line an entry
pub(crate) static CODES: &[Code] = &[
    Code { code: VIX_OK, name: "VIX_OK", text: "The operation succeeded" },
    Code { code: VIX_E_FAIL, name: "VIX_E_FAIL", text: "Unknown error" },
    Code { code: VIX_E_OUT_OF_MEMORY, name: "VIX_E_OUT_OF_MEMORY", text: "There is not enough memory" },
    Code { code: VIX_E_INVALID_ARG, name: "VIX_E_INVALID_ARG", text: "One of the parameters was invalid" },
    Code { code: VIX_E_FILE_NOT_FOUND, name: "VIX_E_FILE_NOT_FOUND", text: "The file was not found" },
    Code { code: VIX_E_OBJECT_IS_BUSY, name: "VIX_E_OBJECT_IS_BUSY", text: "The object is busy with another operation" },
    Code { code: VIX_E_NOT_SUPPORTED, name: "VIX_E_NOT_SUPPORTED", text: "The operation is not supported" },
    Code { code: VIX_E_FILE_ERROR, name: "VIX_E_FILE_ERROR", text: "Reading or writing a file failed" },
    Code { code: VIX_E_DISK_FULL, name: "VIX_E_DISK_FULL", text: "No space is left on the file system" },
    Code { code: VIX_E_INCORRECT_FILE_TYPE, name: "VIX_E_INCORRECT_FILE_TYPE", text: "The file is not of the type this operation needs" },
    Code { code: VIX_E_CANCELLED, name: "VIX_E_CANCELLED", text: "The caller cancelled the operation" },
    Code { code: VIX_E_FILE_READ_ONLY, name: "VIX_E_FILE_READ_ONLY", text: "The file or disk is read-only" },
    Code { code: VIX_E_FILE_ALREADY_EXISTS, name: "VIX_E_FILE_ALREADY_EXISTS", text: "The file already exists" },
    Code { code: VIX_E_FILE_ACCESS_ERROR, name: "VIX_E_FILE_ACCESS_ERROR", text: "You do not have access rights to this file" },
    Code { code: VIX_E_REQUIRES_LARGE_FILES, name: "VIX_E_REQUIRES_LARGE_FILES", text: "The file system cannot hold files as large as this one" },
    Code { code: VIX_E_FILE_ALREADY_LOCKED, name: "VIX_E_FILE_ALREADY_LOCKED", text: "The file is locked by someone else" },
    Code { code: VIX_E_VMDB, name: "VIX_E_VMDB", text: "Internal communication with the host failed (VMDB)" },
    Code { code: VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT, name: "VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT", text: "This operation cannot be done on a remote object" },
    Code { code: VIX_E_FILE_TOO_BIG, name: "VIX_E_FILE_TOO_BIG", text: "The file is larger than the file system or format allows" },
    Code { code: VIX_E_FILE_NAME_INVALID, name: "VIX_E_FILE_NAME_INVALID", text: "The file name is not valid" },
    Code { code: VIX_E_ALREADY_EXISTS, name: "VIX_E_ALREADY_EXISTS", text: "An object of this identity exists already" },
    Code { code: VIX_E_BUFFER_TOOSMALL, name: "VIX_E_BUFFER_TOOSMALL", text: "The buffer is too small; the length needed was returned" },
    Code { code: VIX_E_OBJECT_NOT_FOUND, name: "VIX_E_OBJECT_NOT_FOUND", text: "The object that was referred to is unknown or gone" },
    Code { code: VIX_E_HOST_NOT_CONNECTED, name: "VIX_E_HOST_NOT_CONNECTED", text: "There is no connection to the host" },
    Code { code: VIX_E_INVALID_UTF8_STRING, name: "VIX_E_INVALID_UTF8_STRING", text: "A string is not encoded as valid UTF-8" },
    Code { code: VIX_E_UNFINISHED_JOB, name: "VIX_E_UNFINISHED_JOB", text: "The job is still running" },
    Code { code: VIX_E_NEED_KEY, name: "VIX_E_NEED_KEY", text: "A decryption key is needed to go on" },
    Code { code: VIX_E_OPERATION_ALREADY_IN_PROGRESS, name: "VIX_E_OPERATION_ALREADY_IN_PROGRESS", text: "The same operation is running already" },
    Code { code: VIX_E_LICENSE, name: "VIX_E_LICENSE", text: "The licence does not cover this operation" },
    Code { code: VIX_E_VM_HOST_DISCONNECTED, name: "VIX_E_VM_HOST_DISCONNECTED", text: "The host of the virtual machine is disconnected" },
    Code { code: VIX_E_AUTHENTICATION_FAIL, name: "VIX_E_AUTHENTICATION_FAIL", text: "Authentication for the encrypted virtual machine failed" },
    Code { code: VIX_E_HOST_CONNECTION_LOST, name: "VIX_E_HOST_CONNECTION_LOST", text: "The connection to the host has dropped" },
    Code { code: VIX_E_DUPLICATE_NAME, name: "VIX_E_DUPLICATE_NAME", text: "Another object has this name already" },
    Code { code: VIX_E_ARGUMENT_TOO_BIG, name: "VIX_E_ARGUMENT_TOO_BIG", text: "An argument exceeds its size limit" },
    Code { code: VIX_E_INVALID_HANDLE, name: "VIX_E_INVALID_HANDLE", text: "The handle is not valid" },
    Code { code: VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE, name: "VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE", text: "Handles of this type do not offer the operation" },
    Code { code: VIX_E_TOO_MANY_HANDLES, name: "VIX_E_TOO_MANY_HANDLES", text: "The handle table is exhausted" },
    Code { code: VIX_E_NOT_FOUND, name: "VIX_E_NOT_FOUND", text: "A required part of the file is absent" },
    Code { code: VIX_E_TYPE_MISMATCH, name: "VIX_E_TYPE_MISMATCH", text: "An object in the file is of the wrong type" },
    Code { code: VIX_E_INVALID_XML, name: "VIX_E_INVALID_XML", text: "The content of the file is malformed" },
    Code { code: VIX_E_TIMEOUT_WAITING_FOR_TOOLS, name: "VIX_E_TIMEOUT_WAITING_FOR_TOOLS", text: "The tools in the guest did not answer in time" },
    Code { code: VIX_E_UNRECOGNIZED_COMMAND, name: "VIX_E_UNRECOGNIZED_COMMAND", text: "The virtual machine does not know this command" },
    Code { code: VIX_E_OP_NOT_SUPPORTED_ON_GUEST, name: "VIX_E_OP_NOT_SUPPORTED_ON_GUEST", text: "The guest operating system does not support the request" },
    Code { code: VIX_E_PROGRAM_NOT_STARTED, name: "VIX_E_PROGRAM_NOT_STARTED", text: "The program could not be started in the guest" },
    Code { code: VIX_E_CANNOT_START_READ_ONLY_VM, name: "VIX_E_CANNOT_START_READ_ONLY_VM", text: "A read-only virtual machine cannot be powered on" },
    Code { code: VIX_E_VM_NOT_RUNNING, name: "VIX_E_VM_NOT_RUNNING", text: "The virtual machine is not powered on, as it has to be for this operation" },
    Code { code: VIX_E_VM_IS_RUNNING, name: "VIX_E_VM_IS_RUNNING", text: "The virtual machine is powered on, which this operation does not allow" },
    Code { code: VIX_E_CANNOT_CONNECT_TO_VM, name: "VIX_E_CANNOT_CONNECT_TO_VM", text: "The virtual machine cannot be reached" },
    Code { code: VIX_E_POWEROP_SCRIPTS_NOT_AVAILABLE, name: "VIX_E_POWEROP_SCRIPTS_NOT_AVAILABLE", text: "The scripts for power operations cannot run" },
    Code { code: VIX_E_NO_GUEST_OS_INSTALLED, name: "VIX_E_NO_GUEST_OS_INSTALLED", text: "No operating system is installed in the guest" },
    Code { code: VIX_E_VM_INSUFFICIENT_HOST_MEMORY, name: "VIX_E_VM_INSUFFICIENT_HOST_MEMORY", text: "The host lacks memory for this virtual machine" },
    Code { code: VIX_E_SUSPEND_ERROR, name: "VIX_E_SUSPEND_ERROR", text: "Suspending the virtual machine failed" },
    Code { code: VIX_E_VM_NOT_ENOUGH_CPUS, name: "VIX_E_VM_NOT_ENOUGH_CPUS", text: "The host has too few CPUs for this virtual machine" },
    Code { code: VIX_E_HOST_USER_PERMISSIONS, name: "VIX_E_HOST_USER_PERMISSIONS", text: "The rights of the user on the host are too weak for this operation" },
    Code { code: VIX_E_GUEST_USER_PERMISSIONS, name: "VIX_E_GUEST_USER_PERMISSIONS", text: "The rights of the user in the guest are too weak or the guest login failed" },
    Code { code: VIX_E_TOOLS_NOT_RUNNING, name: "VIX_E_TOOLS_NOT_RUNNING", text: "The tools in the guest are not up" },
    Code { code: VIX_E_GUEST_OPERATIONS_PROHIBITED, name: "VIX_E_GUEST_OPERATIONS_PROHIBITED", text: "Operations in the guest are forbidden on this virtual machine" },
    Code { code: VIX_E_ANON_GUEST_OPERATIONS_PROHIBITED, name: "VIX_E_ANON_GUEST_OPERATIONS_PROHIBITED", text: "Operations in the guest need a guest login first" },
    Code { code: VIX_E_ROOT_GUEST_OPERATIONS_PROHIBITED, name: "VIX_E_ROOT_GUEST_OPERATIONS_PROHIBITED", text: "Operations in the guest are forbidden for the administrator account" },
    Code { code: VIX_E_MISSING_ANON_GUEST_ACCOUNT, name: "VIX_E_MISSING_ANON_GUEST_ACCOUNT", text: "No account is configured for anonymous work in the guest" },
    Code { code: VIX_E_CANNOT_AUTHENTICATE_WITH_GUEST, name: "VIX_E_CANNOT_AUTHENTICATE_WITH_GUEST", text: "There is no way to authenticate with the guest" },
    Code { code: VIX_E_UNRECOGNIZED_COMMAND_IN_GUEST, name: "VIX_E_UNRECOGNIZED_COMMAND_IN_GUEST", text: "The tools in the guest do not know this command" },
    Code { code: VIX_E_CONSOLE_GUEST_OPERATIONS_PROHIBITED, name: "VIX_E_CONSOLE_GUEST_OPERATIONS_PROHIBITED", text: "Operations in the guest are forbidden for console users" },
    Code { code: VIX_E_MUST_BE_CONSOLE_USER, name: "VIX_E_MUST_BE_CONSOLE_USER", text: "Nobody but the console user may do this" },
    Code { code: VIX_E_VMX_MSG_DIALOG_AND_NO_UI, name: "VIX_E_VMX_MSG_DIALOG_AND_NO_UI", text: "The virtual machine waits for a user to answer a question" },
    Code { code: VIX_E_OPERATION_NOT_ALLOWED_FOR_LOGIN_TYPE, name: "VIX_E_OPERATION_NOT_ALLOWED_FOR_LOGIN_TYPE", text: "The type of the login forbids this command" },
    Code { code: VIX_E_LOGIN_TYPE_NOT_SUPPORTED, name: "VIX_E_LOGIN_TYPE_NOT_SUPPORTED", text: "The type of the login is unsupported" },
    Code { code: VIX_E_EMPTY_PASSWORD_NOT_ALLOWED_IN_GUEST, name: "VIX_E_EMPTY_PASSWORD_NOT_ALLOWED_IN_GUEST", text: "The guest rejects empty passwords" },
    Code { code: VIX_E_INTERACTIVE_SESSION_NOT_PRESENT, name: "VIX_E_INTERACTIVE_SESSION_NOT_PRESENT", text: "Nobody has an interactive session open in the guest" },
    Code { code: VIX_E_INTERACTIVE_SESSION_USER_MISMATCH, name: "VIX_E_INTERACTIVE_SESSION_USER_MISMATCH", text: "The interactive session in the guest belongs to another user" },
    Code { code: VIX_E_CANNOT_POWER_ON_VM, name: "VIX_E_CANNOT_POWER_ON_VM", text: "The virtual machine failed to start" },
    Code { code: VIX_E_NO_DISPLAY_SERVER, name: "VIX_E_NO_DISPLAY_SERVER", text: "No display server could be found" },
    Code { code: VIX_E_TOO_MANY_LOGONS, name: "VIX_E_TOO_MANY_LOGONS", text: "Too many authentication sessions are open" },
    Code { code: VIX_E_INVALID_AUTHENTICATION_SESSION, name: "VIX_E_INVALID_AUTHENTICATION_SESSION", text: "The authentication session is unknown" },
    Code { code: VIX_E_VM_NOT_FOUND, name: "VIX_E_VM_NOT_FOUND", text: "No such virtual machine is known" },
    Code { code: VIX_E_NOT_SUPPORTED_FOR_VM_VERSION, name: "VIX_E_NOT_SUPPORTED_FOR_VM_VERSION", text: "The version of the virtual machine does not support this operation" },
    Code { code: VIX_E_CANNOT_READ_VM_CONFIG, name: "VIX_E_CANNOT_READ_VM_CONFIG", text: "The configuration of the virtual machine is unreadable" },
    Code { code: VIX_E_TEMPLATE_VM, name: "VIX_E_TEMPLATE_VM", text: "The object is a template, not a virtual machine that can run" },
    Code { code: VIX_E_VM_ALREADY_LOADED, name: "VIX_E_VM_ALREADY_LOADED", text: "The virtual machine is loaded already" },
    Code { code: VIX_E_VM_ALREADY_UP_TO_DATE, name: "VIX_E_VM_ALREADY_UP_TO_DATE", text: "The virtual machine is at the current version already" },
    Code { code: VIX_E_VM_UNSUPPORTED_GUEST, name: "VIX_E_VM_UNSUPPORTED_GUEST", text: "The target host does not support this guest operating system" },
    Code { code: VIX_E_UNRECOGNIZED_PROPERTY, name: "VIX_E_UNRECOGNIZED_PROPERTY", text: "The property identifier is unknown" },
    Code { code: VIX_E_INVALID_PROPERTY_VALUE, name: "VIX_E_INVALID_PROPERTY_VALUE", text: "The value is illegal for this property" },
    Code { code: VIX_E_READ_ONLY_PROPERTY, name: "VIX_E_READ_ONLY_PROPERTY", text: "The property cannot be changed, only read" },
    Code { code: VIX_E_MISSING_REQUIRED_PROPERTY, name: "VIX_E_MISSING_REQUIRED_PROPERTY", text: "A mandatory property is missing" },
    Code { code: VIX_E_INVALID_SERIALIZED_DATA, name: "VIX_E_INVALID_SERIALIZED_DATA", text: "The serialised data is malformed" },
    Code { code: VIX_E_PROPERTY_TYPE_MISMATCH, name: "VIX_E_PROPERTY_TYPE_MISMATCH", text: "The property is of another type than the caller assumed" },
    Code { code: VIX_E_BAD_VM_INDEX, name: "VIX_E_BAD_VM_INDEX", text: "The index lies outside the set of results" },
    Code { code: VIX_E_INVALID_MESSAGE_HEADER, name: "VIX_E_INVALID_MESSAGE_HEADER", text: "A message header is corrupt or of the wrong version" },
    Code { code: VIX_E_INVALID_MESSAGE_BODY, name: "VIX_E_INVALID_MESSAGE_BODY", text: "A message body is corrupt or absent" },
    Code { code: VIX_E_SNAPSHOT_INVAL, name: "VIX_E_SNAPSHOT_INVAL", text: "The snapshot operation failed for a reason that has no code of its own" },
    Code { code: VIX_E_SNAPSHOT_DUMPER, name: "VIX_E_SNAPSHOT_DUMPER", text: "The snapshot file could not be opened" },
    Code { code: VIX_E_SNAPSHOT_DISKLIB, name: "VIX_E_SNAPSHOT_DISKLIB", text: "A virtual disk failed during the snapshot operation" },
    Code { code: VIX_E_SNAPSHOT_NOTFOUND, name: "VIX_E_SNAPSHOT_NOTFOUND", text: "No such snapshot is known" },
    Code { code: VIX_E_SNAPSHOT_EXISTS, name: "VIX_E_SNAPSHOT_EXISTS", text: "The snapshot exists already" },
    Code { code: VIX_E_SNAPSHOT_VERSION, name: "VIX_E_SNAPSHOT_VERSION", text: "This virtual machine does not allow snapshots" },
    Code { code: VIX_E_SNAPSHOT_NOPERM, name: "VIX_E_SNAPSHOT_NOPERM", text: "The user lacks the right to work with snapshots" },
    Code { code: VIX_E_SNAPSHOT_CONFIG, name: "VIX_E_SNAPSHOT_CONFIG", text: "The configuration file is faulty, which stops the snapshot operation" },
    Code { code: VIX_E_SNAPSHOT_NOCHANGE, name: "VIX_E_SNAPSHOT_NOCHANGE", text: "Nothing has changed since the last snapshot" },
    Code { code: VIX_E_SNAPSHOT_CHECKPOINT, name: "VIX_E_SNAPSHOT_CHECKPOINT", text: "The snapshot file could not be saved" },
    Code { code: VIX_E_SNAPSHOT_LOCKED, name: "VIX_E_SNAPSHOT_LOCKED", text: "Another snapshot operation is under way" },
    Code { code: VIX_E_SNAPSHOT_INCONSISTENT, name: "VIX_E_SNAPSHOT_INCONSISTENT", text: "The snapshot files contradict each other" },
    Code { code: VIX_E_SNAPSHOT_NAMETOOLONG, name: "VIX_E_SNAPSHOT_NAMETOOLONG", text: "A file name of the snapshot is too long" },
    Code { code: VIX_E_SNAPSHOT_VIXFILE, name: "VIX_E_SNAPSHOT_VIXFILE", text: "Metadata files of VIX cannot be part of a snapshot" },
    Code { code: VIX_E_SNAPSHOT_DISKLOCKED, name: "VIX_E_SNAPSHOT_DISKLOCKED", text: "At least one disk of the snapshot is busy" },
    Code { code: VIX_E_SNAPSHOT_DUPLICATEDDISK, name: "VIX_E_SNAPSHOT_DUPLICATEDDISK", text: "One disk is used more than once in the virtual machine" },
    Code { code: VIX_E_SNAPSHOT_INDEPENDENTDISK, name: "VIX_E_SNAPSHOT_INDEPENDENTDISK", text: "A running virtual machine with independent disks cannot be snapshotted" },
    Code { code: VIX_E_SNAPSHOT_NONUNIQUE_NAME, name: "VIX_E_SNAPSHOT_NONUNIQUE_NAME", text: "More than one snapshot bears this name" },
    Code { code: VIX_E_SNAPSHOT_MEMORY_ON_INDEPENDENT_DISK, name: "VIX_E_SNAPSHOT_MEMORY_ON_INDEPENDENT_DISK", text: "Memory cannot be part of a snapshot while independent disks are attached" },
    Code { code: VIX_E_SNAPSHOT_MAXSNAPSHOTS, name: "VIX_E_SNAPSHOT_MAXSNAPSHOTS", text: "The limit on the number of snapshots is reached" },
    Code { code: VIX_E_SNAPSHOT_MIN_FREE_SPACE, name: "VIX_E_SNAPSHOT_MIN_FREE_SPACE", text: "The snapshot would take more space than has to stay free" },
    Code { code: VIX_E_SNAPSHOT_HIERARCHY_TOODEEP, name: "VIX_E_SNAPSHOT_HIERARCHY_TOODEEP", text: "The tree of snapshots is too deep" },
    Code { code: VIX_E_SNAPSHOT_NOT_REVERTABLE, name: "VIX_E_SNAPSHOT_NOT_REVERTABLE", text: "This snapshot is not one that can be reverted to" },
    Code { code: VIX_E_HOST_DISK_INVALID_VALUE, name: "VIX_E_HOST_DISK_INVALID_VALUE", text: "This is not a usable physical disk" },
    Code { code: VIX_E_HOST_DISK_SECTORSIZE, name: "VIX_E_HOST_DISK_SECTORSIZE", text: "The check of the disk's sector size failed" },
    Code { code: VIX_E_HOST_FILE_ERROR_EOF, name: "VIX_E_HOST_FILE_ERROR_EOF", text: "A read went past the end of the file" },
    Code { code: VIX_E_HOST_NETBLKDEV_HANDSHAKE, name: "VIX_E_HOST_NETBLKDEV_HANDSHAKE", text: "The handshake of the network block device protocol failed" },
    Code { code: VIX_E_HOST_SOCKET_CREATION_ERROR, name: "VIX_E_HOST_SOCKET_CREATION_ERROR", text: "A network socket could not be created" },
    Code { code: VIX_E_HOST_SERVER_NOT_FOUND, name: "VIX_E_HOST_SERVER_NOT_FOUND", text: "The server cannot be reached under the given name or address" },
    Code { code: VIX_E_HOST_NETWORK_CONN_REFUSED, name: "VIX_E_HOST_NETWORK_CONN_REFUSED", text: "The server refused connection" },
    Code { code: VIX_E_HOST_TCP_SOCKET_ERROR, name: "VIX_E_HOST_TCP_SOCKET_ERROR", text: "Communication over a network socket failed" },
    Code { code: VIX_E_HOST_TCP_CONN_LOST, name: "VIX_E_HOST_TCP_CONN_LOST", text: "The network connection was lost" },
    Code { code: VIX_E_HOST_NBD_HASHFILE_VOLUME, name: "VIX_E_HOST_NBD_HASHFILE_VOLUME", text: "The volume for the NBD hash file is faulty" },
    Code { code: VIX_E_HOST_NBD_HASHFILE_INIT, name: "VIX_E_HOST_NBD_HASHFILE_INIT", text: "The NBD hash file could not be initialised" },
    Code { code: VIX_E_HOST_SERVER_SHUTDOWN, name: "VIX_E_HOST_SERVER_SHUTDOWN", text: "The server is about to shut down" },
    Code { code: VIX_E_HOST_SERVER_NOT_AVAILABLE, name: "VIX_E_HOST_SERVER_NOT_AVAILABLE", text: "The server is not available at present" },
    Code { code: VIX_E_DISK_INVAL, name: "VIX_E_DISK_INVAL", text: "The disk layer was given a bad parameter" },
    Code { code: VIX_E_DISK_NOINIT, name: "VIX_E_DISK_NOINIT", text: "The disk library is not initialised" },
    Code { code: VIX_E_DISK_NOIO, name: "VIX_E_DISK_NOIO", text: "The disk was not opened for reading or writing" },
    Code { code: VIX_E_DISK_PARTIALCHAIN, name: "VIX_E_DISK_PARTIALCHAIN", text: "The whole chain of disks is needed, so its parents have to be opened too" },
    Code { code: VIX_E_DISK_NEEDSREPAIR, name: "VIX_E_DISK_NEEDSREPAIR", text: "The disk is damaged and needs a repair" },
    Code { code: VIX_E_DISK_OUTOFRANGE, name: "VIX_E_DISK_OUTOFRANGE", text: "The access reaches past the end of the disk" },
    Code { code: VIX_E_DISK_CID_MISMATCH, name: "VIX_E_DISK_CID_MISMATCH", text: "The parent disk was changed after its child was made" },
    Code { code: VIX_E_DISK_CANTSHRINK, name: "VIX_E_DISK_CANTSHRINK", text: "Only the parent disk can be shrunk, and this is another one" },
    Code { code: VIX_E_DISK_PARTMISMATCH, name: "VIX_E_DISK_PARTMISMATCH", text: "The partition table of the physical disk has changed" },
    Code { code: VIX_E_DISK_UNSUPPORTEDDISKVERSION, name: "VIX_E_DISK_UNSUPPORTEDDISKVERSION", text: "The disk uses a format version that is not supported" },
    Code { code: VIX_E_DISK_OPENPARENT, name: "VIX_E_DISK_OPENPARENT", text: "The parent of the disk could not be opened" },
    Code { code: VIX_E_DISK_NOTSUPPORTED, name: "VIX_E_DISK_NOTSUPPORTED", text: "The disk uses a feature that this version does not support" },
    Code { code: VIX_E_DISK_NEEDKEY, name: "VIX_E_DISK_NEEDKEY", text: "The keys of the encrypted disk are missing" },
    Code { code: VIX_E_DISK_NOKEYOVERRIDE, name: "VIX_E_DISK_NOKEYOVERRIDE", text: "An encrypted disk is not given an unencrypted child" },
    Code { code: VIX_E_DISK_NOTENCRYPTED, name: "VIX_E_DISK_NOTENCRYPTED", text: "The disk has no encryption" },
    Code { code: VIX_E_DISK_NOKEY, name: "VIX_E_DISK_NOKEY", text: "Encryption was asked for, but no keys were given" },
    Code { code: VIX_E_DISK_INVALIDPARTITIONTABLE, name: "VIX_E_DISK_INVALIDPARTITIONTABLE", text: "The partition table makes no sense" },
    Code { code: VIX_E_DISK_NOTNORMAL, name: "VIX_E_DISK_NOTNORMAL", text: "Only sparse extents with an embedded descriptor can be encrypted" },
    Code { code: VIX_E_DISK_NOTENCDESC, name: "VIX_E_DISK_NOTENCDESC", text: "The descriptor of the disk has no encryption" },
    Code { code: VIX_E_DISK_NEEDVMFS, name: "VIX_E_DISK_NEEDVMFS", text: "The disk has to be on a VMFS file system" },
    Code { code: VIX_E_DISK_RAWTOOBIG, name: "VIX_E_DISK_RAWTOOBIG", text: "The physical disk is larger than supported" },
    Code { code: VIX_E_DISK_TOOMANYOPENFILES, name: "VIX_E_DISK_TOOMANYOPENFILES", text: "Too many files are open" },
    Code { code: VIX_E_DISK_TOOMANYREDO, name: "VIX_E_DISK_TOOMANYREDO", text: "The chain of the disk has too many links" },
    Code { code: VIX_E_DISK_RAWTOOSMALL, name: "VIX_E_DISK_RAWTOOSMALL", text: "The physical disk is smaller than needed" },
    Code { code: VIX_E_DISK_INVALIDCHAIN, name: "VIX_E_DISK_INVALIDCHAIN", text: "The chain mixes hosted disks with managed disks" },
    Code { code: VIX_E_DISK_KEY_NOTFOUND, name: "VIX_E_DISK_KEY_NOTFOUND", text: "The disk database has no such key" },
    Code { code: VIX_E_DISK_SUBSYSTEM_INIT_FAIL, name: "VIX_E_DISK_SUBSYSTEM_INIT_FAIL", text: "A subsystem that the disk library needs failed to start" },
    Code { code: VIX_E_DISK_INVALID_CONNECTION, name: "VIX_E_DISK_INVALID_CONNECTION", text: "The connection handle is invalid" },
    Code { code: VIX_E_DISK_ENCODING, name: "VIX_E_DISK_ENCODING", text: "The encoding of the disk causes a problem" },
    Code { code: VIX_E_DISK_CANTREPAIR, name: "VIX_E_DISK_CANTREPAIR", text: "The disk is damaged beyond repair" },
    Code { code: VIX_E_DISK_INVALIDDISK, name: "VIX_E_DISK_INVALIDDISK", text: "The file is not a valid virtual disk" },
    Code { code: VIX_E_DISK_NOLICENSE, name: "VIX_E_DISK_NOLICENSE", text: "The licence of the host lacks this disk feature" },
    Code { code: VIX_E_DISK_NODEVICE, name: "VIX_E_DISK_NODEVICE", text: "The device behind the disk is missing" },
    Code { code: VIX_E_DISK_UNSUPPORTEDDEVICE, name: "VIX_E_DISK_UNSUPPORTEDDEVICE", text: "The device behind the disk is of a type that does not support the operation" },
    Code { code: VIX_E_DISK_CAPACITY_MISMATCH, name: "VIX_E_DISK_CAPACITY_MISMATCH", text: "Parent and child disk differ in capacity" },
    Code { code: VIX_E_DISK_PARENT_NOTALLOWED, name: "VIX_E_DISK_PARENT_NOTALLOWED", text: "A disk of this type cannot be a parent" },
    Code { code: VIX_E_DISK_ATTACH_ROOTLINK, name: "VIX_E_DISK_ATTACH_ROOTLINK", text: "Both links to be attached are roots of a chain" },
    Code { code: VIX_E_CRYPTO_UNKNOWN_ALGORITHM, name: "VIX_E_CRYPTO_UNKNOWN_ALGORITHM", text: "The encryption algorithm is unknown" },
    Code { code: VIX_E_CRYPTO_BAD_BUFFER_SIZE, name: "VIX_E_CRYPTO_BAD_BUFFER_SIZE", text: "A buffer for encryption has the wrong size" },
    Code { code: VIX_E_CRYPTO_INVALID_OPERATION, name: "VIX_E_CRYPTO_INVALID_OPERATION", text: "The requested encryption operation is illegal" },
    Code { code: VIX_E_CRYPTO_RANDOM_DEVICE, name: "VIX_E_CRYPTO_RANDOM_DEVICE", text: "The source of random numbers for encryption failed" },
    Code { code: VIX_E_CRYPTO_NEED_PASSWORD, name: "VIX_E_CRYPTO_NEED_PASSWORD", text: "A password is needed to unlock the keys" },
    Code { code: VIX_E_CRYPTO_BAD_PASSWORD, name: "VIX_E_CRYPTO_BAD_PASSWORD", text: "The password for the keys is wrong" },
    Code { code: VIX_E_CRYPTO_NOT_IN_DICTIONARY, name: "VIX_E_CRYPTO_NOT_IN_DICTIONARY", text: "An expected entry is not in the encryption dictionary" },
    Code { code: VIX_E_CRYPTO_NO_CRYPTO, name: "VIX_E_CRYPTO_NO_CRYPTO", text: "No encryption is available" },
    Code { code: VIX_E_CRYPTO_ERROR, name: "VIX_E_CRYPTO_ERROR", text: "Encryption or decryption failed without a more exact reason" },
    Code { code: VIX_E_CRYPTO_BAD_FORMAT, name: "VIX_E_CRYPTO_BAD_FORMAT", text: "Encrypted data or a key is in a bad format" },
    Code { code: VIX_E_CRYPTO_LOCKED, name: "VIX_E_CRYPTO_LOCKED", text: "The keys are locked" },
    Code { code: VIX_E_CRYPTO_EMPTY, name: "VIX_E_CRYPTO_EMPTY", text: "The key store is empty" },
    Code { code: VIX_E_CRYPTO_KEYSAFE_LOCATOR, name: "VIX_E_CRYPTO_KEYSAFE_LOCATOR", text: "The locator of the key safe causes a problem" },
    Code { code: VIX_E_CANNOT_CONNECT_TO_HOST, name: "VIX_E_CANNOT_CONNECT_TO_HOST", text: "The host did not accept a connection" },
    Code { code: VIX_E_NOT_FOR_REMOTE_HOST, name: "VIX_E_NOT_FOR_REMOTE_HOST", text: "The operation works with the local host only" },
    Code { code: VIX_E_INVALID_HOSTNAME_SPECIFICATION, name: "VIX_E_INVALID_HOSTNAME_SPECIFICATION", text: "The host name has to be given as an https URL that ends in /sdk" },
    Code { code: VIX_E_SCREEN_CAPTURE_ERROR, name: "VIX_E_SCREEN_CAPTURE_ERROR", text: "Capturing the screen failed" },
    Code { code: VIX_E_SCREEN_CAPTURE_BAD_FORMAT, name: "VIX_E_SCREEN_CAPTURE_BAD_FORMAT", text: "The format for the screen capture is unsupported" },
    Code { code: VIX_E_SCREEN_CAPTURE_COMPRESSION_FAIL, name: "VIX_E_SCREEN_CAPTURE_COMPRESSION_FAIL", text: "Compressing the screen capture failed" },
    Code { code: VIX_E_SCREEN_CAPTURE_LARGE_DATA, name: "VIX_E_SCREEN_CAPTURE_LARGE_DATA", text: "The screen capture is larger than its limit" },
    Code { code: VIX_E_GUEST_VOLUMES_NOT_FROZEN, name: "VIX_E_GUEST_VOLUMES_NOT_FROZEN", text: "The volumes of the guest are not frozen" },
    Code { code: VIX_E_NOT_A_FILE, name: "VIX_E_NOT_A_FILE", text: "The name does not stand for a file" },
    Code { code: VIX_E_NOT_A_DIRECTORY, name: "VIX_E_NOT_A_DIRECTORY", text: "The name does not stand for a directory" },
    Code { code: VIX_E_NO_SUCH_PROCESS, name: "VIX_E_NO_SUCH_PROCESS", text: "There is no process of this id" },
    Code { code: VIX_E_FILE_NAME_TOO_LONG, name: "VIX_E_FILE_NAME_TOO_LONG", text: "The file name exceeds the length limit" },
    Code { code: VIX_E_OPERATION_DISABLED, name: "VIX_E_OPERATION_DISABLED", text: "The guest operating system has this operation disabled" },
    Code { code: VIX_E_TOOLS_INSTALL_NO_IMAGE, name: "VIX_E_TOOLS_INSTALL_NO_IMAGE", text: "No image of the tools installer exists for this guest" },
    Code { code: VIX_E_TOOLS_INSTALL_IMAGE_INACCESIBLE, name: "VIX_E_TOOLS_INSTALL_IMAGE_INACCESIBLE", text: "The image of the tools installer is inaccessible" },
    Code { code: VIX_E_TOOLS_INSTALL_NO_DEVICE, name: "VIX_E_TOOLS_INSTALL_NO_DEVICE", text: "The guest has no device for the image of the tools installer" },
    Code { code: VIX_E_TOOLS_INSTALL_DEVICE_NOT_CONNECTED, name: "VIX_E_TOOLS_INSTALL_DEVICE_NOT_CONNECTED", text: "The device for the image of the tools installer is disconnected" },
    Code { code: VIX_E_TOOLS_INSTALL_CANCELLED, name: "VIX_E_TOOLS_INSTALL_CANCELLED", text: "The tools installer was cancelled" },
    Code { code: VIX_E_TOOLS_INSTALL_INIT_FAILED, name: "VIX_E_TOOLS_INSTALL_INIT_FAILED", text: "The tools installer failed to initialise" },
    Code { code: VIX_E_TOOLS_INSTALL_AUTO_NOT_SUPPORTED, name: "VIX_E_TOOLS_INSTALL_AUTO_NOT_SUPPORTED", text: "The tools installer cannot run automatically in this guest" },
    Code { code: VIX_E_TOOLS_INSTALL_GUEST_NOT_READY, name: "VIX_E_TOOLS_INSTALL_GUEST_NOT_READY", text: "The guest is not ready for the tools installer" },
    Code { code: VIX_E_TOOLS_INSTALL_SIG_CHECK_FAILED, name: "VIX_E_TOOLS_INSTALL_SIG_CHECK_FAILED", text: "The signature check of the tools installer failed" },
    Code { code: VIX_E_TOOLS_INSTALL_ERROR, name: "VIX_E_TOOLS_INSTALL_ERROR", text: "The tools installer failed without a more exact reason" },
    Code { code: VIX_E_TOOLS_INSTALL_ALREADY_UP_TO_DATE, name: "VIX_E_TOOLS_INSTALL_ALREADY_UP_TO_DATE", text: "The tools in the guest are current already" },
    Code { code: VIX_E_TOOLS_INSTALL_IN_PROGRESS, name: "VIX_E_TOOLS_INSTALL_IN_PROGRESS", text: "The tools installer is running already" },
    Code { code: VIX_E_TOOLS_INSTALL_IMAGE_COPY_FAILED, name: "VIX_E_TOOLS_INSTALL_IMAGE_COPY_FAILED", text: "The image of the tools installer could not be copied" },
    Code { code: VIX_E_WRAPPER_WORKSTATION_NOT_INSTALLED, name: "VIX_E_WRAPPER_WORKSTATION_NOT_INSTALLED", text: "The service provider of Workstation is missing" },
    Code { code: VIX_E_WRAPPER_VERSION_NOT_FOUND, name: "VIX_E_WRAPPER_VERSION_NOT_FOUND", text: "The requested version is not present on this computer" },
    Code { code: VIX_E_WRAPPER_SERVICEPROVIDER_NOT_FOUND, name: "VIX_E_WRAPPER_SERVICEPROVIDER_NOT_FOUND", text: "The requested service provider is missing" },
    Code { code: VIX_E_WRAPPER_PLAYER_NOT_INSTALLED, name: "VIX_E_WRAPPER_PLAYER_NOT_INSTALLED", text: "The service provider of Player is missing" },
    Code { code: VIX_E_WRAPPER_RUNTIME_NOT_INSTALLED, name: "VIX_E_WRAPPER_RUNTIME_NOT_INSTALLED", text: "The run-time files of VIX are missing" },
    Code { code: VIX_E_WRAPPER_MULTIPLE_SERVICEPROVIDERS, name: "VIX_E_WRAPPER_MULTIPLE_SERVICEPROVIDERS", text: "Several service providers cannot be mixed" },
    Code { code: VIX_E_MNTAPI_MOUNTPT_NOT_FOUND, name: "VIX_E_MNTAPI_MOUNTPT_NOT_FOUND", text: "The mount point is unknown" },
    Code { code: VIX_E_MNTAPI_MOUNTPT_IN_USE, name: "VIX_E_MNTAPI_MOUNTPT_IN_USE", text: "The mount point is in use" },
    Code { code: VIX_E_MNTAPI_DISK_NOT_FOUND, name: "VIX_E_MNTAPI_DISK_NOT_FOUND", text: "The disk to mount does not exist" },
    Code { code: VIX_E_MNTAPI_DISK_NOT_MOUNTED, name: "VIX_E_MNTAPI_DISK_NOT_MOUNTED", text: "The disk has not been mounted" },
    Code { code: VIX_E_MNTAPI_DISK_IS_MOUNTED, name: "VIX_E_MNTAPI_DISK_IS_MOUNTED", text: "The disk is mounted already" },
    Code { code: VIX_E_MNTAPI_DISK_NOT_SAFE, name: "VIX_E_MNTAPI_DISK_NOT_SAFE", text: "Mounting is unsafe: the disk is in use, suspended or part of a snapshot chain" },
    Code { code: VIX_E_MNTAPI_DISK_CANT_OPEN, name: "VIX_E_MNTAPI_DISK_CANT_OPEN", text: "The disk to mount could not be opened" },
    Code { code: VIX_E_MNTAPI_CANT_READ_PARTS, name: "VIX_E_MNTAPI_CANT_READ_PARTS", text: "The partition table of the disk is unreadable" },
    Code { code: VIX_E_MNTAPI_UMOUNT_APP_NOT_FOUND, name: "VIX_E_MNTAPI_UMOUNT_APP_NOT_FOUND", text: "The umount program is missing from this system" },
    Code { code: VIX_E_MNTAPI_UMOUNT, name: "VIX_E_MNTAPI_UMOUNT", text: "The umount command failed" },
    Code { code: VIX_E_MNTAPI_NO_MOUNTABLE_PARTITONS, name: "VIX_E_MNTAPI_NO_MOUNTABLE_PARTITONS", text: "Nothing on this disk can be mounted" },
    Code { code: VIX_E_MNTAPI_PARTITION_RANGE, name: "VIX_E_MNTAPI_PARTITION_RANGE", text: "The disk has no partition of this number" },
    Code { code: VIX_E_MNTAPI_PERM, name: "VIX_E_MNTAPI_PERM", text: "The rights to mount are missing" },
    Code { code: VIX_E_MNTAPI_DICT, name: "VIX_E_MNTAPI_DICT", text: "The metadata of the mount is inaccessible or damaged" },
    Code { code: VIX_E_MNTAPI_DICT_LOCKED, name: "VIX_E_MNTAPI_DICT_LOCKED", text: "The metadata is locked by another program that mounts disks" },
    Code { code: VIX_E_MNTAPI_OPEN_HANDLES, name: "VIX_E_MNTAPI_OPEN_HANDLES", text: "Another process uses the mounted disk" },
    Code { code: VIX_E_MNTAPI_CANT_MAKE_VAR_DIR, name: "VIX_E_MNTAPI_CANT_MAKE_VAR_DIR", text: "The run directory could not be created" },
    Code { code: VIX_E_MNTAPI_NO_ROOT, name: "VIX_E_MNTAPI_NO_ROOT", text: "Mounting disks needs root rights" },
    Code { code: VIX_E_MNTAPI_LOOP_FAILED, name: "VIX_E_MNTAPI_LOOP_FAILED", text: "Setting up a loop device failed" },
    Code { code: VIX_E_MNTAPI_DAEMON, name: "VIX_E_MNTAPI_DAEMON", text: "The FUSE daemon did not start" },
    Code { code: VIX_E_MNTAPI_INTERNAL, name: "VIX_E_MNTAPI_INTERNAL", text: "Mounting failed through an internal error" },
    Code { code: VIX_E_MNTAPI_SYSTEM, name: "VIX_E_MNTAPI_SYSTEM", text: "A system call of the mount failed" },
    Code { code: VIX_E_MNTAPI_NO_CONNECTION_DETAILS, name: "VIX_E_MNTAPI_NO_CONNECTION_DETAILS", text: "No VixDiskLib connection was given for the mount" },
    Code { code: VIX_E_MNTAPI_INCOMPATIBLE_VERSION, name: "VIX_E_MNTAPI_INCOMPATIBLE_VERSION", text: "The version is too low for the mount interface" },
    Code { code: VIX_E_MNTAPI_OS_ERROR, name: "VIX_E_MNTAPI_OS_ERROR", text: "The operating system reported an error during the mount" },
    Code { code: VIX_E_MNTAPI_DRIVE_LETTER_IN_USE, name: "VIX_E_MNTAPI_DRIVE_LETTER_IN_USE", text: "The drive letter is in use" },
    Code { code: VIX_E_MNTAPI_DRIVE_LETTER_ALREADY_ASSIGNED, name: "VIX_E_MNTAPI_DRIVE_LETTER_ALREADY_ASSIGNED", text: "A drive letter has been assigned already" },
    Code { code: VIX_E_MNTAPI_VOLUME_NOT_MOUNTED, name: "VIX_E_MNTAPI_VOLUME_NOT_MOUNTED", text: "The volume has not been mounted" },
    Code { code: VIX_E_MNTAPI_VOLUME_ALREADY_MOUNTED, name: "VIX_E_MNTAPI_VOLUME_ALREADY_MOUNTED", text: "The volume is mounted already" },
    Code { code: VIX_E_MNTAPI_FORMAT_FAILURE, name: "VIX_E_MNTAPI_FORMAT_FAILURE", text: "The volume could not be formatted" },
    Code { code: VIX_E_MNTAPI_NO_DRIVER, name: "VIX_E_MNTAPI_NO_DRIVER", text: "The driver for mounting is missing" },
    Code { code: VIX_E_MNTAPI_ALREADY_OPENED, name: "VIX_E_MNTAPI_ALREADY_OPENED", text: "The volume or disk set is open already" },
    Code { code: VIX_E_MNTAPI_ITEM_NOT_FOUND, name: "VIX_E_MNTAPI_ITEM_NOT_FOUND", text: "A required item is missing" },
    Code { code: VIX_E_MNTAPI_UNSUPPROTED_BOOT_LOADER, name: "VIX_E_MNTAPI_UNSUPPROTED_BOOT_LOADER", text: "The boot loader on the disk is unsupported" },
    Code { code: VIX_E_MNTAPI_UNSUPPROTED_OS, name: "VIX_E_MNTAPI_UNSUPPROTED_OS", text: "The operating system on the disk is unsupported" },
    Code { code: VIX_E_MNTAPI_CODECONVERSION, name: "VIX_E_MNTAPI_CODECONVERSION", text: "Converting a string to another encoding failed" },
    Code { code: VIX_E_MNTAPI_REGWRITE_ERROR, name: "VIX_E_MNTAPI_REGWRITE_ERROR", text: "Writing to the registry failed" },
    Code { code: VIX_E_MNTAPI_UNSUPPORTED_FT_VOLUME, name: "VIX_E_MNTAPI_UNSUPPORTED_FT_VOLUME", text: "Fault-tolerant volumes of NT 4 are unsupported" },
    Code { code: VIX_E_MNTAPI_PARTITION_NOT_FOUND, name: "VIX_E_MNTAPI_PARTITION_NOT_FOUND", text: "The partition is missing" },
    Code { code: VIX_E_MNTAPI_PUTFILE_ERROR, name: "VIX_E_MNTAPI_PUTFILE_ERROR", text: "Copying a file to the volume failed" },
    Code { code: VIX_E_MNTAPI_GETFILE_ERROR, name: "VIX_E_MNTAPI_GETFILE_ERROR", text: "Copying a file from the volume failed" },
    Code { code: VIX_E_MNTAPI_REG_NOT_OPENED, name: "VIX_E_MNTAPI_REG_NOT_OPENED", text: "The registry key could not be opened" },
    Code { code: VIX_E_MNTAPI_REGDELKEY_ERROR, name: "VIX_E_MNTAPI_REGDELKEY_ERROR", text: "The registry key could not be deleted" },
    Code { code: VIX_E_MNTAPI_CREATE_PARTITIONTABLE_ERROR, name: "VIX_E_MNTAPI_CREATE_PARTITIONTABLE_ERROR", text: "The partition table could not be created" },
    Code { code: VIX_E_MNTAPI_OPEN_FAILURE, name: "VIX_E_MNTAPI_OPEN_FAILURE", text: "The disk set could not be opened" },
    Code { code: VIX_E_MNTAPI_VOLUME_NOT_WRITABLE, name: "VIX_E_MNTAPI_VOLUME_NOT_WRITABLE", text: "The volume is protected against writing" },
    Code { code: VIX_ASYNC, name: "VIX_ASYNC", text: "The request was accepted and will complete later" },
    Code { code: VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED, name: "VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED", text: "Synchronous and asynchronous I/O cannot be mixed on one disk handle" },
    Code { code: VIX_E_NET_HTTP_UNSUPPORTED_PROTOCOL, name: "VIX_E_NET_HTTP_UNSUPPORTED_PROTOCOL", text: "The protocol in the URL is unsupported" },
    Code { code: VIX_E_NET_HTTP_URL_MALFORMAT, name: "VIX_E_NET_HTTP_URL_MALFORMAT", text: "The URL is malformed" },
    Code { code: VIX_E_NET_HTTP_COULDNT_RESOLVE_PROXY, name: "VIX_E_NET_HTTP_COULDNT_RESOLVE_PROXY", text: "The name of the proxy could not be resolved" },
    Code { code: VIX_E_NET_HTTP_COULDNT_RESOLVE_HOST, name: "VIX_E_NET_HTTP_COULDNT_RESOLVE_HOST", text: "The name of the host could not be resolved" },
    Code { code: VIX_E_NET_HTTP_COULDNT_CONNECT, name: "VIX_E_NET_HTTP_COULDNT_CONNECT", text: "The host or its proxy accepted no connection" },
    Code { code: VIX_E_NET_HTTP_HTTP_RETURNED_ERROR, name: "VIX_E_NET_HTTP_HTTP_RETURNED_ERROR", text: "The server answered with an HTTP status of 400 or higher" },
    Code { code: VIX_E_NET_HTTP_OPERATION_TIMEDOUT, name: "VIX_E_NET_HTTP_OPERATION_TIMEDOUT", text: "The network operation took longer than its time limit" },
    Code { code: VIX_E_NET_HTTP_SSL_CONNECT_ERROR, name: "VIX_E_NET_HTTP_SSL_CONNECT_ERROR", text: "The TLS handshake with the server failed" },
    Code { code: VIX_E_NET_HTTP_TOO_MANY_REDIRECTS, name: "VIX_E_NET_HTTP_TOO_MANY_REDIRECTS", text: "The server redirected more often than the limit allows" },
    Code { code: VIX_E_NET_HTTP_TRANSFER, name: "VIX_E_NET_HTTP_TRANSFER", text: "The HTTP transfer failed" },
    Code { code: VIX_E_NET_HTTP_SSL_SECURITY, name: "VIX_E_NET_HTTP_SSL_SECURITY", text: "The TLS security of the HTTP connection failed" },
    Code { code: VIX_E_NET_HTTP_GENERIC, name: "VIX_E_NET_HTTP_GENERIC", text: "HTTP failed without a more exact reason" },
];

/// What is known about the code in the low 16 bits of `error`.
pub(crate) fn lookup(error: VixError) -> Option<&'static Code> {
    let code = error & 0xffff;
    CODES.binary_search_by_key(&code, |known| known.code).ok().map(|index| &CODES[index])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_strictly_ascending() {
        assert_eq!(CODES.len(), 268);
        assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(CODES.iter().all(|known| known.code <= 0xffff));
    }

    #[test]
    fn names_and_texts_are_unique_and_well_formed() {
        let names: HashSet<_> = CODES.iter().map(|known| known.name).collect();
        let texts: HashSet<_> = CODES.iter().map(|known| known.text).collect();
        assert_eq!(names.len(), CODES.len());
        assert_eq!(texts.len(), CODES.len());
        for text in texts {
            assert!(text.starts_with(|first: char| first.is_ascii_uppercase()), "{text:?}");
            assert!(text.is_ascii() && !text.ends_with('.') && text.trim() == text, "{text:?}");
        }
    }

    #[test]
    fn every_constant_is_in_the_table() {
        let constants: Vec<(&str, VixError)> = include_str!("codes.rs")
            .lines()
            .filter_map(|line| {
                line.strip_prefix("pub const ")?.strip_suffix(';')?.split_once(": VixError = ")
            })
            .map(|(name, number)| (name, number.parse().unwrap()))
            .collect();
        assert_eq!(constants.len(), CODES.len());
        for (name, number) in constants {
            let known = CODES.iter().find(|known| known.name == name).unwrap();
            assert_eq!(known.code, number, "{name}");
        }
    }

    #[test]
    fn texts_known_to_clients_stay_as_they_are() {
        for (code, text) in [
            (VIX_E_FAIL, "Unknown error"),
            (VIX_E_INVALID_ARG, "One of the parameters was invalid"),
            (VIX_E_FILE_ACCESS_ERROR, "You do not have access rights to this file"),
            (VIX_E_HOST_NETWORK_CONN_REFUSED, "The server refused connection"),
        ] {
            assert_eq!(lookup(code).unwrap().text, text);
        }
    }

    #[test]
    fn retired_numbers_stay_unused() {
        for retired in [3029, 3030, 3039, 3044, 3045, 13022] {
            assert!(lookup(retired).is_none(), "{retired}");
        }
    }

    #[test]
    fn lookup_ignores_the_upper_bits() {
        assert!(CODES.iter().all(|known| lookup(known.code).unwrap().name == known.name));
        assert_eq!(lookup(0xdead_beef_0402_0000 | VIX_E_DISK_FULL).unwrap().name, "VIX_E_DISK_FULL");
        assert_eq!(lookup(0x1_0000).unwrap().name, "VIX_OK");
    }

    #[test]
    fn unknown_codes_are_not_found() {
        for unknown in [17, 999, 24023, 0xffff, 0x1_ffff] {
            assert!(lookup(unknown).is_none(), "{unknown}");
        }
    }
}
