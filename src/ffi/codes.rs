//! The error codes of the C interface, their names and their texts.
//!
//! A [`VixError`] has 64 bits: the code in the low 16, then 8 bits of flags, 8 bits that name the kind of an
//! additional error, and that error in the upper 32. Vixen returns bare codes, with all upper bits 0, because
//! clients compare the whole value; what came from elsewhere is looked up by its low 16 bits.
//!
//! Names and numbers are those of the public VIX interface (open-vm-tools, and what VDDK clients test for). They
//! are never reused; 3029, 3030, 3039, 3044, 3045 and 13022 were retired and stay unused. The odd spellings are
//! the interface's own. The texts are ours.

/// An error of the C interface; 0 is success.
pub type VixError = u64;

// ---- General

/// The operation was successful.
pub const VIX_OK: VixError = 0;
/// Unknown error.
pub const VIX_E_FAIL: VixError = 1;
/// There is not enough memory.
pub const VIX_E_OUT_OF_MEMORY: VixError = 2;
/// One of the parameters was invalid.
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
/// The file is of the wrong type.
pub const VIX_E_INCORRECT_FILE_TYPE: VixError = 9;
/// The operation was cancelled.
pub const VIX_E_CANCELLED: VixError = 10;
/// The file or disk is read-only.
pub const VIX_E_FILE_READ_ONLY: VixError = 11;
/// The file already exists.
pub const VIX_E_FILE_ALREADY_EXISTS: VixError = 12;
/// You do not have access rights to this file.
pub const VIX_E_FILE_ACCESS_ERROR: VixError = 13;
/// The file system does not support large files.
pub const VIX_E_REQUIRES_LARGE_FILES: VixError = 14;
/// The file is locked by someone else.
pub const VIX_E_FILE_ALREADY_LOCKED: VixError = 15;
/// Internal communication with the host failed.
pub const VIX_E_VMDB: VixError = 16;
/// The operation is not available for remote objects.
pub const VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT: VixError = 20;
/// The file is larger than the file system or format allows.
pub const VIX_E_FILE_TOO_BIG: VixError = 21;
/// The file name is not valid.
pub const VIX_E_FILE_NAME_INVALID: VixError = 22;
/// The object already exists.
pub const VIX_E_ALREADY_EXISTS: VixError = 23;
/// The buffer is too small; the length needed was returned.
pub const VIX_E_BUFFER_TOOSMALL: VixError = 24;
/// The object was not found.
pub const VIX_E_OBJECT_NOT_FOUND: VixError = 25;
/// There is no connection to the host.
pub const VIX_E_HOST_NOT_CONNECTED: VixError = 26;
/// The string is not valid UTF-8.
pub const VIX_E_INVALID_UTF8_STRING: VixError = 27;
/// The job is still running.
pub const VIX_E_UNFINISHED_JOB: VixError = 29;
/// A decryption key is needed.
pub const VIX_E_NEED_KEY: VixError = 30;
/// The same operation is already in progress.
pub const VIX_E_OPERATION_ALREADY_IN_PROGRESS: VixError = 31;
/// The licence does not cover the operation.
pub const VIX_E_LICENSE: VixError = 32;
/// VM's host is disconnected.
pub const VIX_E_VM_HOST_DISCONNECTED: VixError = 34;
/// Authentication for the encrypted virtual machine failed.
pub const VIX_E_AUTHENTICATION_FAIL: VixError = 35;
/// The connection to the host was lost.
pub const VIX_E_HOST_CONNECTION_LOST: VixError = 36;
/// The name is used by another object.
pub const VIX_E_DUPLICATE_NAME: VixError = 41;
/// The argument exceeds its limit.
pub const VIX_E_ARGUMENT_TOO_BIG: VixError = 44;
// ---- Handle and XML

/// The handle is not valid.
pub const VIX_E_INVALID_HANDLE: VixError = 1000;
/// This kind of handle does not offer the operation.
pub const VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE: VixError = 1001;
/// Too many handles are open.
pub const VIX_E_TOO_MANY_HANDLES: VixError = 1002;
/// A required part of the file is missing.
pub const VIX_E_NOT_FOUND: VixError = 2000;
/// An object in the file has the wrong type.
pub const VIX_E_TYPE_MISMATCH: VixError = 2001;
/// The content of the file is malformed.
pub const VIX_E_INVALID_XML: VixError = 2002;
// ---- VM control (not expected from VixDiskLib)

/// Guest tools did not answer in time.
pub const VIX_E_TIMEOUT_WAITING_FOR_TOOLS: VixError = 3000;
/// VM does not know the command.
pub const VIX_E_UNRECOGNIZED_COMMAND: VixError = 3001;
/// Guest OS does not support the request.
pub const VIX_E_OP_NOT_SUPPORTED_ON_GUEST: VixError = 3003;
/// Guest program could not be started.
pub const VIX_E_PROGRAM_NOT_STARTED: VixError = 3004;
/// Read-only VM cannot power on.
pub const VIX_E_CANNOT_START_READ_ONLY_VM: VixError = 3005;
/// VM must be powered on.
pub const VIX_E_VM_NOT_RUNNING: VixError = 3006;
/// VM must not be powered on.
pub const VIX_E_VM_IS_RUNNING: VixError = 3007;
/// VM unreachable.
pub const VIX_E_CANNOT_CONNECT_TO_VM: VixError = 3008;
/// Power scripts cannot run.
pub const VIX_E_POWEROP_SCRIPTS_NOT_AVAILABLE: VixError = 3009;
/// No guest OS installed.
pub const VIX_E_NO_GUEST_OS_INSTALLED: VixError = 3010;
/// Host lacks memory for the VM.
pub const VIX_E_VM_INSUFFICIENT_HOST_MEMORY: VixError = 3011;
/// Suspend failed.
pub const VIX_E_SUSPEND_ERROR: VixError = 3012;
/// Host has too few CPUs for the VM.
pub const VIX_E_VM_NOT_ENOUGH_CPUS: VixError = 3013;
/// Host rights insufficient.
pub const VIX_E_HOST_USER_PERMISSIONS: VixError = 3014;
/// Guest rights/authentication insufficient.
pub const VIX_E_GUEST_USER_PERMISSIONS: VixError = 3015;
/// Guest tools not running.
pub const VIX_E_TOOLS_NOT_RUNNING: VixError = 3016;
/// Guest operations forbidden on this VM.
pub const VIX_E_GUEST_OPERATIONS_PROHIBITED: VixError = 3017;
/// Guest operations need a login first.
pub const VIX_E_ANON_GUEST_OPERATIONS_PROHIBITED: VixError = 3018;
/// Guest operations forbidden for administrator.
pub const VIX_E_ROOT_GUEST_OPERATIONS_PROHIBITED: VixError = 3019;
/// No anonymous guest account configured.
pub const VIX_E_MISSING_ANON_GUEST_ACCOUNT: VixError = 3023;
/// Guest authentication impossible.
pub const VIX_E_CANNOT_AUTHENTICATE_WITH_GUEST: VixError = 3024;
/// Guest tools do not know the command.
pub const VIX_E_UNRECOGNIZED_COMMAND_IN_GUEST: VixError = 3025;
/// Guest operations forbidden for console users.
pub const VIX_E_CONSOLE_GUEST_OPERATIONS_PROHIBITED: VixError = 3026;
/// Only the console user may do this.
pub const VIX_E_MUST_BE_CONSOLE_USER: VixError = 3027;
/// VM waits for a user answer.
pub const VIX_E_VMX_MSG_DIALOG_AND_NO_UI: VixError = 3028;
/// Login type forbids the command.
pub const VIX_E_OPERATION_NOT_ALLOWED_FOR_LOGIN_TYPE: VixError = 3031;
/// Login type unsupported.
pub const VIX_E_LOGIN_TYPE_NOT_SUPPORTED: VixError = 3032;
/// Guest rejects empty passwords.
pub const VIX_E_EMPTY_PASSWORD_NOT_ALLOWED_IN_GUEST: VixError = 3033;
/// No interactive guest session.
pub const VIX_E_INTERACTIVE_SESSION_NOT_PRESENT: VixError = 3034;
/// Interactive session belongs to another user.
pub const VIX_E_INTERACTIVE_SESSION_USER_MISMATCH: VixError = 3035;
/// VM failed to start.
pub const VIX_E_CANNOT_POWER_ON_VM: VixError = 3041;
/// No display server.
pub const VIX_E_NO_DISPLAY_SERVER: VixError = 3043;
/// Too many authentication sessions.
pub const VIX_E_TOO_MANY_LOGONS: VixError = 3046;
/// Authentication session unknown.
pub const VIX_E_INVALID_AUTHENTICATION_SESSION: VixError = 3047;
/// VM not found.
pub const VIX_E_VM_NOT_FOUND: VixError = 4000;
/// VM version does not support it.
pub const VIX_E_NOT_SUPPORTED_FOR_VM_VERSION: VixError = 4001;
/// VM configuration unreadable.
pub const VIX_E_CANNOT_READ_VM_CONFIG: VixError = 4002;
/// Object is a template.
pub const VIX_E_TEMPLATE_VM: VixError = 4003;
/// VM already loaded.
pub const VIX_E_VM_ALREADY_LOADED: VixError = 4004;
/// VM already current.
pub const VIX_E_VM_ALREADY_UP_TO_DATE: VixError = 4006;
/// Target host does not support the guest OS.
pub const VIX_E_VM_UNSUPPORTED_GUEST: VixError = 4011;
/// Property id unknown.
pub const VIX_E_UNRECOGNIZED_PROPERTY: VixError = 6000;
/// Property value illegal.
pub const VIX_E_INVALID_PROPERTY_VALUE: VixError = 6001;
/// Property is read-only.
pub const VIX_E_READ_ONLY_PROPERTY: VixError = 6002;
/// Mandatory property missing.
pub const VIX_E_MISSING_REQUIRED_PROPERTY: VixError = 6003;
/// Serialised data malformed.
pub const VIX_E_INVALID_SERIALIZED_DATA: VixError = 6004;
/// Property type wrong.
pub const VIX_E_PROPERTY_TYPE_MISMATCH: VixError = 6005;
/// Index outside result set.
pub const VIX_E_BAD_VM_INDEX: VixError = 8000;
// ---- Messages

/// Message header corrupt or wrong version.
pub const VIX_E_INVALID_MESSAGE_HEADER: VixError = 10000;
/// Message body corrupt or absent.
pub const VIX_E_INVALID_MESSAGE_BODY: VixError = 10001;
// ---- Snapshot

/// Snapshot: generic snapshot error.
pub const VIX_E_SNAPSHOT_INVAL: VixError = 13000;
/// Snapshot: snapshot file cannot be opened.
pub const VIX_E_SNAPSHOT_DUMPER: VixError = 13001;
/// Snapshot: disk error during snapshot work.
pub const VIX_E_SNAPSHOT_DISKLIB: VixError = 13002;
/// Snapshot: snapshot unknown.
pub const VIX_E_SNAPSHOT_NOTFOUND: VixError = 13003;
/// Snapshot: snapshot exists already.
pub const VIX_E_SNAPSHOT_EXISTS: VixError = 13004;
/// Snapshot: VM does not allow snapshots.
pub const VIX_E_SNAPSHOT_VERSION: VixError = 13005;
/// Snapshot: snapshot rights missing.
pub const VIX_E_SNAPSHOT_NOPERM: VixError = 13006;
/// Snapshot: configuration file error.
pub const VIX_E_SNAPSHOT_CONFIG: VixError = 13007;
/// Snapshot: nothing changed since last snapshot.
pub const VIX_E_SNAPSHOT_NOCHANGE: VixError = 13008;
/// Snapshot: snapshot file cannot be saved.
pub const VIX_E_SNAPSHOT_CHECKPOINT: VixError = 13009;
/// Snapshot: another snapshot operation runs.
pub const VIX_E_SNAPSHOT_LOCKED: VixError = 13010;
/// Snapshot: snapshot files inconsistent.
pub const VIX_E_SNAPSHOT_INCONSISTENT: VixError = 13011;
/// Snapshot: file name too long.
pub const VIX_E_SNAPSHOT_NAMETOOLONG: VixError = 13012;
/// Snapshot: metadata files cannot be snapshotted.
pub const VIX_E_SNAPSHOT_VIXFILE: VixError = 13013;
/// Snapshot: disk(s) busy.
pub const VIX_E_SNAPSHOT_DISKLOCKED: VixError = 13014;
/// Snapshot: same disk used more than once.
pub const VIX_E_SNAPSHOT_DUPLICATEDDISK: VixError = 13015;
/// Snapshot: running VM with independent disks.
pub const VIX_E_SNAPSHOT_INDEPENDENTDISK: VixError = 13016;
/// Snapshot: snapshot name ambiguous.
pub const VIX_E_SNAPSHOT_NONUNIQUE_NAME: VixError = 13017;
/// Snapshot: memory snapshot impossible with independent disks.
pub const VIX_E_SNAPSHOT_MEMORY_ON_INDEPENDENT_DISK: VixError = 13018;
/// Snapshot: snapshot count limit.
pub const VIX_E_SNAPSHOT_MAXSNAPSHOTS: VixError = 13019;
/// Snapshot: free-space floor reached.
pub const VIX_E_SNAPSHOT_MIN_FREE_SPACE: VixError = 13020;
/// Snapshot: snapshot tree too deep.
pub const VIX_E_SNAPSHOT_HIERARCHY_TOODEEP: VixError = 13021;
/// Snapshot: snapshot cannot be reverted to.
pub const VIX_E_SNAPSHOT_NOT_REVERTABLE: VixError = 13024;
// ---- Host / network

/// Not a valid physical disk.
pub const VIX_E_HOST_DISK_INVALID_VALUE: VixError = 14003;
/// Sector-size check failed.
pub const VIX_E_HOST_DISK_SECTORSIZE: VixError = 14004;
/// Read past end of file.
pub const VIX_E_HOST_FILE_ERROR_EOF: VixError = 14005;
/// Protocol handshake error.
pub const VIX_E_HOST_NETBLKDEV_HANDSHAKE: VixError = 14006;
/// Socket could not be created.
pub const VIX_E_HOST_SOCKET_CREATION_ERROR: VixError = 14007;
/// Server cannot be reached.
pub const VIX_E_HOST_SERVER_NOT_FOUND: VixError = 14008;
/// The server refused connection.
pub const VIX_E_HOST_NETWORK_CONN_REFUSED: VixError = 14009;
/// Socket communication error.
pub const VIX_E_HOST_TCP_SOCKET_ERROR: VixError = 14010;
/// Connection lost.
pub const VIX_E_HOST_TCP_CONN_LOST: VixError = 14011;
/// NBD hash-file volume error.
pub const VIX_E_HOST_NBD_HASHFILE_VOLUME: VixError = 14012;
/// NBD hash-file initialisation error.
pub const VIX_E_HOST_NBD_HASHFILE_INIT: VixError = 14013;
/// Server is shutting down.
pub const VIX_E_HOST_SERVER_SHUTDOWN: VixError = 14014;
/// Server not available.
pub const VIX_E_HOST_SERVER_NOT_AVAILABLE: VixError = 14015;
// ---- Disk layer

/// The disk layer was given a bad parameter.
pub const VIX_E_DISK_INVAL: VixError = 16000;
/// The disk library is not initialised.
pub const VIX_E_DISK_NOINIT: VixError = 16001;
/// The disk was not opened for input and output.
pub const VIX_E_DISK_NOIO: VixError = 16002;
/// The operation needs the whole chain, including the parent.
pub const VIX_E_DISK_PARTIALCHAIN: VixError = 16003;
/// The disk needs repair.
pub const VIX_E_DISK_NEEDSREPAIR: VixError = 16006;
/// The access reaches past the end of the disk.
pub const VIX_E_DISK_OUTOFRANGE: VixError = 16007;
/// The parent disk was changed after its child was made.
pub const VIX_E_DISK_CID_MISMATCH: VixError = 16008;
/// Disk cannot be shrunk.
pub const VIX_E_DISK_CANTSHRINK: VixError = 16009;
/// Physical disk partition table changed.
pub const VIX_E_DISK_PARTMISMATCH: VixError = 16010;
/// The disk uses a format version that is not supported.
pub const VIX_E_DISK_UNSUPPORTEDDISKVERSION: VixError = 16011;
/// The parent of the disk could not be opened.
pub const VIX_E_DISK_OPENPARENT: VixError = 16012;
/// Feature not supported in this version.
pub const VIX_E_DISK_NOTSUPPORTED: VixError = 16013;
/// The keys of the encrypted disk are missing.
pub const VIX_E_DISK_NEEDKEY: VixError = 16014;
/// Refuses unencrypted child of encrypted disk.
pub const VIX_E_DISK_NOKEYOVERRIDE: VixError = 16015;
/// Disk is not encrypted.
pub const VIX_E_DISK_NOTENCRYPTED: VixError = 16016;
/// No keys given for encryption.
pub const VIX_E_DISK_NOKEY: VixError = 16017;
/// Partition table invalid.
pub const VIX_E_DISK_INVALIDPARTITIONTABLE: VixError = 16018;
/// Only embedded-descriptor sparse extents can be encrypted.
pub const VIX_E_DISK_NOTNORMAL: VixError = 16019;
/// Descriptor is not encrypted.
pub const VIX_E_DISK_NOTENCDESC: VixError = 16020;
/// Needs a VMFS file system.
pub const VIX_E_DISK_NEEDVMFS: VixError = 16022;
/// Physical disk too large.
pub const VIX_E_DISK_RAWTOOBIG: VixError = 16024;
/// Too many files are open.
pub const VIX_E_DISK_TOOMANYOPENFILES: VixError = 16027;
/// The chain of the disk has too many links.
pub const VIX_E_DISK_TOOMANYREDO: VixError = 16028;
/// Physical disk too small.
pub const VIX_E_DISK_RAWTOOSMALL: VixError = 16029;
/// Hosted and managed links mixed in a chain.
pub const VIX_E_DISK_INVALIDCHAIN: VixError = 16030;
/// The disk database has no such key.
pub const VIX_E_DISK_KEY_NOTFOUND: VixError = 16052;
/// A required subsystem failed to start.
pub const VIX_E_DISK_SUBSYSTEM_INIT_FAIL: VixError = 16053;
/// The connection handle is not valid.
pub const VIX_E_DISK_INVALID_CONNECTION: VixError = 16054;
/// Disk encoding problem.
pub const VIX_E_DISK_ENCODING: VixError = 16061;
/// The disk is damaged beyond repair.
pub const VIX_E_DISK_CANTREPAIR: VixError = 16062;
/// The file is not a valid virtual disk.
pub const VIX_E_DISK_INVALIDDISK: VixError = 16063;
/// Host licence lacks the feature.
pub const VIX_E_DISK_NOLICENSE: VixError = 16064;
/// Device missing.
pub const VIX_E_DISK_NODEVICE: VixError = 16065;
/// Device type does not support it.
pub const VIX_E_DISK_UNSUPPORTEDDEVICE: VixError = 16066;
/// Parent and child disk differ in capacity.
pub const VIX_E_DISK_CAPACITY_MISMATCH: VixError = 16067;
/// This disk type cannot be a parent.
pub const VIX_E_DISK_PARENT_NOTALLOWED: VixError = 16068;
/// Both links are roots.
pub const VIX_E_DISK_ATTACH_ROOTLINK: VixError = 16069;
// ---- Crypto

/// Crypto: unknown algorithm.
pub const VIX_E_CRYPTO_UNKNOWN_ALGORITHM: VixError = 17000;
/// Crypto: wrong buffer size.
pub const VIX_E_CRYPTO_BAD_BUFFER_SIZE: VixError = 17001;
/// Crypto: illegal operation.
pub const VIX_E_CRYPTO_INVALID_OPERATION: VixError = 17002;
/// Crypto: random device.
pub const VIX_E_CRYPTO_RANDOM_DEVICE: VixError = 17003;
/// Password needed.
pub const VIX_E_CRYPTO_NEED_PASSWORD: VixError = 17004;
/// Wrong password.
pub const VIX_E_CRYPTO_BAD_PASSWORD: VixError = 17005;
/// Crypto: not in dictionary.
pub const VIX_E_CRYPTO_NOT_IN_DICTIONARY: VixError = 17006;
/// Crypto: none available.
pub const VIX_E_CRYPTO_NO_CRYPTO: VixError = 17007;
/// Crypto: generic.
pub const VIX_E_CRYPTO_ERROR: VixError = 17008;
/// Crypto: bad format.
pub const VIX_E_CRYPTO_BAD_FORMAT: VixError = 17009;
/// Crypto: locked.
pub const VIX_E_CRYPTO_LOCKED: VixError = 17010;
/// Crypto: empty.
pub const VIX_E_CRYPTO_EMPTY: VixError = 17011;
/// Crypto: key-safe locator.
pub const VIX_E_CRYPTO_KEYSAFE_LOCATOR: VixError = 17012;
// ---- Remoting, screen, guest, tools installer, wrapper

/// Cannot connect to host.
pub const VIX_E_CANNOT_CONNECT_TO_HOST: VixError = 18000;
/// Local host only.
pub const VIX_E_NOT_FOR_REMOTE_HOST: VixError = 18001;
/// Host name must be an https URL ending in /sdk.
pub const VIX_E_INVALID_HOSTNAME_SPECIFICATION: VixError = 18002;
/// Screen capture failed.
pub const VIX_E_SCREEN_CAPTURE_ERROR: VixError = 19000;
/// Capture format unsupported.
pub const VIX_E_SCREEN_CAPTURE_BAD_FORMAT: VixError = 19001;
/// Capture compression failed.
pub const VIX_E_SCREEN_CAPTURE_COMPRESSION_FAIL: VixError = 19002;
/// Capture larger than limit.
pub const VIX_E_SCREEN_CAPTURE_LARGE_DATA: VixError = 19003;
/// Guest: guest volumes not frozen.
pub const VIX_E_GUEST_VOLUMES_NOT_FROZEN: VixError = 20000;
/// Guest: not a file.
pub const VIX_E_NOT_A_FILE: VixError = 20001;
/// Guest: not a directory.
pub const VIX_E_NOT_A_DIRECTORY: VixError = 20002;
/// Guest: no such process.
pub const VIX_E_NO_SUCH_PROCESS: VixError = 20003;
/// Guest: file name too long.
pub const VIX_E_FILE_NAME_TOO_LONG: VixError = 20004;
/// Guest: disabled by guest OS.
pub const VIX_E_OPERATION_DISABLED: VixError = 20005;
/// Tools installer: no image.
pub const VIX_E_TOOLS_INSTALL_NO_IMAGE: VixError = 21000;
/// Tools installer: image inaccessible.
pub const VIX_E_TOOLS_INSTALL_IMAGE_INACCESIBLE: VixError = 21001;
/// Tools installer: no device.
pub const VIX_E_TOOLS_INSTALL_NO_DEVICE: VixError = 21002;
/// Tools installer: device disconnected.
pub const VIX_E_TOOLS_INSTALL_DEVICE_NOT_CONNECTED: VixError = 21003;
/// Tools installer: cancelled.
pub const VIX_E_TOOLS_INSTALL_CANCELLED: VixError = 21004;
/// Tools installer: initialisation failed.
pub const VIX_E_TOOLS_INSTALL_INIT_FAILED: VixError = 21005;
/// Tools installer: no automatic mode.
pub const VIX_E_TOOLS_INSTALL_AUTO_NOT_SUPPORTED: VixError = 21006;
/// Tools installer: guest not ready.
pub const VIX_E_TOOLS_INSTALL_GUEST_NOT_READY: VixError = 21007;
/// Tools installer: signature check failed.
pub const VIX_E_TOOLS_INSTALL_SIG_CHECK_FAILED: VixError = 21008;
/// Tools installer: generic.
pub const VIX_E_TOOLS_INSTALL_ERROR: VixError = 21009;
/// Tools installer: already current.
pub const VIX_E_TOOLS_INSTALL_ALREADY_UP_TO_DATE: VixError = 21010;
/// Tools installer: running.
pub const VIX_E_TOOLS_INSTALL_IN_PROGRESS: VixError = 21011;
/// Tools installer: copy failed.
pub const VIX_E_TOOLS_INSTALL_IMAGE_COPY_FAILED: VixError = 21012;
/// Workstation provider missing.
pub const VIX_E_WRAPPER_WORKSTATION_NOT_INSTALLED: VixError = 22001;
/// Requested version missing.
pub const VIX_E_WRAPPER_VERSION_NOT_FOUND: VixError = 22002;
/// Service provider missing.
pub const VIX_E_WRAPPER_SERVICEPROVIDER_NOT_FOUND: VixError = 22003;
/// Player provider missing.
pub const VIX_E_WRAPPER_PLAYER_NOT_INSTALLED: VixError = 22004;
/// VIX runtime missing.
pub const VIX_E_WRAPPER_RUNTIME_NOT_INSTALLED: VixError = 22005;
/// Several providers cannot be mixed.
pub const VIX_E_WRAPPER_MULTIPLE_SERVICEPROVIDERS: VixError = 22006;
// ---- Mount API

/// Mounting: mount point unknown.
pub const VIX_E_MNTAPI_MOUNTPT_NOT_FOUND: VixError = 24000;
/// Mounting: mount point in use.
pub const VIX_E_MNTAPI_MOUNTPT_IN_USE: VixError = 24001;
/// Mounting: disk not found.
pub const VIX_E_MNTAPI_DISK_NOT_FOUND: VixError = 24002;
/// Mounting: disk not mounted.
pub const VIX_E_MNTAPI_DISK_NOT_MOUNTED: VixError = 24003;
/// Mounting: disk already mounted.
pub const VIX_E_MNTAPI_DISK_IS_MOUNTED: VixError = 24004;
/// Mounting: unsafe: in use, suspended, or part of a snapshot chain.
pub const VIX_E_MNTAPI_DISK_NOT_SAFE: VixError = 24005;
/// Mounting: disk cannot be opened.
pub const VIX_E_MNTAPI_DISK_CANT_OPEN: VixError = 24006;
/// Mounting: partition table unreadable.
pub const VIX_E_MNTAPI_CANT_READ_PARTS: VixError = 24007;
/// Mounting: umount program missing.
pub const VIX_E_MNTAPI_UMOUNT_APP_NOT_FOUND: VixError = 24008;
/// Mounting: umount failed.
pub const VIX_E_MNTAPI_UMOUNT: VixError = 24009;
/// Mounting: nothing mountable on the disk.
pub const VIX_E_MNTAPI_NO_MOUNTABLE_PARTITONS: VixError = 24010;
/// Mounting: partition number wrong.
pub const VIX_E_MNTAPI_PARTITION_RANGE: VixError = 24011;
/// Mounting: rights missing.
pub const VIX_E_MNTAPI_PERM: VixError = 24012;
/// Mounting: metadata inaccessible or damaged.
pub const VIX_E_MNTAPI_DICT: VixError = 24013;
/// Mounting: metadata locked by another mounter.
pub const VIX_E_MNTAPI_DICT_LOCKED: VixError = 24014;
/// Mounting: another process uses the mounted disk.
pub const VIX_E_MNTAPI_OPEN_HANDLES: VixError = 24015;
/// Mounting: run directory cannot be created.
pub const VIX_E_MNTAPI_CANT_MAKE_VAR_DIR: VixError = 24016;
/// Mounting: needs root.
pub const VIX_E_MNTAPI_NO_ROOT: VixError = 24017;
/// Mounting: loop device failure.
pub const VIX_E_MNTAPI_LOOP_FAILED: VixError = 24018;
/// Mounting: FUSE daemon did not start.
pub const VIX_E_MNTAPI_DAEMON: VixError = 24019;
/// Mounting: internal error.
pub const VIX_E_MNTAPI_INTERNAL: VixError = 24020;
/// Mounting: system call failed.
pub const VIX_E_MNTAPI_SYSTEM: VixError = 24021;
/// Mounting: no VixDiskLib connection data.
pub const VIX_E_MNTAPI_NO_CONNECTION_DETAILS: VixError = 24022;
/// Mounting: version too low.
pub const VIX_E_MNTAPI_INCOMPATIBLE_VERSION: VixError = 24300;
/// Mounting: operating-system error.
pub const VIX_E_MNTAPI_OS_ERROR: VixError = 24301;
/// Mounting: drive letter in use.
pub const VIX_E_MNTAPI_DRIVE_LETTER_IN_USE: VixError = 24302;
/// Mounting: drive letter assigned already.
pub const VIX_E_MNTAPI_DRIVE_LETTER_ALREADY_ASSIGNED: VixError = 24303;
/// Mounting: volume not mounted.
pub const VIX_E_MNTAPI_VOLUME_NOT_MOUNTED: VixError = 24304;
/// Mounting: volume mounted already.
pub const VIX_E_MNTAPI_VOLUME_ALREADY_MOUNTED: VixError = 24305;
/// Mounting: volume cannot be formatted.
pub const VIX_E_MNTAPI_FORMAT_FAILURE: VixError = 24306;
/// Mounting: driver missing.
pub const VIX_E_MNTAPI_NO_DRIVER: VixError = 24307;
/// Mounting: volume or disk set already open.
pub const VIX_E_MNTAPI_ALREADY_OPENED: VixError = 24308;
/// Mounting: required item missing.
pub const VIX_E_MNTAPI_ITEM_NOT_FOUND: VixError = 24309;
/// Mounting: boot loader unsupported.
pub const VIX_E_MNTAPI_UNSUPPROTED_BOOT_LOADER: VixError = 24310;
/// Mounting: OS unsupported.
pub const VIX_E_MNTAPI_UNSUPPROTED_OS: VixError = 24311;
/// Mounting: string conversion failed.
pub const VIX_E_MNTAPI_CODECONVERSION: VixError = 24312;
/// Mounting: registry write failed.
pub const VIX_E_MNTAPI_REGWRITE_ERROR: VixError = 24313;
/// Mounting: NT4 fault-tolerant volume.
pub const VIX_E_MNTAPI_UNSUPPORTED_FT_VOLUME: VixError = 24314;
/// Mounting: partition missing.
pub const VIX_E_MNTAPI_PARTITION_NOT_FOUND: VixError = 24315;
/// Mounting: file put failed.
pub const VIX_E_MNTAPI_PUTFILE_ERROR: VixError = 24316;
/// Mounting: file get failed.
pub const VIX_E_MNTAPI_GETFILE_ERROR: VixError = 24317;
/// Mounting: registry key not opened.
pub const VIX_E_MNTAPI_REG_NOT_OPENED: VixError = 24318;
/// Mounting: registry key not deleted.
pub const VIX_E_MNTAPI_REGDELKEY_ERROR: VixError = 24319;
/// Mounting: partition table cannot be made.
pub const VIX_E_MNTAPI_CREATE_PARTITIONTABLE_ERROR: VixError = 24320;
/// Mounting: disk set cannot be opened.
pub const VIX_E_MNTAPI_OPEN_FAILURE: VixError = 24321;
/// Mounting: volume write-protected.
pub const VIX_E_MNTAPI_VOLUME_NOT_WRITABLE: VixError = 24322;
// ---- Async

/// The request was accepted and will complete later.
pub const VIX_ASYNC: VixError = 25000;
/// Sync and async I/O mixed on one handle.
pub const VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED: VixError = 26000;
// ---- HTTP

/// URL protocol unsupported.
pub const VIX_E_NET_HTTP_UNSUPPORTED_PROTOCOL: VixError = 30001;
/// URL malformed.
pub const VIX_E_NET_HTTP_URL_MALFORMAT: VixError = 30003;
/// Proxy name not resolved.
pub const VIX_E_NET_HTTP_COULDNT_RESOLVE_PROXY: VixError = 30005;
/// Host name not resolved.
pub const VIX_E_NET_HTTP_COULDNT_RESOLVE_HOST: VixError = 30006;
/// Host/proxy connection failed.
pub const VIX_E_NET_HTTP_COULDNT_CONNECT: VixError = 30007;
/// HTTP status 400 or higher.
pub const VIX_E_NET_HTTP_HTTP_RETURNED_ERROR: VixError = 30022;
/// Network timeout.
pub const VIX_E_NET_HTTP_OPERATION_TIMEDOUT: VixError = 30028;
/// TLS handshake problem.
pub const VIX_E_NET_HTTP_SSL_CONNECT_ERROR: VixError = 30035;
/// Redirect limit.
pub const VIX_E_NET_HTTP_TOO_MANY_REDIRECTS: VixError = 30047;
/// Transfer failure.
pub const VIX_E_NET_HTTP_TRANSFER: VixError = 30200;
/// TLS error.
pub const VIX_E_NET_HTTP_SSL_SECURITY: VixError = 30201;
/// Generic HTTP error.
pub const VIX_E_NET_HTTP_GENERIC: VixError = 30202;

/// A code with its name and text.
#[derive(Debug)]
pub(crate) struct Code {
    /// The code.
    pub(crate) code: VixError,
    /// Its name in the header.
    pub(crate) name: &'static str,
    /// Its text, without a final full stop.
    pub(crate) text: &'static str,
}

/// Every code, ascending.
pub(crate) static CODES: &[Code] = &[
    Code { code: VIX_OK, name: "VIX_OK", text: "The operation was successful" },
    Code { code: VIX_E_FAIL, name: "VIX_E_FAIL", text: "Unknown error" },
    Code { code: VIX_E_OUT_OF_MEMORY, name: "VIX_E_OUT_OF_MEMORY", text: "There is not enough memory" },
    Code { code: VIX_E_INVALID_ARG, name: "VIX_E_INVALID_ARG", text: "One of the parameters was invalid" },
    Code { code: VIX_E_FILE_NOT_FOUND, name: "VIX_E_FILE_NOT_FOUND", text: "The file was not found" },
    Code {
        code: VIX_E_OBJECT_IS_BUSY,
        name: "VIX_E_OBJECT_IS_BUSY",
        text: "The object is busy with another operation",
    },
    Code { code: VIX_E_NOT_SUPPORTED, name: "VIX_E_NOT_SUPPORTED", text: "The operation is not supported" },
    Code { code: VIX_E_FILE_ERROR, name: "VIX_E_FILE_ERROR", text: "Reading or writing a file failed" },
    Code { code: VIX_E_DISK_FULL, name: "VIX_E_DISK_FULL", text: "No space is left on the file system" },
    Code {
        code: VIX_E_INCORRECT_FILE_TYPE,
        name: "VIX_E_INCORRECT_FILE_TYPE",
        text: "The file is of the wrong type",
    },
    Code { code: VIX_E_CANCELLED, name: "VIX_E_CANCELLED", text: "The operation was cancelled" },
    Code { code: VIX_E_FILE_READ_ONLY, name: "VIX_E_FILE_READ_ONLY", text: "The file or disk is read-only" },
    Code {
        code: VIX_E_FILE_ALREADY_EXISTS,
        name: "VIX_E_FILE_ALREADY_EXISTS",
        text: "The file already exists",
    },
    Code {
        code: VIX_E_FILE_ACCESS_ERROR,
        name: "VIX_E_FILE_ACCESS_ERROR",
        text: "You do not have access rights to this file",
    },
    Code {
        code: VIX_E_REQUIRES_LARGE_FILES,
        name: "VIX_E_REQUIRES_LARGE_FILES",
        text: "The file system does not support large files",
    },
    Code {
        code: VIX_E_FILE_ALREADY_LOCKED,
        name: "VIX_E_FILE_ALREADY_LOCKED",
        text: "The file is locked by someone else",
    },
    Code { code: VIX_E_VMDB, name: "VIX_E_VMDB", text: "Internal communication with the host failed" },
    Code {
        code: VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT,
        name: "VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT",
        text: "The operation is not available for remote objects",
    },
    Code {
        code: VIX_E_FILE_TOO_BIG,
        name: "VIX_E_FILE_TOO_BIG",
        text: "The file is larger than the file system or format allows",
    },
    Code {
        code: VIX_E_FILE_NAME_INVALID,
        name: "VIX_E_FILE_NAME_INVALID",
        text: "The file name is not valid",
    },
    Code { code: VIX_E_ALREADY_EXISTS, name: "VIX_E_ALREADY_EXISTS", text: "The object already exists" },
    Code {
        code: VIX_E_BUFFER_TOOSMALL,
        name: "VIX_E_BUFFER_TOOSMALL",
        text: "The buffer is too small; the length needed was returned",
    },
    Code { code: VIX_E_OBJECT_NOT_FOUND, name: "VIX_E_OBJECT_NOT_FOUND", text: "The object was not found" },
    Code {
        code: VIX_E_HOST_NOT_CONNECTED,
        name: "VIX_E_HOST_NOT_CONNECTED",
        text: "There is no connection to the host",
    },
    Code {
        code: VIX_E_INVALID_UTF8_STRING,
        name: "VIX_E_INVALID_UTF8_STRING",
        text: "The string is not valid UTF-8",
    },
    Code { code: VIX_E_UNFINISHED_JOB, name: "VIX_E_UNFINISHED_JOB", text: "The job is still running" },
    Code { code: VIX_E_NEED_KEY, name: "VIX_E_NEED_KEY", text: "A decryption key is needed" },
    Code {
        code: VIX_E_OPERATION_ALREADY_IN_PROGRESS,
        name: "VIX_E_OPERATION_ALREADY_IN_PROGRESS",
        text: "The same operation is already in progress",
    },
    Code { code: VIX_E_LICENSE, name: "VIX_E_LICENSE", text: "The licence does not cover the operation" },
    Code {
        code: VIX_E_VM_HOST_DISCONNECTED,
        name: "VIX_E_VM_HOST_DISCONNECTED",
        text: "VM's host is disconnected",
    },
    Code {
        code: VIX_E_AUTHENTICATION_FAIL,
        name: "VIX_E_AUTHENTICATION_FAIL",
        text: "Authentication for the encrypted virtual machine failed",
    },
    Code {
        code: VIX_E_HOST_CONNECTION_LOST,
        name: "VIX_E_HOST_CONNECTION_LOST",
        text: "The connection to the host was lost",
    },
    Code {
        code: VIX_E_DUPLICATE_NAME,
        name: "VIX_E_DUPLICATE_NAME",
        text: "The name is used by another object",
    },
    Code {
        code: VIX_E_ARGUMENT_TOO_BIG,
        name: "VIX_E_ARGUMENT_TOO_BIG",
        text: "The argument exceeds its limit",
    },
    Code { code: VIX_E_INVALID_HANDLE, name: "VIX_E_INVALID_HANDLE", text: "The handle is not valid" },
    Code {
        code: VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE,
        name: "VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE",
        text: "This kind of handle does not offer the operation",
    },
    Code { code: VIX_E_TOO_MANY_HANDLES, name: "VIX_E_TOO_MANY_HANDLES", text: "Too many handles are open" },
    Code { code: VIX_E_NOT_FOUND, name: "VIX_E_NOT_FOUND", text: "A required part of the file is missing" },
    Code {
        code: VIX_E_TYPE_MISMATCH,
        name: "VIX_E_TYPE_MISMATCH",
        text: "An object in the file has the wrong type",
    },
    Code { code: VIX_E_INVALID_XML, name: "VIX_E_INVALID_XML", text: "The content of the file is malformed" },
    Code {
        code: VIX_E_TIMEOUT_WAITING_FOR_TOOLS,
        name: "VIX_E_TIMEOUT_WAITING_FOR_TOOLS",
        text: "Guest tools did not answer in time",
    },
    Code {
        code: VIX_E_UNRECOGNIZED_COMMAND,
        name: "VIX_E_UNRECOGNIZED_COMMAND",
        text: "VM does not know the command",
    },
    Code {
        code: VIX_E_OP_NOT_SUPPORTED_ON_GUEST,
        name: "VIX_E_OP_NOT_SUPPORTED_ON_GUEST",
        text: "Guest OS does not support the request",
    },
    Code {
        code: VIX_E_PROGRAM_NOT_STARTED,
        name: "VIX_E_PROGRAM_NOT_STARTED",
        text: "Guest program could not be started",
    },
    Code {
        code: VIX_E_CANNOT_START_READ_ONLY_VM,
        name: "VIX_E_CANNOT_START_READ_ONLY_VM",
        text: "Read-only VM cannot power on",
    },
    Code { code: VIX_E_VM_NOT_RUNNING, name: "VIX_E_VM_NOT_RUNNING", text: "VM must be powered on" },
    Code { code: VIX_E_VM_IS_RUNNING, name: "VIX_E_VM_IS_RUNNING", text: "VM must not be powered on" },
    Code { code: VIX_E_CANNOT_CONNECT_TO_VM, name: "VIX_E_CANNOT_CONNECT_TO_VM", text: "VM unreachable" },
    Code {
        code: VIX_E_POWEROP_SCRIPTS_NOT_AVAILABLE,
        name: "VIX_E_POWEROP_SCRIPTS_NOT_AVAILABLE",
        text: "Power scripts cannot run",
    },
    Code {
        code: VIX_E_NO_GUEST_OS_INSTALLED,
        name: "VIX_E_NO_GUEST_OS_INSTALLED",
        text: "No guest OS installed",
    },
    Code {
        code: VIX_E_VM_INSUFFICIENT_HOST_MEMORY,
        name: "VIX_E_VM_INSUFFICIENT_HOST_MEMORY",
        text: "Host lacks memory for the VM",
    },
    Code { code: VIX_E_SUSPEND_ERROR, name: "VIX_E_SUSPEND_ERROR", text: "Suspend failed" },
    Code {
        code: VIX_E_VM_NOT_ENOUGH_CPUS,
        name: "VIX_E_VM_NOT_ENOUGH_CPUS",
        text: "Host has too few CPUs for the VM",
    },
    Code {
        code: VIX_E_HOST_USER_PERMISSIONS,
        name: "VIX_E_HOST_USER_PERMISSIONS",
        text: "Host rights insufficient",
    },
    Code {
        code: VIX_E_GUEST_USER_PERMISSIONS,
        name: "VIX_E_GUEST_USER_PERMISSIONS",
        text: "Guest rights/authentication insufficient",
    },
    Code { code: VIX_E_TOOLS_NOT_RUNNING, name: "VIX_E_TOOLS_NOT_RUNNING", text: "Guest tools not running" },
    Code {
        code: VIX_E_GUEST_OPERATIONS_PROHIBITED,
        name: "VIX_E_GUEST_OPERATIONS_PROHIBITED",
        text: "Guest operations forbidden on this VM",
    },
    Code {
        code: VIX_E_ANON_GUEST_OPERATIONS_PROHIBITED,
        name: "VIX_E_ANON_GUEST_OPERATIONS_PROHIBITED",
        text: "Guest operations need a login first",
    },
    Code {
        code: VIX_E_ROOT_GUEST_OPERATIONS_PROHIBITED,
        name: "VIX_E_ROOT_GUEST_OPERATIONS_PROHIBITED",
        text: "Guest operations forbidden for administrator",
    },
    Code {
        code: VIX_E_MISSING_ANON_GUEST_ACCOUNT,
        name: "VIX_E_MISSING_ANON_GUEST_ACCOUNT",
        text: "No anonymous guest account configured",
    },
    Code {
        code: VIX_E_CANNOT_AUTHENTICATE_WITH_GUEST,
        name: "VIX_E_CANNOT_AUTHENTICATE_WITH_GUEST",
        text: "Guest authentication impossible",
    },
    Code {
        code: VIX_E_UNRECOGNIZED_COMMAND_IN_GUEST,
        name: "VIX_E_UNRECOGNIZED_COMMAND_IN_GUEST",
        text: "Guest tools do not know the command",
    },
    Code {
        code: VIX_E_CONSOLE_GUEST_OPERATIONS_PROHIBITED,
        name: "VIX_E_CONSOLE_GUEST_OPERATIONS_PROHIBITED",
        text: "Guest operations forbidden for console users",
    },
    Code {
        code: VIX_E_MUST_BE_CONSOLE_USER,
        name: "VIX_E_MUST_BE_CONSOLE_USER",
        text: "Only the console user may do this",
    },
    Code {
        code: VIX_E_VMX_MSG_DIALOG_AND_NO_UI,
        name: "VIX_E_VMX_MSG_DIALOG_AND_NO_UI",
        text: "VM waits for a user answer",
    },
    Code {
        code: VIX_E_OPERATION_NOT_ALLOWED_FOR_LOGIN_TYPE,
        name: "VIX_E_OPERATION_NOT_ALLOWED_FOR_LOGIN_TYPE",
        text: "Login type forbids the command",
    },
    Code {
        code: VIX_E_LOGIN_TYPE_NOT_SUPPORTED,
        name: "VIX_E_LOGIN_TYPE_NOT_SUPPORTED",
        text: "Login type unsupported",
    },
    Code {
        code: VIX_E_EMPTY_PASSWORD_NOT_ALLOWED_IN_GUEST,
        name: "VIX_E_EMPTY_PASSWORD_NOT_ALLOWED_IN_GUEST",
        text: "Guest rejects empty passwords",
    },
    Code {
        code: VIX_E_INTERACTIVE_SESSION_NOT_PRESENT,
        name: "VIX_E_INTERACTIVE_SESSION_NOT_PRESENT",
        text: "No interactive guest session",
    },
    Code {
        code: VIX_E_INTERACTIVE_SESSION_USER_MISMATCH,
        name: "VIX_E_INTERACTIVE_SESSION_USER_MISMATCH",
        text: "Interactive session belongs to another user",
    },
    Code { code: VIX_E_CANNOT_POWER_ON_VM, name: "VIX_E_CANNOT_POWER_ON_VM", text: "VM failed to start" },
    Code { code: VIX_E_NO_DISPLAY_SERVER, name: "VIX_E_NO_DISPLAY_SERVER", text: "No display server" },
    Code {
        code: VIX_E_TOO_MANY_LOGONS,
        name: "VIX_E_TOO_MANY_LOGONS",
        text: "Too many authentication sessions",
    },
    Code {
        code: VIX_E_INVALID_AUTHENTICATION_SESSION,
        name: "VIX_E_INVALID_AUTHENTICATION_SESSION",
        text: "Authentication session unknown",
    },
    Code { code: VIX_E_VM_NOT_FOUND, name: "VIX_E_VM_NOT_FOUND", text: "VM not found" },
    Code {
        code: VIX_E_NOT_SUPPORTED_FOR_VM_VERSION,
        name: "VIX_E_NOT_SUPPORTED_FOR_VM_VERSION",
        text: "VM version does not support it",
    },
    Code {
        code: VIX_E_CANNOT_READ_VM_CONFIG,
        name: "VIX_E_CANNOT_READ_VM_CONFIG",
        text: "VM configuration unreadable",
    },
    Code { code: VIX_E_TEMPLATE_VM, name: "VIX_E_TEMPLATE_VM", text: "Object is a template" },
    Code { code: VIX_E_VM_ALREADY_LOADED, name: "VIX_E_VM_ALREADY_LOADED", text: "VM already loaded" },
    Code {
        code: VIX_E_VM_ALREADY_UP_TO_DATE,
        name: "VIX_E_VM_ALREADY_UP_TO_DATE",
        text: "VM already current",
    },
    Code {
        code: VIX_E_VM_UNSUPPORTED_GUEST,
        name: "VIX_E_VM_UNSUPPORTED_GUEST",
        text: "Target host does not support the guest OS",
    },
    Code {
        code: VIX_E_UNRECOGNIZED_PROPERTY,
        name: "VIX_E_UNRECOGNIZED_PROPERTY",
        text: "Property id unknown",
    },
    Code {
        code: VIX_E_INVALID_PROPERTY_VALUE,
        name: "VIX_E_INVALID_PROPERTY_VALUE",
        text: "Property value illegal",
    },
    Code { code: VIX_E_READ_ONLY_PROPERTY, name: "VIX_E_READ_ONLY_PROPERTY", text: "Property is read-only" },
    Code {
        code: VIX_E_MISSING_REQUIRED_PROPERTY,
        name: "VIX_E_MISSING_REQUIRED_PROPERTY",
        text: "Mandatory property missing",
    },
    Code {
        code: VIX_E_INVALID_SERIALIZED_DATA,
        name: "VIX_E_INVALID_SERIALIZED_DATA",
        text: "Serialised data malformed",
    },
    Code {
        code: VIX_E_PROPERTY_TYPE_MISMATCH,
        name: "VIX_E_PROPERTY_TYPE_MISMATCH",
        text: "Property type wrong",
    },
    Code { code: VIX_E_BAD_VM_INDEX, name: "VIX_E_BAD_VM_INDEX", text: "Index outside result set" },
    Code {
        code: VIX_E_INVALID_MESSAGE_HEADER,
        name: "VIX_E_INVALID_MESSAGE_HEADER",
        text: "Message header corrupt or wrong version",
    },
    Code {
        code: VIX_E_INVALID_MESSAGE_BODY,
        name: "VIX_E_INVALID_MESSAGE_BODY",
        text: "Message body corrupt or absent",
    },
    Code {
        code: VIX_E_SNAPSHOT_INVAL,
        name: "VIX_E_SNAPSHOT_INVAL",
        text: "Snapshot: generic snapshot error",
    },
    Code {
        code: VIX_E_SNAPSHOT_DUMPER,
        name: "VIX_E_SNAPSHOT_DUMPER",
        text: "Snapshot: snapshot file cannot be opened",
    },
    Code {
        code: VIX_E_SNAPSHOT_DISKLIB,
        name: "VIX_E_SNAPSHOT_DISKLIB",
        text: "Snapshot: disk error during snapshot work",
    },
    Code {
        code: VIX_E_SNAPSHOT_NOTFOUND,
        name: "VIX_E_SNAPSHOT_NOTFOUND",
        text: "Snapshot: snapshot unknown",
    },
    Code {
        code: VIX_E_SNAPSHOT_EXISTS,
        name: "VIX_E_SNAPSHOT_EXISTS",
        text: "Snapshot: snapshot exists already",
    },
    Code {
        code: VIX_E_SNAPSHOT_VERSION,
        name: "VIX_E_SNAPSHOT_VERSION",
        text: "Snapshot: VM does not allow snapshots",
    },
    Code {
        code: VIX_E_SNAPSHOT_NOPERM,
        name: "VIX_E_SNAPSHOT_NOPERM",
        text: "Snapshot: snapshot rights missing",
    },
    Code {
        code: VIX_E_SNAPSHOT_CONFIG,
        name: "VIX_E_SNAPSHOT_CONFIG",
        text: "Snapshot: configuration file error",
    },
    Code {
        code: VIX_E_SNAPSHOT_NOCHANGE,
        name: "VIX_E_SNAPSHOT_NOCHANGE",
        text: "Snapshot: nothing changed since last snapshot",
    },
    Code {
        code: VIX_E_SNAPSHOT_CHECKPOINT,
        name: "VIX_E_SNAPSHOT_CHECKPOINT",
        text: "Snapshot: snapshot file cannot be saved",
    },
    Code {
        code: VIX_E_SNAPSHOT_LOCKED,
        name: "VIX_E_SNAPSHOT_LOCKED",
        text: "Snapshot: another snapshot operation runs",
    },
    Code {
        code: VIX_E_SNAPSHOT_INCONSISTENT,
        name: "VIX_E_SNAPSHOT_INCONSISTENT",
        text: "Snapshot: snapshot files inconsistent",
    },
    Code {
        code: VIX_E_SNAPSHOT_NAMETOOLONG,
        name: "VIX_E_SNAPSHOT_NAMETOOLONG",
        text: "Snapshot: file name too long",
    },
    Code {
        code: VIX_E_SNAPSHOT_VIXFILE,
        name: "VIX_E_SNAPSHOT_VIXFILE",
        text: "Snapshot: metadata files cannot be snapshotted",
    },
    Code {
        code: VIX_E_SNAPSHOT_DISKLOCKED,
        name: "VIX_E_SNAPSHOT_DISKLOCKED",
        text: "Snapshot: disk(s) busy",
    },
    Code {
        code: VIX_E_SNAPSHOT_DUPLICATEDDISK,
        name: "VIX_E_SNAPSHOT_DUPLICATEDDISK",
        text: "Snapshot: same disk used more than once",
    },
    Code {
        code: VIX_E_SNAPSHOT_INDEPENDENTDISK,
        name: "VIX_E_SNAPSHOT_INDEPENDENTDISK",
        text: "Snapshot: running VM with independent disks",
    },
    Code {
        code: VIX_E_SNAPSHOT_NONUNIQUE_NAME,
        name: "VIX_E_SNAPSHOT_NONUNIQUE_NAME",
        text: "Snapshot: snapshot name ambiguous",
    },
    Code {
        code: VIX_E_SNAPSHOT_MEMORY_ON_INDEPENDENT_DISK,
        name: "VIX_E_SNAPSHOT_MEMORY_ON_INDEPENDENT_DISK",
        text: "Snapshot: memory snapshot impossible with independent disks",
    },
    Code {
        code: VIX_E_SNAPSHOT_MAXSNAPSHOTS,
        name: "VIX_E_SNAPSHOT_MAXSNAPSHOTS",
        text: "Snapshot: snapshot count limit",
    },
    Code {
        code: VIX_E_SNAPSHOT_MIN_FREE_SPACE,
        name: "VIX_E_SNAPSHOT_MIN_FREE_SPACE",
        text: "Snapshot: free-space floor reached",
    },
    Code {
        code: VIX_E_SNAPSHOT_HIERARCHY_TOODEEP,
        name: "VIX_E_SNAPSHOT_HIERARCHY_TOODEEP",
        text: "Snapshot: snapshot tree too deep",
    },
    Code {
        code: VIX_E_SNAPSHOT_NOT_REVERTABLE,
        name: "VIX_E_SNAPSHOT_NOT_REVERTABLE",
        text: "Snapshot: snapshot cannot be reverted to",
    },
    Code {
        code: VIX_E_HOST_DISK_INVALID_VALUE,
        name: "VIX_E_HOST_DISK_INVALID_VALUE",
        text: "Not a valid physical disk",
    },
    Code {
        code: VIX_E_HOST_DISK_SECTORSIZE,
        name: "VIX_E_HOST_DISK_SECTORSIZE",
        text: "Sector-size check failed",
    },
    Code {
        code: VIX_E_HOST_FILE_ERROR_EOF,
        name: "VIX_E_HOST_FILE_ERROR_EOF",
        text: "Read past end of file",
    },
    Code {
        code: VIX_E_HOST_NETBLKDEV_HANDSHAKE,
        name: "VIX_E_HOST_NETBLKDEV_HANDSHAKE",
        text: "Protocol handshake error",
    },
    Code {
        code: VIX_E_HOST_SOCKET_CREATION_ERROR,
        name: "VIX_E_HOST_SOCKET_CREATION_ERROR",
        text: "Socket could not be created",
    },
    Code {
        code: VIX_E_HOST_SERVER_NOT_FOUND,
        name: "VIX_E_HOST_SERVER_NOT_FOUND",
        text: "Server cannot be reached",
    },
    Code {
        code: VIX_E_HOST_NETWORK_CONN_REFUSED,
        name: "VIX_E_HOST_NETWORK_CONN_REFUSED",
        text: "The server refused connection",
    },
    Code {
        code: VIX_E_HOST_TCP_SOCKET_ERROR,
        name: "VIX_E_HOST_TCP_SOCKET_ERROR",
        text: "Socket communication error",
    },
    Code { code: VIX_E_HOST_TCP_CONN_LOST, name: "VIX_E_HOST_TCP_CONN_LOST", text: "Connection lost" },
    Code {
        code: VIX_E_HOST_NBD_HASHFILE_VOLUME,
        name: "VIX_E_HOST_NBD_HASHFILE_VOLUME",
        text: "NBD hash-file volume error",
    },
    Code {
        code: VIX_E_HOST_NBD_HASHFILE_INIT,
        name: "VIX_E_HOST_NBD_HASHFILE_INIT",
        text: "NBD hash-file initialisation error",
    },
    Code {
        code: VIX_E_HOST_SERVER_SHUTDOWN,
        name: "VIX_E_HOST_SERVER_SHUTDOWN",
        text: "Server is shutting down",
    },
    Code {
        code: VIX_E_HOST_SERVER_NOT_AVAILABLE,
        name: "VIX_E_HOST_SERVER_NOT_AVAILABLE",
        text: "Server not available",
    },
    Code {
        code: VIX_E_DISK_INVAL,
        name: "VIX_E_DISK_INVAL",
        text: "The disk layer was given a bad parameter",
    },
    Code { code: VIX_E_DISK_NOINIT, name: "VIX_E_DISK_NOINIT", text: "The disk library is not initialised" },
    Code {
        code: VIX_E_DISK_NOIO,
        name: "VIX_E_DISK_NOIO",
        text: "The disk was not opened for input and output",
    },
    Code {
        code: VIX_E_DISK_PARTIALCHAIN,
        name: "VIX_E_DISK_PARTIALCHAIN",
        text: "The operation needs the whole chain, including the parent",
    },
    Code { code: VIX_E_DISK_NEEDSREPAIR, name: "VIX_E_DISK_NEEDSREPAIR", text: "The disk needs repair" },
    Code {
        code: VIX_E_DISK_OUTOFRANGE,
        name: "VIX_E_DISK_OUTOFRANGE",
        text: "The access reaches past the end of the disk",
    },
    Code {
        code: VIX_E_DISK_CID_MISMATCH,
        name: "VIX_E_DISK_CID_MISMATCH",
        text: "The parent disk was changed after its child was made",
    },
    Code { code: VIX_E_DISK_CANTSHRINK, name: "VIX_E_DISK_CANTSHRINK", text: "Disk cannot be shrunk" },
    Code {
        code: VIX_E_DISK_PARTMISMATCH,
        name: "VIX_E_DISK_PARTMISMATCH",
        text: "Physical disk partition table changed",
    },
    Code {
        code: VIX_E_DISK_UNSUPPORTEDDISKVERSION,
        name: "VIX_E_DISK_UNSUPPORTEDDISKVERSION",
        text: "The disk uses a format version that is not supported",
    },
    Code {
        code: VIX_E_DISK_OPENPARENT,
        name: "VIX_E_DISK_OPENPARENT",
        text: "The parent of the disk could not be opened",
    },
    Code {
        code: VIX_E_DISK_NOTSUPPORTED,
        name: "VIX_E_DISK_NOTSUPPORTED",
        text: "Feature not supported in this version",
    },
    Code {
        code: VIX_E_DISK_NEEDKEY,
        name: "VIX_E_DISK_NEEDKEY",
        text: "The keys of the encrypted disk are missing",
    },
    Code {
        code: VIX_E_DISK_NOKEYOVERRIDE,
        name: "VIX_E_DISK_NOKEYOVERRIDE",
        text: "Refuses unencrypted child of encrypted disk",
    },
    Code { code: VIX_E_DISK_NOTENCRYPTED, name: "VIX_E_DISK_NOTENCRYPTED", text: "Disk is not encrypted" },
    Code { code: VIX_E_DISK_NOKEY, name: "VIX_E_DISK_NOKEY", text: "No keys given for encryption" },
    Code {
        code: VIX_E_DISK_INVALIDPARTITIONTABLE,
        name: "VIX_E_DISK_INVALIDPARTITIONTABLE",
        text: "Partition table invalid",
    },
    Code {
        code: VIX_E_DISK_NOTNORMAL,
        name: "VIX_E_DISK_NOTNORMAL",
        text: "Only embedded-descriptor sparse extents can be encrypted",
    },
    Code { code: VIX_E_DISK_NOTENCDESC, name: "VIX_E_DISK_NOTENCDESC", text: "Descriptor is not encrypted" },
    Code { code: VIX_E_DISK_NEEDVMFS, name: "VIX_E_DISK_NEEDVMFS", text: "Needs a VMFS file system" },
    Code { code: VIX_E_DISK_RAWTOOBIG, name: "VIX_E_DISK_RAWTOOBIG", text: "Physical disk too large" },
    Code {
        code: VIX_E_DISK_TOOMANYOPENFILES,
        name: "VIX_E_DISK_TOOMANYOPENFILES",
        text: "Too many files are open",
    },
    Code {
        code: VIX_E_DISK_TOOMANYREDO,
        name: "VIX_E_DISK_TOOMANYREDO",
        text: "The chain of the disk has too many links",
    },
    Code { code: VIX_E_DISK_RAWTOOSMALL, name: "VIX_E_DISK_RAWTOOSMALL", text: "Physical disk too small" },
    Code {
        code: VIX_E_DISK_INVALIDCHAIN,
        name: "VIX_E_DISK_INVALIDCHAIN",
        text: "Hosted and managed links mixed in a chain",
    },
    Code {
        code: VIX_E_DISK_KEY_NOTFOUND,
        name: "VIX_E_DISK_KEY_NOTFOUND",
        text: "The disk database has no such key",
    },
    Code {
        code: VIX_E_DISK_SUBSYSTEM_INIT_FAIL,
        name: "VIX_E_DISK_SUBSYSTEM_INIT_FAIL",
        text: "A required subsystem failed to start",
    },
    Code {
        code: VIX_E_DISK_INVALID_CONNECTION,
        name: "VIX_E_DISK_INVALID_CONNECTION",
        text: "The connection handle is not valid",
    },
    Code { code: VIX_E_DISK_ENCODING, name: "VIX_E_DISK_ENCODING", text: "Disk encoding problem" },
    Code {
        code: VIX_E_DISK_CANTREPAIR,
        name: "VIX_E_DISK_CANTREPAIR",
        text: "The disk is damaged beyond repair",
    },
    Code {
        code: VIX_E_DISK_INVALIDDISK,
        name: "VIX_E_DISK_INVALIDDISK",
        text: "The file is not a valid virtual disk",
    },
    Code { code: VIX_E_DISK_NOLICENSE, name: "VIX_E_DISK_NOLICENSE", text: "Host licence lacks the feature" },
    Code { code: VIX_E_DISK_NODEVICE, name: "VIX_E_DISK_NODEVICE", text: "Device missing" },
    Code {
        code: VIX_E_DISK_UNSUPPORTEDDEVICE,
        name: "VIX_E_DISK_UNSUPPORTEDDEVICE",
        text: "Device type does not support it",
    },
    Code {
        code: VIX_E_DISK_CAPACITY_MISMATCH,
        name: "VIX_E_DISK_CAPACITY_MISMATCH",
        text: "Parent and child disk differ in capacity",
    },
    Code {
        code: VIX_E_DISK_PARENT_NOTALLOWED,
        name: "VIX_E_DISK_PARENT_NOTALLOWED",
        text: "This disk type cannot be a parent",
    },
    Code {
        code: VIX_E_DISK_ATTACH_ROOTLINK,
        name: "VIX_E_DISK_ATTACH_ROOTLINK",
        text: "Both links are roots",
    },
    Code {
        code: VIX_E_CRYPTO_UNKNOWN_ALGORITHM,
        name: "VIX_E_CRYPTO_UNKNOWN_ALGORITHM",
        text: "Crypto: unknown algorithm",
    },
    Code {
        code: VIX_E_CRYPTO_BAD_BUFFER_SIZE,
        name: "VIX_E_CRYPTO_BAD_BUFFER_SIZE",
        text: "Crypto: wrong buffer size",
    },
    Code {
        code: VIX_E_CRYPTO_INVALID_OPERATION,
        name: "VIX_E_CRYPTO_INVALID_OPERATION",
        text: "Crypto: illegal operation",
    },
    Code {
        code: VIX_E_CRYPTO_RANDOM_DEVICE,
        name: "VIX_E_CRYPTO_RANDOM_DEVICE",
        text: "Crypto: random device",
    },
    Code { code: VIX_E_CRYPTO_NEED_PASSWORD, name: "VIX_E_CRYPTO_NEED_PASSWORD", text: "Password needed" },
    Code { code: VIX_E_CRYPTO_BAD_PASSWORD, name: "VIX_E_CRYPTO_BAD_PASSWORD", text: "Wrong password" },
    Code {
        code: VIX_E_CRYPTO_NOT_IN_DICTIONARY,
        name: "VIX_E_CRYPTO_NOT_IN_DICTIONARY",
        text: "Crypto: not in dictionary",
    },
    Code { code: VIX_E_CRYPTO_NO_CRYPTO, name: "VIX_E_CRYPTO_NO_CRYPTO", text: "Crypto: none available" },
    Code { code: VIX_E_CRYPTO_ERROR, name: "VIX_E_CRYPTO_ERROR", text: "Crypto: generic" },
    Code { code: VIX_E_CRYPTO_BAD_FORMAT, name: "VIX_E_CRYPTO_BAD_FORMAT", text: "Crypto: bad format" },
    Code { code: VIX_E_CRYPTO_LOCKED, name: "VIX_E_CRYPTO_LOCKED", text: "Crypto: locked" },
    Code { code: VIX_E_CRYPTO_EMPTY, name: "VIX_E_CRYPTO_EMPTY", text: "Crypto: empty" },
    Code {
        code: VIX_E_CRYPTO_KEYSAFE_LOCATOR,
        name: "VIX_E_CRYPTO_KEYSAFE_LOCATOR",
        text: "Crypto: key-safe locator",
    },
    Code {
        code: VIX_E_CANNOT_CONNECT_TO_HOST,
        name: "VIX_E_CANNOT_CONNECT_TO_HOST",
        text: "Cannot connect to host",
    },
    Code { code: VIX_E_NOT_FOR_REMOTE_HOST, name: "VIX_E_NOT_FOR_REMOTE_HOST", text: "Local host only" },
    Code {
        code: VIX_E_INVALID_HOSTNAME_SPECIFICATION,
        name: "VIX_E_INVALID_HOSTNAME_SPECIFICATION",
        text: "Host name must be an https URL ending in /sdk",
    },
    Code {
        code: VIX_E_SCREEN_CAPTURE_ERROR,
        name: "VIX_E_SCREEN_CAPTURE_ERROR",
        text: "Screen capture failed",
    },
    Code {
        code: VIX_E_SCREEN_CAPTURE_BAD_FORMAT,
        name: "VIX_E_SCREEN_CAPTURE_BAD_FORMAT",
        text: "Capture format unsupported",
    },
    Code {
        code: VIX_E_SCREEN_CAPTURE_COMPRESSION_FAIL,
        name: "VIX_E_SCREEN_CAPTURE_COMPRESSION_FAIL",
        text: "Capture compression failed",
    },
    Code {
        code: VIX_E_SCREEN_CAPTURE_LARGE_DATA,
        name: "VIX_E_SCREEN_CAPTURE_LARGE_DATA",
        text: "Capture larger than limit",
    },
    Code {
        code: VIX_E_GUEST_VOLUMES_NOT_FROZEN,
        name: "VIX_E_GUEST_VOLUMES_NOT_FROZEN",
        text: "Guest: guest volumes not frozen",
    },
    Code { code: VIX_E_NOT_A_FILE, name: "VIX_E_NOT_A_FILE", text: "Guest: not a file" },
    Code { code: VIX_E_NOT_A_DIRECTORY, name: "VIX_E_NOT_A_DIRECTORY", text: "Guest: not a directory" },
    Code { code: VIX_E_NO_SUCH_PROCESS, name: "VIX_E_NO_SUCH_PROCESS", text: "Guest: no such process" },
    Code {
        code: VIX_E_FILE_NAME_TOO_LONG,
        name: "VIX_E_FILE_NAME_TOO_LONG",
        text: "Guest: file name too long",
    },
    Code {
        code: VIX_E_OPERATION_DISABLED,
        name: "VIX_E_OPERATION_DISABLED",
        text: "Guest: disabled by guest OS",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_NO_IMAGE,
        name: "VIX_E_TOOLS_INSTALL_NO_IMAGE",
        text: "Tools installer: no image",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_IMAGE_INACCESIBLE,
        name: "VIX_E_TOOLS_INSTALL_IMAGE_INACCESIBLE",
        text: "Tools installer: image inaccessible",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_NO_DEVICE,
        name: "VIX_E_TOOLS_INSTALL_NO_DEVICE",
        text: "Tools installer: no device",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_DEVICE_NOT_CONNECTED,
        name: "VIX_E_TOOLS_INSTALL_DEVICE_NOT_CONNECTED",
        text: "Tools installer: device disconnected",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_CANCELLED,
        name: "VIX_E_TOOLS_INSTALL_CANCELLED",
        text: "Tools installer: cancelled",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_INIT_FAILED,
        name: "VIX_E_TOOLS_INSTALL_INIT_FAILED",
        text: "Tools installer: initialisation failed",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_AUTO_NOT_SUPPORTED,
        name: "VIX_E_TOOLS_INSTALL_AUTO_NOT_SUPPORTED",
        text: "Tools installer: no automatic mode",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_GUEST_NOT_READY,
        name: "VIX_E_TOOLS_INSTALL_GUEST_NOT_READY",
        text: "Tools installer: guest not ready",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_SIG_CHECK_FAILED,
        name: "VIX_E_TOOLS_INSTALL_SIG_CHECK_FAILED",
        text: "Tools installer: signature check failed",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_ERROR,
        name: "VIX_E_TOOLS_INSTALL_ERROR",
        text: "Tools installer: generic",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_ALREADY_UP_TO_DATE,
        name: "VIX_E_TOOLS_INSTALL_ALREADY_UP_TO_DATE",
        text: "Tools installer: already current",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_IN_PROGRESS,
        name: "VIX_E_TOOLS_INSTALL_IN_PROGRESS",
        text: "Tools installer: running",
    },
    Code {
        code: VIX_E_TOOLS_INSTALL_IMAGE_COPY_FAILED,
        name: "VIX_E_TOOLS_INSTALL_IMAGE_COPY_FAILED",
        text: "Tools installer: copy failed",
    },
    Code {
        code: VIX_E_WRAPPER_WORKSTATION_NOT_INSTALLED,
        name: "VIX_E_WRAPPER_WORKSTATION_NOT_INSTALLED",
        text: "Workstation provider missing",
    },
    Code {
        code: VIX_E_WRAPPER_VERSION_NOT_FOUND,
        name: "VIX_E_WRAPPER_VERSION_NOT_FOUND",
        text: "Requested version missing",
    },
    Code {
        code: VIX_E_WRAPPER_SERVICEPROVIDER_NOT_FOUND,
        name: "VIX_E_WRAPPER_SERVICEPROVIDER_NOT_FOUND",
        text: "Service provider missing",
    },
    Code {
        code: VIX_E_WRAPPER_PLAYER_NOT_INSTALLED,
        name: "VIX_E_WRAPPER_PLAYER_NOT_INSTALLED",
        text: "Player provider missing",
    },
    Code {
        code: VIX_E_WRAPPER_RUNTIME_NOT_INSTALLED,
        name: "VIX_E_WRAPPER_RUNTIME_NOT_INSTALLED",
        text: "VIX runtime missing",
    },
    Code {
        code: VIX_E_WRAPPER_MULTIPLE_SERVICEPROVIDERS,
        name: "VIX_E_WRAPPER_MULTIPLE_SERVICEPROVIDERS",
        text: "Several providers cannot be mixed",
    },
    Code {
        code: VIX_E_MNTAPI_MOUNTPT_NOT_FOUND,
        name: "VIX_E_MNTAPI_MOUNTPT_NOT_FOUND",
        text: "Mounting: mount point unknown",
    },
    Code {
        code: VIX_E_MNTAPI_MOUNTPT_IN_USE,
        name: "VIX_E_MNTAPI_MOUNTPT_IN_USE",
        text: "Mounting: mount point in use",
    },
    Code {
        code: VIX_E_MNTAPI_DISK_NOT_FOUND,
        name: "VIX_E_MNTAPI_DISK_NOT_FOUND",
        text: "Mounting: disk not found",
    },
    Code {
        code: VIX_E_MNTAPI_DISK_NOT_MOUNTED,
        name: "VIX_E_MNTAPI_DISK_NOT_MOUNTED",
        text: "Mounting: disk not mounted",
    },
    Code {
        code: VIX_E_MNTAPI_DISK_IS_MOUNTED,
        name: "VIX_E_MNTAPI_DISK_IS_MOUNTED",
        text: "Mounting: disk already mounted",
    },
    Code {
        code: VIX_E_MNTAPI_DISK_NOT_SAFE,
        name: "VIX_E_MNTAPI_DISK_NOT_SAFE",
        text: "Mounting: unsafe: in use, suspended, or part of a snapshot chain",
    },
    Code {
        code: VIX_E_MNTAPI_DISK_CANT_OPEN,
        name: "VIX_E_MNTAPI_DISK_CANT_OPEN",
        text: "Mounting: disk cannot be opened",
    },
    Code {
        code: VIX_E_MNTAPI_CANT_READ_PARTS,
        name: "VIX_E_MNTAPI_CANT_READ_PARTS",
        text: "Mounting: partition table unreadable",
    },
    Code {
        code: VIX_E_MNTAPI_UMOUNT_APP_NOT_FOUND,
        name: "VIX_E_MNTAPI_UMOUNT_APP_NOT_FOUND",
        text: "Mounting: umount program missing",
    },
    Code { code: VIX_E_MNTAPI_UMOUNT, name: "VIX_E_MNTAPI_UMOUNT", text: "Mounting: umount failed" },
    Code {
        code: VIX_E_MNTAPI_NO_MOUNTABLE_PARTITONS,
        name: "VIX_E_MNTAPI_NO_MOUNTABLE_PARTITONS",
        text: "Mounting: nothing mountable on the disk",
    },
    Code {
        code: VIX_E_MNTAPI_PARTITION_RANGE,
        name: "VIX_E_MNTAPI_PARTITION_RANGE",
        text: "Mounting: partition number wrong",
    },
    Code { code: VIX_E_MNTAPI_PERM, name: "VIX_E_MNTAPI_PERM", text: "Mounting: rights missing" },
    Code {
        code: VIX_E_MNTAPI_DICT,
        name: "VIX_E_MNTAPI_DICT",
        text: "Mounting: metadata inaccessible or damaged",
    },
    Code {
        code: VIX_E_MNTAPI_DICT_LOCKED,
        name: "VIX_E_MNTAPI_DICT_LOCKED",
        text: "Mounting: metadata locked by another mounter",
    },
    Code {
        code: VIX_E_MNTAPI_OPEN_HANDLES,
        name: "VIX_E_MNTAPI_OPEN_HANDLES",
        text: "Mounting: another process uses the mounted disk",
    },
    Code {
        code: VIX_E_MNTAPI_CANT_MAKE_VAR_DIR,
        name: "VIX_E_MNTAPI_CANT_MAKE_VAR_DIR",
        text: "Mounting: run directory cannot be created",
    },
    Code { code: VIX_E_MNTAPI_NO_ROOT, name: "VIX_E_MNTAPI_NO_ROOT", text: "Mounting: needs root" },
    Code {
        code: VIX_E_MNTAPI_LOOP_FAILED,
        name: "VIX_E_MNTAPI_LOOP_FAILED",
        text: "Mounting: loop device failure",
    },
    Code {
        code: VIX_E_MNTAPI_DAEMON,
        name: "VIX_E_MNTAPI_DAEMON",
        text: "Mounting: FUSE daemon did not start",
    },
    Code { code: VIX_E_MNTAPI_INTERNAL, name: "VIX_E_MNTAPI_INTERNAL", text: "Mounting: internal error" },
    Code { code: VIX_E_MNTAPI_SYSTEM, name: "VIX_E_MNTAPI_SYSTEM", text: "Mounting: system call failed" },
    Code {
        code: VIX_E_MNTAPI_NO_CONNECTION_DETAILS,
        name: "VIX_E_MNTAPI_NO_CONNECTION_DETAILS",
        text: "Mounting: no VixDiskLib connection data",
    },
    Code {
        code: VIX_E_MNTAPI_INCOMPATIBLE_VERSION,
        name: "VIX_E_MNTAPI_INCOMPATIBLE_VERSION",
        text: "Mounting: version too low",
    },
    Code {
        code: VIX_E_MNTAPI_OS_ERROR,
        name: "VIX_E_MNTAPI_OS_ERROR",
        text: "Mounting: operating-system error",
    },
    Code {
        code: VIX_E_MNTAPI_DRIVE_LETTER_IN_USE,
        name: "VIX_E_MNTAPI_DRIVE_LETTER_IN_USE",
        text: "Mounting: drive letter in use",
    },
    Code {
        code: VIX_E_MNTAPI_DRIVE_LETTER_ALREADY_ASSIGNED,
        name: "VIX_E_MNTAPI_DRIVE_LETTER_ALREADY_ASSIGNED",
        text: "Mounting: drive letter assigned already",
    },
    Code {
        code: VIX_E_MNTAPI_VOLUME_NOT_MOUNTED,
        name: "VIX_E_MNTAPI_VOLUME_NOT_MOUNTED",
        text: "Mounting: volume not mounted",
    },
    Code {
        code: VIX_E_MNTAPI_VOLUME_ALREADY_MOUNTED,
        name: "VIX_E_MNTAPI_VOLUME_ALREADY_MOUNTED",
        text: "Mounting: volume mounted already",
    },
    Code {
        code: VIX_E_MNTAPI_FORMAT_FAILURE,
        name: "VIX_E_MNTAPI_FORMAT_FAILURE",
        text: "Mounting: volume cannot be formatted",
    },
    Code { code: VIX_E_MNTAPI_NO_DRIVER, name: "VIX_E_MNTAPI_NO_DRIVER", text: "Mounting: driver missing" },
    Code {
        code: VIX_E_MNTAPI_ALREADY_OPENED,
        name: "VIX_E_MNTAPI_ALREADY_OPENED",
        text: "Mounting: volume or disk set already open",
    },
    Code {
        code: VIX_E_MNTAPI_ITEM_NOT_FOUND,
        name: "VIX_E_MNTAPI_ITEM_NOT_FOUND",
        text: "Mounting: required item missing",
    },
    Code {
        code: VIX_E_MNTAPI_UNSUPPROTED_BOOT_LOADER,
        name: "VIX_E_MNTAPI_UNSUPPROTED_BOOT_LOADER",
        text: "Mounting: boot loader unsupported",
    },
    Code {
        code: VIX_E_MNTAPI_UNSUPPROTED_OS,
        name: "VIX_E_MNTAPI_UNSUPPROTED_OS",
        text: "Mounting: OS unsupported",
    },
    Code {
        code: VIX_E_MNTAPI_CODECONVERSION,
        name: "VIX_E_MNTAPI_CODECONVERSION",
        text: "Mounting: string conversion failed",
    },
    Code {
        code: VIX_E_MNTAPI_REGWRITE_ERROR,
        name: "VIX_E_MNTAPI_REGWRITE_ERROR",
        text: "Mounting: registry write failed",
    },
    Code {
        code: VIX_E_MNTAPI_UNSUPPORTED_FT_VOLUME,
        name: "VIX_E_MNTAPI_UNSUPPORTED_FT_VOLUME",
        text: "Mounting: NT4 fault-tolerant volume",
    },
    Code {
        code: VIX_E_MNTAPI_PARTITION_NOT_FOUND,
        name: "VIX_E_MNTAPI_PARTITION_NOT_FOUND",
        text: "Mounting: partition missing",
    },
    Code {
        code: VIX_E_MNTAPI_PUTFILE_ERROR,
        name: "VIX_E_MNTAPI_PUTFILE_ERROR",
        text: "Mounting: file put failed",
    },
    Code {
        code: VIX_E_MNTAPI_GETFILE_ERROR,
        name: "VIX_E_MNTAPI_GETFILE_ERROR",
        text: "Mounting: file get failed",
    },
    Code {
        code: VIX_E_MNTAPI_REG_NOT_OPENED,
        name: "VIX_E_MNTAPI_REG_NOT_OPENED",
        text: "Mounting: registry key not opened",
    },
    Code {
        code: VIX_E_MNTAPI_REGDELKEY_ERROR,
        name: "VIX_E_MNTAPI_REGDELKEY_ERROR",
        text: "Mounting: registry key not deleted",
    },
    Code {
        code: VIX_E_MNTAPI_CREATE_PARTITIONTABLE_ERROR,
        name: "VIX_E_MNTAPI_CREATE_PARTITIONTABLE_ERROR",
        text: "Mounting: partition table cannot be made",
    },
    Code {
        code: VIX_E_MNTAPI_OPEN_FAILURE,
        name: "VIX_E_MNTAPI_OPEN_FAILURE",
        text: "Mounting: disk set cannot be opened",
    },
    Code {
        code: VIX_E_MNTAPI_VOLUME_NOT_WRITABLE,
        name: "VIX_E_MNTAPI_VOLUME_NOT_WRITABLE",
        text: "Mounting: volume write-protected",
    },
    Code { code: VIX_ASYNC, name: "VIX_ASYNC", text: "The request was accepted and will complete later" },
    Code {
        code: VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED,
        name: "VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED",
        text: "Sync and async I/O mixed on one handle",
    },
    Code {
        code: VIX_E_NET_HTTP_UNSUPPORTED_PROTOCOL,
        name: "VIX_E_NET_HTTP_UNSUPPORTED_PROTOCOL",
        text: "URL protocol unsupported",
    },
    Code { code: VIX_E_NET_HTTP_URL_MALFORMAT, name: "VIX_E_NET_HTTP_URL_MALFORMAT", text: "URL malformed" },
    Code {
        code: VIX_E_NET_HTTP_COULDNT_RESOLVE_PROXY,
        name: "VIX_E_NET_HTTP_COULDNT_RESOLVE_PROXY",
        text: "Proxy name not resolved",
    },
    Code {
        code: VIX_E_NET_HTTP_COULDNT_RESOLVE_HOST,
        name: "VIX_E_NET_HTTP_COULDNT_RESOLVE_HOST",
        text: "Host name not resolved",
    },
    Code {
        code: VIX_E_NET_HTTP_COULDNT_CONNECT,
        name: "VIX_E_NET_HTTP_COULDNT_CONNECT",
        text: "Host/proxy connection failed",
    },
    Code {
        code: VIX_E_NET_HTTP_HTTP_RETURNED_ERROR,
        name: "VIX_E_NET_HTTP_HTTP_RETURNED_ERROR",
        text: "HTTP status 400 or higher",
    },
    Code {
        code: VIX_E_NET_HTTP_OPERATION_TIMEDOUT,
        name: "VIX_E_NET_HTTP_OPERATION_TIMEDOUT",
        text: "Network timeout",
    },
    Code {
        code: VIX_E_NET_HTTP_SSL_CONNECT_ERROR,
        name: "VIX_E_NET_HTTP_SSL_CONNECT_ERROR",
        text: "TLS handshake problem",
    },
    Code {
        code: VIX_E_NET_HTTP_TOO_MANY_REDIRECTS,
        name: "VIX_E_NET_HTTP_TOO_MANY_REDIRECTS",
        text: "Redirect limit",
    },
    Code { code: VIX_E_NET_HTTP_TRANSFER, name: "VIX_E_NET_HTTP_TRANSFER", text: "Transfer failure" },
    Code { code: VIX_E_NET_HTTP_SSL_SECURITY, name: "VIX_E_NET_HTTP_SSL_SECURITY", text: "TLS error" },
    Code { code: VIX_E_NET_HTTP_GENERIC, name: "VIX_E_NET_HTTP_GENERIC", text: "Generic HTTP error" },
];

/// The code in the low 16 bits of an error.
pub(crate) fn lookup(error: VixError) -> Option<&'static Code> {
    let code = error & 0xffff;
    CODES.binary_search_by_key(&code, |known| known.code).ok().map(|index| &CODES[index])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_complete_and_ascending() {
        assert_eq!(CODES.len(), 268);
        assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
        let constants: Vec<(&str, VixError)> = include_str!("codes.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": VixError = "))
            .map(|(name, number)| (name, number.trim_end_matches(';').parse().unwrap()))
            .collect();
        assert_eq!(constants.len(), CODES.len());
        for (name, number) in constants {
            assert_eq!(lookup(number).unwrap().name, name);
        }
        for retired in [3029, 3030, 3039, 3044, 3045, 13022] {
            assert!(lookup(retired).is_none());
        }
    }

    #[test]
    fn every_code_has_a_text_of_its_own() {
        let texts: HashSet<&str> = CODES.iter().map(|code| code.text).collect();
        assert_eq!(texts.len(), CODES.len());
        assert!(texts.iter().all(|text| text.is_ascii() && text.len() > 3 && !text.ends_with('.')));
    }

    #[test]
    fn the_upper_bits_do_not_matter() {
        assert_eq!(lookup(0xdead_beef_0401_0004).unwrap().code, VIX_E_FILE_NOT_FOUND);
        assert!(lookup(0xffff).is_none());
    }
}
