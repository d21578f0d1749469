/* VixDiskLib: virtual disks of VMware products, local and on vSphere.
 *
 * Generated from the Rust definitions by `make header`; do not edit.
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef VIXEN_VIX_DISK_LIB_H
#define VIXEN_VIX_DISK_LIB_H

#include <stdarg.h>
#include <stddef.h>

#include "vm_basic_types.h"

/* The whole value tells success: VIX_OK is 0, everything else is a failure (or VIX_ASYNC). */
#define VIX_SUCCEEDED(error) (((VixError)(error)) == VIX_OK)
#define VIX_FAILED(error) (((VixError)(error)) != VIX_OK)
/* The number of the error without what may stand in the upper bits. */
#define VIX_ERROR_CODE(error) ((VixError)((error) & 0xFFFF))

/* A log function gets a message that ends in a newline; use it as a format with the arguments. */
typedef void (VixDiskLibGenericLogFunc)(const char *format, va_list arguments);

/* The same with a number of its kind before it; no function takes one, but programs name the type. */
typedef void (VixDiskLibGenericLogVFunc)(int routing, const char *format, va_list arguments);

// Bytes in a sector of this interface, also on disks that report 4096-byte sectors.
#define VIXDISKLIB_SECTOR_SIZE 512

// Smallest chunk of `VixDiskLib_QueryAllocatedBlocks`, in sectors.
#define VIXDISKLIB_MIN_CHUNK_SIZE 128

// Largest chunk of `VixDiskLib_QueryAllocatedBlocks`, in sectors.
#define VIXDISKLIB_MAX_CHUNK_SIZE 131072

// Most chunks that one call of `VixDiskLib_QueryAllocatedBlocks` may cover.
#define VIXDISKLIB_MAX_CHUNK_NUMBER 524288

// Open flag: bypass the host's cache.
#define VIXDISKLIB_FLAG_OPEN_UNBUFFERED (1 << 0)

// Open flag: open one link of a chain, not its parents.
#define VIXDISKLIB_FLAG_OPEN_SINGLE_LINK (1 << 1)

// Open flag: no writes through this handle.
#define VIXDISKLIB_FLAG_OPEN_READ_ONLY (1 << 2)

// Open flag: zlib compression on the NBDSSL transport; ignored elsewhere.
#define VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB (1 << 4)

// Open flag: FastLZ compression on the NBDSSL transport; ignored elsewhere.
#define VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ (1 << 5)

// Open flag: SkipZ compression on the NBDSSL transport; ignored elsewhere.
#define VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ (1 << 6)

// The bits that choose a compression.
#define VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK 1008

// Virtual hardware of Workstation 4.
#define VIXDISKLIB_HWVERSION_WORKSTATION_4 3

// Virtual hardware of Workstation 5.
#define VIXDISKLIB_HWVERSION_WORKSTATION_5 4

// Virtual hardware of ESX 3.0.
#define VIXDISKLIB_HWVERSION_ESX30 4

// Virtual hardware of Workstation 6.
#define VIXDISKLIB_HWVERSION_WORKSTATION_6 6

// Virtual hardware of ESX 4.x.
#define VIXDISKLIB_HWVERSION_ESX4X 7

// Virtual hardware of ESXi 5.0.
#define VIXDISKLIB_HWVERSION_ESX50 8

// Virtual hardware of ESXi 5.1.
#define VIXDISKLIB_HWVERSION_ESX51 9

// Virtual hardware of ESXi 5.5.
#define VIXDISKLIB_HWVERSION_ESX55 10

// Virtual hardware of ESXi 6.0.
#define VIXDISKLIB_HWVERSION_ESX60 11

// Virtual hardware of ESXi 6.5.
#define VIXDISKLIB_HWVERSION_ESX65 13

// The virtual hardware that a client without wishes of its own names.
#define VIXDISKLIB_HWVERSION_CURRENT 13

// Kinds of virtual disk.
typedef enum VixDiskLibDiskType {
  // One growing file.
  VIXDISKLIB_DISK_MONOLITHIC_SPARSE = 1,
  // A descriptor and one file of the full size.
  VIXDISKLIB_DISK_MONOLITHIC_FLAT = 2,
  // A descriptor and growing files of at most 2 GB.
  VIXDISKLIB_DISK_SPLIT_SPARSE = 3,
  // A descriptor and files of at most 2 GB in full size.
  VIXDISKLIB_DISK_SPLIT_FLAT = 4,
  // ESX disk with all its space reserved.
  VIXDISKLIB_DISK_VMFS_FLAT = 5,
  // Compressed, to be written from front to end.
  VIXDISKLIB_DISK_STREAM_OPTIMIZED = 6,
  // ESX disk whose space is taken as it is written.
  VIXDISKLIB_DISK_VMFS_THIN = 7,
  // ESX redo log.
  VIXDISKLIB_DISK_VMFS_SPARSE = 8,
  // Not one of the above.
  VIXDISKLIB_DISK_UNKNOWN = 256,
} VixDiskLibDiskType;

// Adapters that a virtual disk can be attached to.
typedef enum VixDiskLibAdapterType {
  // IDE.
  VIXDISKLIB_ADAPTER_IDE = 1,
  // SCSI, BusLogic.
  VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC = 2,
  // SCSI, LSI Logic.
  VIXDISKLIB_ADAPTER_SCSI_LSILOGIC = 3,
  // Not one of the above.
  VIXDISKLIB_ADAPTER_UNKNOWN = 256,
} VixDiskLibAdapterType;

// Kinds of credentials, the tag of [`VixDiskLibCreds`].
typedef enum VixDiskLibCredType {
  // User name and password, member `uid`.
  VIXDISKLIB_CRED_UID = 1,
  // Cookie of a session that exists, member `sessionId`.
  VIXDISKLIB_CRED_SESSIONID = 2,
  // Ticket, member `ticketId`; internal to the vendor's products.
  VIXDISKLIB_CRED_TICKETID = 3,
  // The Windows user of the process.
  VIXDISKLIB_CRED_SSPI = 4,
  // Not one of the above.
  VIXDISKLIB_CRED_UNKNOWN = 256,
} VixDiskLibCredType;

// What the `spec` member of the connection parameters names, its tag.
typedef enum VixDiskLibSpecType {
  // A virtual machine, by `vmxSpec` of the connection parameters.
  VIXDISKLIB_SPEC_VMX = 0,
  // A first-class disk, member `vStorageObjSpec`.
  VIXDISKLIB_SPEC_VSTORAGE_OBJECT = 1,
  // A folder of a datastore, member `dsSpec`. 6.7 clients used this number for "unknown".
  VIXDISKLIB_SPEC_DATASTORE = 2,
  // Not one of the above.
  VIXDISKLIB_SPEC_UNKNOWN = 256,
} VixDiskLibSpecType;

// Opaque; a connection is a number in a table, never an address.
typedef struct VixDiskLibConnectParam VixDiskLibConnectParam;

// Opaque; always NULL in Vixen.
typedef struct VixDiskLibConnectParamsState VixDiskLibConnectParamsState;

// Opaque; a handle is a number in a table, never an address.
typedef struct VixDiskLibHandleStruct VixDiskLibHandleStruct;

// Opaque: ticket credentials are internal to the vendor's products.
typedef struct VixDiskLibTicketIdCreds VixDiskLibTicketIdCreds;

// Result of a call of the C interface: 0 is success, and the code is in the low 16 bits.
typedef uint64_t VixError;

// User name and password.
typedef struct VixDiskLibUidPasswdCreds {
  // User name.
  char *userName;
  // Password.
  char *password;
} VixDiskLibUidPasswdCreds;

// A session that exists.
typedef struct VixDiskLibSessionIdCreds {
  // Value of the session cookie.
  char *cookie;
  // User name.
  char *userName;
  // Password or key.
  char *key;
} VixDiskLibSessionIdCreds;

// Credentials; `credType` says which member holds.
typedef union VixDiskLibCreds {
  // For `VIXDISKLIB_CRED_UID`.
  struct VixDiskLibUidPasswdCreds uid;
  // For `VIXDISKLIB_CRED_SESSIONID`.
  struct VixDiskLibSessionIdCreds sessionId;
  // For `VIXDISKLIB_CRED_TICKETID`; never read.
  struct VixDiskLibTicketIdCreds *ticketId;
} VixDiskLibCreds;

// A first-class disk.
typedef struct VixDiskLibVStorageObjectSpec {
  // Id of the disk.
  char *id;
  // Managed object reference of its datastore.
  char *datastoreMoRef;
  // Id of a snapshot of the disk, or NULL.
  char *ssId;
} VixDiskLibVStorageObjectSpec;

// A folder of a datastore.
typedef struct VixDiskLibDatastoreSpec {
  // Managed object reference of the datastore.
  char *datastoreMoRef;
  // Folder in it.
  char *diskFolder;
} VixDiskLibDatastoreSpec;

// What the connection is for; `specType` says which member holds.
typedef union VixDiskLibSpec {
  // A virtual machine; not used, `vmxSpec` of the connection parameters is.
  char *vmxSpec;
  // For `VIXDISKLIB_SPEC_VSTORAGE_OBJECT`.
  struct VixDiskLibVStorageObjectSpec vStorageObjSpec;
  // For `VIXDISKLIB_SPEC_DATASTORE`.
  struct VixDiskLibDatastoreSpec dsSpec;
} VixDiskLibSpec;

// How to reach a server, or nothing at all for local disks. Older clients hand over shorter forms: 72 bytes
// up to VDDK 6.0, 80 in 6.5. What follows `nfcHostPort` is read only in structs that came from
// `VixDiskLib_AllocateConnectParams` or `VixDiskLib_GetConnectParams`.
typedef struct VixDiskLibConnectParams {
  // Virtual machine: `moref=vm-123`, or a path with `?dcPath=..&dsName=..`. NULL or "" for local disks.
  char *vmxSpec;
  // Host name or address of vCenter or ESXi. NULL or "" for local disks.
  char *serverName;
  // Thumbprint of the server's certificate.
  char *thumbPrint;
  // Not used.
  long privateUse;
  // Which member of `creds` holds.
  VixDiskLibCredType credType;
  // Credentials.
  union VixDiskLibCreds creds;
  // TCP port of the server, 0 for 443.
  uint32_t port;
  // TCP port of the disk service, 0 for 902.
  uint32_t nfcHostPort;
  // Not used.
  char *vimApiVer;
  // Not used.
  char reserved[8];
  // Not used.
  struct VixDiskLibConnectParamsState *state;
  // What the connection is for, besides `vmxSpec`.
  union VixDiskLibSpec spec;
  // Which member of `spec` holds.
  VixDiskLibSpecType specType;
} VixDiskLibConnectParams;

// A connection.
typedef struct VixDiskLibConnectParam *VixDiskLibConnection;

// An open disk.
typedef struct VixDiskLibHandleStruct *VixDiskLibHandle;

// Cylinders, heads and sectors of a disk.
typedef struct VixDiskLibGeometry {
  // Number of cylinders.
  uint32_t cylinders;
  // Heads in a cylinder.
  uint32_t heads;
  // Sectors in a track.
  uint32_t sectors;
} VixDiskLibGeometry;

// A sector number or a number of sectors; a sector is always 512 bytes.
typedef uint64_t VixDiskLibSectorType;

// What `VixDiskLib_GetInfo` tells of a disk. Allocated by the library, freed by `VixDiskLib_FreeInfo`.
typedef struct VixDiskLibInfo {
  // Geometry of the BIOS; zeros when the disk does not name one.
  struct VixDiskLibGeometry biosGeo;
  // Physical geometry; zeros when the disk does not name one.
  struct VixDiskLibGeometry physGeo;
  // Capacity in sectors of 512 bytes.
  VixDiskLibSectorType capacity;
  // Adapter.
  VixDiskLibAdapterType adapterType;
  // Links of the chain that is open; 1 for a base disk.
  int numLinks;
  // Name of the parent as the disk has it, not resolved; NULL when there is none.
  char *parentFileNameHint;
  // Identity of the disk; NULL when it has none.
  char *uuid;
  // Logical sector size in bytes.
  uint32_t logicalSectorSize;
  // Physical sector size in bytes.
  uint32_t physicalSectorSize;
} VixDiskLibInfo;

// Told of the end of an asynchronous request, once, on any thread, perhaps before the request call returns.
typedef void (*VixDiskLibCompletionCB)(void *cbData, VixError result);

// A run of allocated sectors.
typedef struct VixDiskLibBlock {
  // First sector, counted from the start of the disk.
  VixDiskLibSectorType offset;
  // Number of sectors.
  VixDiskLibSectorType length;
} VixDiskLibBlock;

// Allocated runs, sorted and disjoint; `numBlocks` of them follow, however many the array is declared with.
// Allocated by the library, freed by `VixDiskLib_FreeBlockList`.
typedef struct VixDiskLibBlockList {
  // Number of runs; may be 0.
  uint32_t numBlocks;
  // The runs.
  struct VixDiskLibBlock blocks[1];
} VixDiskLibBlockList;

// What `VixDiskLib_Create` makes. Clients built for VDDK 6.7 and older hand over the first 24 bytes only,
// and nothing tells them apart, so Vixen never reads the two sector sizes: disks have 512-byte sectors.
typedef struct VixDiskLibCreateParams {
  // Kind of disk.
  VixDiskLibDiskType diskType;
  // Adapter, which decides the geometry.
  VixDiskLibAdapterType adapterType;
  // Virtual hardware version, `VIXDISKLIB_HWVERSION_...` or newer.
  uint16_t hwVersion;
  // Capacity in sectors of 512 bytes.
  VixDiskLibSectorType capacity;
  // Logical sector size in bytes, 0 for 512; VDDK 7.0 and newer.
  uint32_t logicalSectorSize;
  // Physical sector size in bytes, 0 for 512; VDDK 7.0 and newer.
  uint32_t physicalSectorSize;
} VixDiskLibCreateParams;

// Told of progress on the calling thread, from 0 to 100 per cent; what it returns is ignored.
typedef Bool (*VixDiskLibProgressFunc)(void *progressData, int percentCompleted);

// The operation succeeded; the only value that means success.
#define VIX_OK 0

// Unspecified failure, such as a wrong thumbprint or a vCenter that is out of reach at open.
#define VIX_E_FAIL 1

// There is not enough memory.
#define VIX_E_OUT_OF_MEMORY 2

// An argument is bad; also a range of sectors that leaves the disk.
#define VIX_E_INVALID_ARG 3

// The file was not found.
#define VIX_E_FILE_NOT_FOUND 4

// The object is busy with another operation.
#define VIX_E_OBJECT_IS_BUSY 5

// The operation is not supported.
#define VIX_E_NOT_SUPPORTED 6

// Reading or writing a file failed.
#define VIX_E_FILE_ERROR 7

// No space is left on the file system.
#define VIX_E_DISK_FULL 8

// The file is not of the type this operation needs.
#define VIX_E_INCORRECT_FILE_TYPE 9

// The caller cancelled the operation.
#define VIX_E_CANCELLED 10

// The file or disk is read-only.
#define VIX_E_FILE_READ_ONLY 11

// The file already exists.
#define VIX_E_FILE_ALREADY_EXISTS 12

// Access rights are missing; releases before 7.0.3.3 and 8.0.2 also gave it for network failures.
#define VIX_E_FILE_ACCESS_ERROR 13

// The file system cannot hold files as large as this one.
#define VIX_E_REQUIRES_LARGE_FILES 14

// The file is locked by someone else.
#define VIX_E_FILE_ALREADY_LOCKED 15

// Internal communication with the host failed (VMDB).
#define VIX_E_VMDB 16

// This operation cannot be done on a remote object.
#define VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT 20

// The file is larger than the file system or format allows.
#define VIX_E_FILE_TOO_BIG 21

// The file name is not valid.
#define VIX_E_FILE_NAME_INVALID 22

// An object of this identity exists already.
#define VIX_E_ALREADY_EXISTS 23

// The buffer is too small; the length needed was returned.
#define VIX_E_BUFFER_TOOSMALL 24

// The object that was referred to is unknown or gone.
#define VIX_E_OBJECT_NOT_FOUND 25

// There is no connection to the host.
#define VIX_E_HOST_NOT_CONNECTED 26

// A string is not encoded as valid UTF-8.
#define VIX_E_INVALID_UTF8_STRING 27

// The job is still running.
#define VIX_E_UNFINISHED_JOB 29

// A decryption key is needed to go on.
#define VIX_E_NEED_KEY 30

// The same operation is running already.
#define VIX_E_OPERATION_ALREADY_IN_PROGRESS 31

// The licence does not cover this operation.
#define VIX_E_LICENSE 32

// The host of the virtual machine is disconnected.
#define VIX_E_VM_HOST_DISCONNECTED 34

// Authentication for the encrypted virtual machine failed.
#define VIX_E_AUTHENTICATION_FAIL 35

// The connection to the host has dropped.
#define VIX_E_HOST_CONNECTION_LOST 36

// Another object has this name already.
#define VIX_E_DUPLICATE_NAME 41

// An argument exceeds its size limit.
#define VIX_E_ARGUMENT_TOO_BIG 44

// The handle is not valid.
#define VIX_E_INVALID_HANDLE 1000

// Handles of this type do not offer the operation.
#define VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE 1001

// The handle table is exhausted.
#define VIX_E_TOO_MANY_HANDLES 1002

// A required part of the file is absent.
#define VIX_E_NOT_FOUND 2000

// An object in the file is of the wrong type.
#define VIX_E_TYPE_MISMATCH 2001

// The content of the file is malformed.
#define VIX_E_INVALID_XML 2002

// The tools in the guest did not answer in time.
#define VIX_E_TIMEOUT_WAITING_FOR_TOOLS 3000

// The virtual machine does not know this command.
#define VIX_E_UNRECOGNIZED_COMMAND 3001

// The guest operating system does not support the request.
#define VIX_E_OP_NOT_SUPPORTED_ON_GUEST 3003

// The program could not be started in the guest.
#define VIX_E_PROGRAM_NOT_STARTED 3004

// A read-only virtual machine cannot be powered on.
#define VIX_E_CANNOT_START_READ_ONLY_VM 3005

// The virtual machine is not powered on, as it has to be for this operation.
#define VIX_E_VM_NOT_RUNNING 3006

// The virtual machine is powered on, which this operation does not allow.
#define VIX_E_VM_IS_RUNNING 3007

// The virtual machine cannot be reached.
#define VIX_E_CANNOT_CONNECT_TO_VM 3008

// The scripts for power operations cannot run.
#define VIX_E_POWEROP_SCRIPTS_NOT_AVAILABLE 3009

// No operating system is installed in the guest.
#define VIX_E_NO_GUEST_OS_INSTALLED 3010

// The host lacks memory for this virtual machine.
#define VIX_E_VM_INSUFFICIENT_HOST_MEMORY 3011

// Suspending the virtual machine failed.
#define VIX_E_SUSPEND_ERROR 3012

// The host has too few CPUs for this virtual machine.
#define VIX_E_VM_NOT_ENOUGH_CPUS 3013

// The rights of the user on the host are too weak for this operation.
#define VIX_E_HOST_USER_PERMISSIONS 3014

// The rights of the user in the guest are too weak or the guest login failed.
#define VIX_E_GUEST_USER_PERMISSIONS 3015

// The tools in the guest are not up.
#define VIX_E_TOOLS_NOT_RUNNING 3016

// Operations in the guest are forbidden on this virtual machine.
#define VIX_E_GUEST_OPERATIONS_PROHIBITED 3017

// Operations in the guest need a guest login first.
#define VIX_E_ANON_GUEST_OPERATIONS_PROHIBITED 3018

// Operations in the guest are forbidden for the administrator account.
#define VIX_E_ROOT_GUEST_OPERATIONS_PROHIBITED 3019

// No account is configured for anonymous work in the guest.
#define VIX_E_MISSING_ANON_GUEST_ACCOUNT 3023

// There is no way to authenticate with the guest.
#define VIX_E_CANNOT_AUTHENTICATE_WITH_GUEST 3024

// The tools in the guest do not know this command.
#define VIX_E_UNRECOGNIZED_COMMAND_IN_GUEST 3025

// Operations in the guest are forbidden for console users.
#define VIX_E_CONSOLE_GUEST_OPERATIONS_PROHIBITED 3026

// Nobody but the console user may do this.
#define VIX_E_MUST_BE_CONSOLE_USER 3027

// The virtual machine waits for a user to answer a question.
#define VIX_E_VMX_MSG_DIALOG_AND_NO_UI 3028

// The type of the login forbids this command.
#define VIX_E_OPERATION_NOT_ALLOWED_FOR_LOGIN_TYPE 3031

// The type of the login is unsupported.
#define VIX_E_LOGIN_TYPE_NOT_SUPPORTED 3032

// The guest rejects empty passwords.
#define VIX_E_EMPTY_PASSWORD_NOT_ALLOWED_IN_GUEST 3033

// Nobody has an interactive session open in the guest.
#define VIX_E_INTERACTIVE_SESSION_NOT_PRESENT 3034

// The interactive session in the guest belongs to another user.
#define VIX_E_INTERACTIVE_SESSION_USER_MISMATCH 3035

// The virtual machine failed to start.
#define VIX_E_CANNOT_POWER_ON_VM 3041

// No display server could be found.
#define VIX_E_NO_DISPLAY_SERVER 3043

// Too many authentication sessions are open.
#define VIX_E_TOO_MANY_LOGONS 3046

// The authentication session is unknown.
#define VIX_E_INVALID_AUTHENTICATION_SESSION 3047

// No such virtual machine is known.
#define VIX_E_VM_NOT_FOUND 4000

// The version of the virtual machine does not support this operation.
#define VIX_E_NOT_SUPPORTED_FOR_VM_VERSION 4001

// The configuration of the virtual machine is unreadable.
#define VIX_E_CANNOT_READ_VM_CONFIG 4002

// The object is a template, not a virtual machine that can run.
#define VIX_E_TEMPLATE_VM 4003

// The virtual machine is loaded already.
#define VIX_E_VM_ALREADY_LOADED 4004

// The virtual machine is at the current version already.
#define VIX_E_VM_ALREADY_UP_TO_DATE 4006

// The target host does not support this guest operating system.
#define VIX_E_VM_UNSUPPORTED_GUEST 4011

// The property identifier is unknown.
#define VIX_E_UNRECOGNIZED_PROPERTY 6000

// The value is illegal for this property.
#define VIX_E_INVALID_PROPERTY_VALUE 6001

// The property cannot be changed, only read.
#define VIX_E_READ_ONLY_PROPERTY 6002

// A mandatory property is missing.
#define VIX_E_MISSING_REQUIRED_PROPERTY 6003

// The serialised data is malformed.
#define VIX_E_INVALID_SERIALIZED_DATA 6004

// The property is of another type than the caller assumed.
#define VIX_E_PROPERTY_TYPE_MISMATCH 6005

// The index lies outside the set of results.
#define VIX_E_BAD_VM_INDEX 8000

// A message header is corrupt or of the wrong version.
#define VIX_E_INVALID_MESSAGE_HEADER 10000

// A message body is corrupt or absent.
#define VIX_E_INVALID_MESSAGE_BODY 10001

// The snapshot operation failed for a reason that has no code of its own.
#define VIX_E_SNAPSHOT_INVAL 13000

// The snapshot file could not be opened.
#define VIX_E_SNAPSHOT_DUMPER 13001

// A virtual disk failed during the snapshot operation.
#define VIX_E_SNAPSHOT_DISKLIB 13002

// No such snapshot is known.
#define VIX_E_SNAPSHOT_NOTFOUND 13003

// The snapshot exists already.
#define VIX_E_SNAPSHOT_EXISTS 13004

// This virtual machine does not allow snapshots.
#define VIX_E_SNAPSHOT_VERSION 13005

// The user lacks the right to work with snapshots.
#define VIX_E_SNAPSHOT_NOPERM 13006

// The configuration file is faulty, which stops the snapshot operation.
#define VIX_E_SNAPSHOT_CONFIG 13007

// Nothing has changed since the last snapshot.
#define VIX_E_SNAPSHOT_NOCHANGE 13008

// The snapshot file could not be saved.
#define VIX_E_SNAPSHOT_CHECKPOINT 13009

// Another snapshot operation is under way.
#define VIX_E_SNAPSHOT_LOCKED 13010

// The snapshot files contradict each other.
#define VIX_E_SNAPSHOT_INCONSISTENT 13011

// A file name of the snapshot is too long.
#define VIX_E_SNAPSHOT_NAMETOOLONG 13012

// Metadata files of VIX cannot be part of a snapshot.
#define VIX_E_SNAPSHOT_VIXFILE 13013

// At least one disk of the snapshot is busy.
#define VIX_E_SNAPSHOT_DISKLOCKED 13014

// One disk is used more than once in the virtual machine.
#define VIX_E_SNAPSHOT_DUPLICATEDDISK 13015

// A running virtual machine with independent disks cannot be snapshotted.
#define VIX_E_SNAPSHOT_INDEPENDENTDISK 13016

// More than one snapshot bears this name.
#define VIX_E_SNAPSHOT_NONUNIQUE_NAME 13017

// Memory cannot be part of a snapshot while independent disks are attached.
#define VIX_E_SNAPSHOT_MEMORY_ON_INDEPENDENT_DISK 13018

// The limit on the number of snapshots is reached.
#define VIX_E_SNAPSHOT_MAXSNAPSHOTS 13019

// The snapshot would take more space than has to stay free.
#define VIX_E_SNAPSHOT_MIN_FREE_SPACE 13020

// The tree of snapshots is too deep.
#define VIX_E_SNAPSHOT_HIERARCHY_TOODEEP 13021

// This snapshot is not one that can be reverted to.
#define VIX_E_SNAPSHOT_NOT_REVERTABLE 13024

// This is not a usable physical disk.
#define VIX_E_HOST_DISK_INVALID_VALUE 14003

// The check of the disk's sector size failed.
#define VIX_E_HOST_DISK_SECTORSIZE 14004

// A read went past the end of the file.
#define VIX_E_HOST_FILE_ERROR_EOF 14005

// The handshake of the network block device protocol failed.
#define VIX_E_HOST_NETBLKDEV_HANDSHAKE 14006

// A network socket could not be created.
#define VIX_E_HOST_SOCKET_CREATION_ERROR 14007

// The server cannot be reached under the given name or address.
#define VIX_E_HOST_SERVER_NOT_FOUND 14008

// The server actively refused the connection.
#define VIX_E_HOST_NETWORK_CONN_REFUSED 14009

// Communication over a network socket failed.
#define VIX_E_HOST_TCP_SOCKET_ERROR 14010

// The network connection was lost.
#define VIX_E_HOST_TCP_CONN_LOST 14011

// The volume for the NBD hash file is faulty.
#define VIX_E_HOST_NBD_HASHFILE_VOLUME 14012

// The NBD hash file could not be initialised.
#define VIX_E_HOST_NBD_HASHFILE_INIT 14013

// The server is about to shut down (clients know it since 7.0).
#define VIX_E_HOST_SERVER_SHUTDOWN 14014

// The server is not available at present (newer than 7.0).
#define VIX_E_HOST_SERVER_NOT_AVAILABLE 14015

// The disk layer was given a bad parameter.
#define VIX_E_DISK_INVAL 16000

// The disk library is not initialised.
#define VIX_E_DISK_NOINIT 16001

// The disk was not opened for reading or writing.
#define VIX_E_DISK_NOIO 16002

// The whole chain of disks is needed, so its parents have to be opened too.
#define VIX_E_DISK_PARTIALCHAIN 16003

// The disk is damaged and needs a repair.
#define VIX_E_DISK_NEEDSREPAIR 16006

// The access reaches past the end of the disk.
#define VIX_E_DISK_OUTOFRANGE 16007

// The parent disk was changed after its child was made.
#define VIX_E_DISK_CID_MISMATCH 16008

// Only the parent disk can be shrunk, and this is another one.
#define VIX_E_DISK_CANTSHRINK 16009

// The partition table of the physical disk has changed.
#define VIX_E_DISK_PARTMISMATCH 16010

// The disk uses a format version that is not supported.
#define VIX_E_DISK_UNSUPPORTEDDISKVERSION 16011

// The parent of the disk could not be opened.
#define VIX_E_DISK_OPENPARENT 16012

// The disk uses a feature that this version does not support.
#define VIX_E_DISK_NOTSUPPORTED 16013

// The keys of the encrypted disk are missing.
#define VIX_E_DISK_NEEDKEY 16014

// An encrypted disk is not given an unencrypted child.
#define VIX_E_DISK_NOKEYOVERRIDE 16015

// The disk has no encryption.
#define VIX_E_DISK_NOTENCRYPTED 16016

// Encryption was asked for, but no keys were given.
#define VIX_E_DISK_NOKEY 16017

// The partition table makes no sense.
#define VIX_E_DISK_INVALIDPARTITIONTABLE 16018

// Only sparse extents with an embedded descriptor can be encrypted.
#define VIX_E_DISK_NOTNORMAL 16019

// The descriptor of the disk has no encryption.
#define VIX_E_DISK_NOTENCDESC 16020

// The disk has to be on a VMFS file system.
#define VIX_E_DISK_NEEDVMFS 16022

// The physical disk is larger than supported.
#define VIX_E_DISK_RAWTOOBIG 16024

// Too many files are open.
#define VIX_E_DISK_TOOMANYOPENFILES 16027

// The chain of the disk has too many links.
#define VIX_E_DISK_TOOMANYREDO 16028

// The physical disk is smaller than needed.
#define VIX_E_DISK_RAWTOOSMALL 16029

// The chain mixes hosted disks with managed disks.
#define VIX_E_DISK_INVALIDCHAIN 16030

// The disk database has no such key.
#define VIX_E_DISK_KEY_NOTFOUND 16052

// A subsystem that the disk library needs failed to start.
#define VIX_E_DISK_SUBSYSTEM_INIT_FAIL 16053

// The connection handle is invalid.
#define VIX_E_DISK_INVALID_CONNECTION 16054

// The encoding of the disk causes a problem.
#define VIX_E_DISK_ENCODING 16061

// The disk is damaged beyond repair.
#define VIX_E_DISK_CANTREPAIR 16062

// The file is not a valid virtual disk.
#define VIX_E_DISK_INVALIDDISK 16063

// The licence of the host lacks this disk feature.
#define VIX_E_DISK_NOLICENSE 16064

// The device behind the disk is missing.
#define VIX_E_DISK_NODEVICE 16065

// The device behind the disk is of a type that does not support the operation.
#define VIX_E_DISK_UNSUPPORTEDDEVICE 16066

// Parent and child disk differ in capacity.
#define VIX_E_DISK_CAPACITY_MISMATCH 16067

// A disk of this type cannot be a parent.
#define VIX_E_DISK_PARENT_NOTALLOWED 16068

// Both links to be attached are roots of a chain.
#define VIX_E_DISK_ATTACH_ROOTLINK 16069

// The encryption algorithm is unknown.
#define VIX_E_CRYPTO_UNKNOWN_ALGORITHM 17000

// A buffer for encryption has the wrong size.
#define VIX_E_CRYPTO_BAD_BUFFER_SIZE 17001

// The requested encryption operation is illegal.
#define VIX_E_CRYPTO_INVALID_OPERATION 17002

// The source of random numbers for encryption failed.
#define VIX_E_CRYPTO_RANDOM_DEVICE 17003

// A password is needed to unlock the keys.
#define VIX_E_CRYPTO_NEED_PASSWORD 17004

// The password for the keys is wrong.
#define VIX_E_CRYPTO_BAD_PASSWORD 17005

// An expected entry is not in the encryption dictionary.
#define VIX_E_CRYPTO_NOT_IN_DICTIONARY 17006

// No encryption is available.
#define VIX_E_CRYPTO_NO_CRYPTO 17007

// Encryption or decryption failed without a more exact reason.
#define VIX_E_CRYPTO_ERROR 17008

// Encrypted data or a key is in a bad format.
#define VIX_E_CRYPTO_BAD_FORMAT 17009

// The keys are locked.
#define VIX_E_CRYPTO_LOCKED 17010

// The key store is empty.
#define VIX_E_CRYPTO_EMPTY 17011

// The locator of the key safe causes a problem.
#define VIX_E_CRYPTO_KEYSAFE_LOCATOR 17012

// The host did not accept a connection.
#define VIX_E_CANNOT_CONNECT_TO_HOST 18000

// The operation works with the local host only.
#define VIX_E_NOT_FOR_REMOTE_HOST 18001

// The host name has to be given as an https URL that ends in /sdk.
#define VIX_E_INVALID_HOSTNAME_SPECIFICATION 18002

// Capturing the screen failed.
#define VIX_E_SCREEN_CAPTURE_ERROR 19000

// The format for the screen capture is unsupported.
#define VIX_E_SCREEN_CAPTURE_BAD_FORMAT 19001

// Compressing the screen capture failed.
#define VIX_E_SCREEN_CAPTURE_COMPRESSION_FAIL 19002

// The screen capture is larger than its limit.
#define VIX_E_SCREEN_CAPTURE_LARGE_DATA 19003

// The volumes of the guest are not frozen.
#define VIX_E_GUEST_VOLUMES_NOT_FROZEN 20000

// The name does not stand for a file.
#define VIX_E_NOT_A_FILE 20001

// The name does not stand for a directory.
#define VIX_E_NOT_A_DIRECTORY 20002

// There is no process of this id.
#define VIX_E_NO_SUCH_PROCESS 20003

// The file name exceeds the length limit.
#define VIX_E_FILE_NAME_TOO_LONG 20004

// The guest operating system has this operation disabled.
#define VIX_E_OPERATION_DISABLED 20005

// No image of the tools installer exists for this guest.
#define VIX_E_TOOLS_INSTALL_NO_IMAGE 21000

// The image of the tools installer is inaccessible.
#define VIX_E_TOOLS_INSTALL_IMAGE_INACCESIBLE 21001

// The guest has no device for the image of the tools installer.
#define VIX_E_TOOLS_INSTALL_NO_DEVICE 21002

// The device for the image of the tools installer is disconnected.
#define VIX_E_TOOLS_INSTALL_DEVICE_NOT_CONNECTED 21003

// The tools installer was cancelled.
#define VIX_E_TOOLS_INSTALL_CANCELLED 21004

// The tools installer failed to initialise.
#define VIX_E_TOOLS_INSTALL_INIT_FAILED 21005

// The tools installer cannot run automatically in this guest.
#define VIX_E_TOOLS_INSTALL_AUTO_NOT_SUPPORTED 21006

// The guest is not ready for the tools installer.
#define VIX_E_TOOLS_INSTALL_GUEST_NOT_READY 21007

// The signature check of the tools installer failed.
#define VIX_E_TOOLS_INSTALL_SIG_CHECK_FAILED 21008

// The tools installer failed without a more exact reason.
#define VIX_E_TOOLS_INSTALL_ERROR 21009

// The tools in the guest are current already.
#define VIX_E_TOOLS_INSTALL_ALREADY_UP_TO_DATE 21010

// The tools installer is running already.
#define VIX_E_TOOLS_INSTALL_IN_PROGRESS 21011

// The image of the tools installer could not be copied.
#define VIX_E_TOOLS_INSTALL_IMAGE_COPY_FAILED 21012

// The service provider of Workstation is missing.
#define VIX_E_WRAPPER_WORKSTATION_NOT_INSTALLED 22001

// The requested version is not present on this computer.
#define VIX_E_WRAPPER_VERSION_NOT_FOUND 22002

// The requested service provider is missing.
#define VIX_E_WRAPPER_SERVICEPROVIDER_NOT_FOUND 22003

// The service provider of Player is missing.
#define VIX_E_WRAPPER_PLAYER_NOT_INSTALLED 22004

// The run-time files of VIX are missing.
#define VIX_E_WRAPPER_RUNTIME_NOT_INSTALLED 22005

// Several service providers cannot be mixed.
#define VIX_E_WRAPPER_MULTIPLE_SERVICEPROVIDERS 22006

// The mount point is unknown.
#define VIX_E_MNTAPI_MOUNTPT_NOT_FOUND 24000

// The mount point is in use.
#define VIX_E_MNTAPI_MOUNTPT_IN_USE 24001

// The disk to mount does not exist.
#define VIX_E_MNTAPI_DISK_NOT_FOUND 24002

// The disk has not been mounted.
#define VIX_E_MNTAPI_DISK_NOT_MOUNTED 24003

// The disk is mounted already.
#define VIX_E_MNTAPI_DISK_IS_MOUNTED 24004

// Mounting is unsafe: the disk is in use, suspended or part of a snapshot chain.
#define VIX_E_MNTAPI_DISK_NOT_SAFE 24005

// The disk to mount could not be opened.
#define VIX_E_MNTAPI_DISK_CANT_OPEN 24006

// The partition table of the disk is unreadable.
#define VIX_E_MNTAPI_CANT_READ_PARTS 24007

// The umount program is missing from this system.
#define VIX_E_MNTAPI_UMOUNT_APP_NOT_FOUND 24008

// The umount command failed.
#define VIX_E_MNTAPI_UMOUNT 24009

// Nothing on this disk can be mounted.
#define VIX_E_MNTAPI_NO_MOUNTABLE_PARTITONS 24010

// The disk has no partition of this number.
#define VIX_E_MNTAPI_PARTITION_RANGE 24011

// The rights to mount are missing.
#define VIX_E_MNTAPI_PERM 24012

// The metadata of the mount is inaccessible or damaged.
#define VIX_E_MNTAPI_DICT 24013

// The metadata is locked by another program that mounts disks.
#define VIX_E_MNTAPI_DICT_LOCKED 24014

// Another process uses the mounted disk.
#define VIX_E_MNTAPI_OPEN_HANDLES 24015

// The run directory could not be created.
#define VIX_E_MNTAPI_CANT_MAKE_VAR_DIR 24016

// Mounting disks needs root rights.
#define VIX_E_MNTAPI_NO_ROOT 24017

// Setting up a loop device failed.
#define VIX_E_MNTAPI_LOOP_FAILED 24018

// The FUSE daemon did not start.
#define VIX_E_MNTAPI_DAEMON 24019

// Mounting failed through an internal error.
#define VIX_E_MNTAPI_INTERNAL 24020

// A system call of the mount failed.
#define VIX_E_MNTAPI_SYSTEM 24021

// No VixDiskLib connection was given for the mount.
#define VIX_E_MNTAPI_NO_CONNECTION_DETAILS 24022

// The version is too low for the mount interface.
#define VIX_E_MNTAPI_INCOMPATIBLE_VERSION 24300

// The operating system reported an error during the mount.
#define VIX_E_MNTAPI_OS_ERROR 24301

// The drive letter is in use.
#define VIX_E_MNTAPI_DRIVE_LETTER_IN_USE 24302

// A drive letter has been assigned already.
#define VIX_E_MNTAPI_DRIVE_LETTER_ALREADY_ASSIGNED 24303

// The volume has not been mounted.
#define VIX_E_MNTAPI_VOLUME_NOT_MOUNTED 24304

// The volume is mounted already.
#define VIX_E_MNTAPI_VOLUME_ALREADY_MOUNTED 24305

// The volume could not be formatted.
#define VIX_E_MNTAPI_FORMAT_FAILURE 24306

// The driver for mounting is missing.
#define VIX_E_MNTAPI_NO_DRIVER 24307

// The volume or disk set is open already.
#define VIX_E_MNTAPI_ALREADY_OPENED 24308

// A required item is missing.
#define VIX_E_MNTAPI_ITEM_NOT_FOUND 24309

// The boot loader on the disk is unsupported.
#define VIX_E_MNTAPI_UNSUPPROTED_BOOT_LOADER 24310

// The operating system on the disk is unsupported.
#define VIX_E_MNTAPI_UNSUPPROTED_OS 24311

// Converting a string to another encoding failed.
#define VIX_E_MNTAPI_CODECONVERSION 24312

// Writing to the registry failed.
#define VIX_E_MNTAPI_REGWRITE_ERROR 24313

// Fault-tolerant volumes of NT 4 are unsupported.
#define VIX_E_MNTAPI_UNSUPPORTED_FT_VOLUME 24314

// The partition is missing.
#define VIX_E_MNTAPI_PARTITION_NOT_FOUND 24315

// Copying a file to the volume failed.
#define VIX_E_MNTAPI_PUTFILE_ERROR 24316

// Copying a file from the volume failed.
#define VIX_E_MNTAPI_GETFILE_ERROR 24317

// The registry key could not be opened.
#define VIX_E_MNTAPI_REG_NOT_OPENED 24318

// The registry key could not be deleted.
#define VIX_E_MNTAPI_REGDELKEY_ERROR 24319

// The partition table could not be created.
#define VIX_E_MNTAPI_CREATE_PARTITIONTABLE_ERROR 24320

// The disk set could not be opened.
#define VIX_E_MNTAPI_OPEN_FAILURE 24321

// The volume is protected against writing.
#define VIX_E_MNTAPI_VOLUME_NOT_WRITABLE 24322

// No error: the request was accepted, and its callback tells the outcome later.
#define VIX_ASYNC 25000

// Synchronous and asynchronous I/O cannot be mixed on one disk handle.
#define VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED 26000

// The protocol in the URL is unsupported.
#define VIX_E_NET_HTTP_UNSUPPORTED_PROTOCOL 30001

// The URL is malformed.
#define VIX_E_NET_HTTP_URL_MALFORMAT 30003

// The name of the proxy could not be resolved.
#define VIX_E_NET_HTTP_COULDNT_RESOLVE_PROXY 30005

// The name of the host could not be resolved.
#define VIX_E_NET_HTTP_COULDNT_RESOLVE_HOST 30006

// The host or its proxy accepted no connection.
#define VIX_E_NET_HTTP_COULDNT_CONNECT 30007

// The server answered with an HTTP status of 400 or higher.
#define VIX_E_NET_HTTP_HTTP_RETURNED_ERROR 30022

// The network operation took longer than its time limit.
#define VIX_E_NET_HTTP_OPERATION_TIMEDOUT 30028

// The TLS handshake with the server failed.
#define VIX_E_NET_HTTP_SSL_CONNECT_ERROR 30035

// The server redirected more often than the limit allows.
#define VIX_E_NET_HTTP_TOO_MANY_REDIRECTS 30047

// The HTTP transfer failed.
#define VIX_E_NET_HTTP_TRANSFER 30200

// The TLS security of the HTTP connection failed.
#define VIX_E_NET_HTTP_SSL_SECURITY 30201

// HTTP failed without a more exact reason.
#define VIX_E_NET_HTTP_GENERIC 30202

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Starts the library; the older form of `VixDiskLib_InitEx`, without a configuration file.
//
// # Safety
// As for `VixDiskLib_InitEx`.
VixError VixDiskLib_Init(uint32_t majorVersion,
                         uint32_t minorVersion,
                         VixDiskLibGenericLogFunc *log,
                         VixDiskLibGenericLogFunc *warn,
                         VixDiskLibGenericLogFunc *panic,
                         const char *libDir);

// Starts the library. Every version from 1.0 to 9.x is served. Each of the three callbacks may be NULL, then
// what it would get is dropped; `libDir` may be NULL or wrong, nothing is loaded from it. `configFile` may be
// NULL; when it is given it must be readable. Calls are counted: each wants its own `VixDiskLib_Exit`; the
// callbacks and the configuration of the first one stay in force.
//
// Errors: VIX_E_INVALID_ARG for a version that is not served, VIX_E_FILE_NOT_FOUND and other file errors for
// the configuration file.
//
// # Safety
// The callbacks must be functions of the stated type and stay callable until the last Exit; the strings must
// be NULL or end in a NUL.
VixError VixDiskLib_InitEx(uint32_t majorVersion,
                           uint32_t minorVersion,
                           VixDiskLibGenericLogFunc *log,
                           VixDiskLibGenericLogFunc *warn,
                           VixDiskLibGenericLogFunc *panic,
                           const char *libDir,
                           const char *configFile);

// Ends what one `VixDiskLib_Init` or `VixDiskLib_InitEx` began. The last one closes the disks and connections
// that were left open, ends every thread of the library and forgets the callbacks; the library can be started
// again afterwards.
void VixDiskLib_Exit(void);

// Returns the transport modes that this build has, separated by colons, best first: the list that
// `VixDiskLib_ConnectEx` uses when it gets NULL. Never NULL; the caller must not free it.
const char *VixDiskLib_ListTransportModes(void);

// Connects read-write, with every transport mode of this build; see `VixDiskLib_ConnectEx`.
//
// # Safety
// As for `VixDiskLib_ConnectEx`.
VixError VixDiskLib_Connect(const struct VixDiskLibConnectParams *connectParams,
                            VixDiskLibConnection *connection);

// Makes a connection. `connectParams` that are NULL, all zero or have an empty `serverName` mean the local
// host; everything needed is copied, the struct and its strings may go when the call returns. With `readOnly`
// every disk of the connection is opened read-only. `snapshotRef` and `transportModes` may be NULL or "".
// `*connection` is set on success and NULL otherwise; end it with `VixDiskLib_Disconnect`.
//
// Errors: VIX_E_INVALID_ARG, VIX_E_DISK_NOINIT before InitEx, VIX_E_NOT_SUPPORTED for a remote server.
//
// # Safety
// `connectParams` must be NULL or point to at least the first 72 bytes of the struct with strings that are
// NULL or end in a NUL; `connection` must be NULL or writable.
VixError VixDiskLib_ConnectEx(const struct VixDiskLibConnectParams *connectParams,
                              Bool readOnly,
                              const char *snapshotRef,
                              const char *transportModes,
                              VixDiskLibConnection *connection);

// Ends a connection. Disks still open through it are closed first, with everything written made durable.
//
// Errors: VIX_E_INVALID_ARG for NULL, VIX_E_INVALID_HANDLE for one that is not a connection (any more), and
// those of closing a disk.
VixError VixDiskLib_Disconnect(VixDiskLibConnection connection);

// Announces a backup to vCenter, so that the virtual machine is not moved. Nothing to do for the local host.
//
// Errors: VIX_E_NOT_SUPPORTED for a remote server, VIX_E_INVALID_ARG without an identity.
//
// # Safety
// As for `VixDiskLib_ConnectEx`; `identity` must be NULL or end in a NUL.
VixError VixDiskLib_PrepareForAccess(const struct VixDiskLibConnectParams *connectParams,
                                     const char *identity);

// Takes back what `VixDiskLib_PrepareForAccess` announced. Nothing to do for the local host.
//
// Errors: VIX_E_NOT_SUPPORTED for a remote server, VIX_E_INVALID_ARG without an identity.
//
// # Safety
// As for `VixDiskLib_PrepareForAccess`.
VixError VixDiskLib_EndAccess(const struct VixDiskLibConnectParams *connectParams, const char *identity);

// Removes what a client that died left behind, and counts it. May be called before InitEx. Local disks leave
// nothing, so both counts are 0. Either count may be NULL.
//
// Errors: VIX_E_NOT_SUPPORTED for a remote server.
//
// # Safety
// As for `VixDiskLib_ConnectEx`; the counts must be NULL or writable.
VixError VixDiskLib_Cleanup(const struct VixDiskLibConnectParams *connectParams,
                            uint32_t *numCleanedUp,
                            uint32_t *numRemaining);

// Returns a copy of the parameters that a connection was made with, password included; free it with
// `VixDiskLib_FreeConnectParams`, which frees its strings too.
//
// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_OUT_OF_MEMORY.
//
// # Safety
// `connectParams` must be NULL or writable.
VixError VixDiskLib_GetConnectParams(VixDiskLibConnection connection,
                                     struct VixDiskLibConnectParams **connectParams);

// Returns an empty struct of the newest size, or NULL when there is no memory. May be called before InitEx.
// Free it with `VixDiskLib_FreeConnectParams`; the strings that the client puts in stay the client's.
struct VixDiskLibConnectParams *VixDiskLib_AllocateConnectParams(void);

// Frees a struct of `VixDiskLib_AllocateConnectParams` (never its strings, they are the client's) or of
// `VixDiskLib_GetConnectParams` (with its strings). NULL and pointers that were not given out are ignored.
void VixDiskLib_FreeConnectParams(struct VixDiskLibConnectParams *connectParams);

// Opens a disk: the path of its descriptor, or of the only file of a monolithic disk. Unless
// VIXDISKLIB_FLAG_OPEN_SINGLE_LINK is given its parents are opened too, read-only. A writable open keeps other
// processes from opening the disk for writing; writable handles of one process share the disk and see each
// other's writes. `*diskHandle` is set on success and NULL otherwise; end it with `VixDiskLib_Close`.
//
// Errors: VIX_E_FILE_NOT_FOUND, VIX_E_FILE_ACCESS_ERROR, VIX_E_FILE_ALREADY_LOCKED, VIX_E_DISK_INVALIDDISK,
// VIX_E_DISK_OPENPARENT, VIX_E_DISK_CID_MISMATCH and others, with the cause in the error text.
//
// # Safety
// `path` must be NULL or end in a NUL; `diskHandle` must be NULL or writable.
VixError VixDiskLib_Open(VixDiskLibConnection connection,
                         const char *path,
                         uint32_t flags,
                         VixDiskLibHandle *diskHandle);

// Closes a disk. Asynchronous requests that are under way end first; everything written is made durable. The
// handle is dead afterwards, also when an error is returned.
//
// Errors: VIX_E_INVALID_ARG for NULL, VIX_E_INVALID_HANDLE, VIX_E_OBJECT_IS_BUSY from within a callback of the
// same disk, and those of writing.
VixError VixDiskLib_Close(VixDiskLibHandle diskHandle);

// Tells of an open disk. `*info` is set on success and NULL otherwise; free it with `VixDiskLib_FreeInfo`.
//
// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_OUT_OF_MEMORY.
//
// # Safety
// `info` must be NULL or writable.
VixError VixDiskLib_GetInfo(VixDiskLibHandle diskHandle, struct VixDiskLibInfo **info);

// Frees what `VixDiskLib_GetInfo` returned. NULL and pointers that were not given out are ignored.
void VixDiskLib_FreeInfo(struct VixDiskLibInfo *info);

// Returns the transport mode of an open disk, for example "file"; NULL when the handle is not valid. The
// caller must not free it.
const char *VixDiskLib_GetTransportMode(VixDiskLibHandle diskHandle);

// Reads `numSectors` sectors from `startSector` on into `readBuffer`, which needs no alignment. No sectors is
// a success that touches nothing.
//
// Errors: VIX_E_DISK_OUTOFRANGE past the end, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR.
//
// # Safety
// `readBuffer` must be writable for `numSectors * 512` bytes.
VixError VixDiskLib_Read(VixDiskLibHandle diskHandle,
                         VixDiskLibSectorType startSector,
                         VixDiskLibSectorType numSectors,
                         uint8_t *readBuffer);

// Writes `numSectors` sectors from `startSector` on. The data is durable after `VixDiskLib_Flush` or
// `VixDiskLib_Close`. No sectors is a success that touches nothing.
//
// Errors: VIX_E_DISK_OUTOFRANGE past the end, VIX_E_FILE_READ_ONLY through a read-only handle,
// VIX_E_DISK_FULL, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR.
//
// # Safety
// `writeBuffer` must be readable for `numSectors * 512` bytes.
VixError VixDiskLib_Write(VixDiskLibHandle diskHandle,
                          VixDiskLibSectorType startSector,
                          VixDiskLibSectorType numSectors,
                          const uint8_t *writeBuffer);

// Starts a read. VIX_ASYNC means accepted: `callback` runs exactly once, on any thread, perhaps before this
// call returns. Any other value means refused: `callback` never runs. Errors as for `VixDiskLib_Read`.
//
// # Safety
// `readBuffer` must be writable for `numSectors * 512` bytes until the callback runs.
VixError VixDiskLib_ReadAsync(VixDiskLibHandle diskHandle,
                              VixDiskLibSectorType startSector,
                              VixDiskLibSectorType numSectors,
                              uint8_t *readBuffer,
                              VixDiskLibCompletionCB callback,
                              void *cbData);

// Starts a write. VIX_ASYNC means accepted: `callback` runs exactly once, on any thread, perhaps before this
// call returns. Any other value means refused: `callback` never runs. Errors as for `VixDiskLib_Write`.
//
// # Safety
// `writeBuffer` must be readable and unchanged for `numSectors * 512` bytes until the callback runs.
VixError VixDiskLib_WriteAsync(VixDiskLibHandle diskHandle,
                               VixDiskLibSectorType startSector,
                               VixDiskLibSectorType numSectors,
                               const uint8_t *writeBuffer,
                               VixDiskLibCompletionCB callback,
                               void *cbData);

// Makes everything written so far durable. Asynchronous writes count once their callback has run.
//
// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR, VIX_E_DISK_FULL.
VixError VixDiskLib_Flush(VixDiskLibHandle diskHandle);

// Waits until every asynchronous request of the disk has ended and its callback has returned.
//
// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_OBJECT_IS_BUSY from within a callback of the same
// disk. How the requests ended is told to their callbacks only.
VixError VixDiskLib_Wait(VixDiskLibHandle diskHandle);

// Lists what is allocated from `startSector` on, in chunks of `chunkSize` sectors: sorted and disjoint runs of
// whole chunks, clipped to the range that was asked for. What is not listed reads as zeros; on a handle opened
// with VIXDISKLIB_FLAG_OPEN_SINGLE_LINK it is left to the parent. `*blockList` is set on success and NULL
// otherwise; free it with `VixDiskLib_FreeBlockList`.
//
// Errors: VIX_E_INVALID_ARG for a range that is empty or leaves the disk, a chunk size outside
// VIXDISKLIB_MIN_CHUNK_SIZE to VIXDISKLIB_MAX_CHUNK_SIZE or more than VIXDISKLIB_MAX_CHUNK_NUMBER chunks;
// VIX_E_INVALID_HANDLE, VIX_E_OUT_OF_MEMORY, VIX_E_FILE_ERROR.
//
// # Safety
// `blockList` must be NULL or writable.
VixError VixDiskLib_QueryAllocatedBlocks(VixDiskLibHandle diskHandle,
                                         VixDiskLibSectorType startSector,
                                         VixDiskLibSectorType numSectors,
                                         VixDiskLibSectorType chunkSize,
                                         struct VixDiskLibBlockList **blockList);

// Frees what `VixDiskLib_QueryAllocatedBlocks` returned. NULL and pointers that were not given out are
// ignored. Always VIX_OK.
VixError VixDiskLib_FreeBlockList(struct VixDiskLibBlockList *blockList);

// Copies the value of a key, with its NUL. `requiredLen` (may be NULL) gets the number of bytes needed; with a
// `buf` that is NULL or too small that is all that happens, and VIX_E_BUFFER_TOOSMALL is returned.
//
// Errors: VIX_E_DISK_KEY_NOTFOUND, VIX_E_BUFFER_TOOSMALL, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE.
//
// # Safety
// `key` must be NULL or end in a NUL; `buf` must be NULL or writable for `bufLen` bytes; `requiredLen` must be
// NULL or writable.
VixError VixDiskLib_ReadMetadata(VixDiskLibHandle diskHandle,
                                 const char *key,
                                 char *buf,
                                 size_t bufLen,
                                 size_t *requiredLen);

// Adds a key or replaces its value; "" empties it. The change is durable when the call returns.
//
// Errors: VIX_E_INVALID_ARG for a name or value that a descriptor cannot hold, VIX_E_FILE_READ_ONLY,
// VIX_E_DISK_FULL when the descriptor has no room left, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR.
//
// # Safety
// `key` and `val` must be NULL or end in a NUL.
VixError VixDiskLib_WriteMetadata(VixDiskLibHandle diskHandle, const char *key, const char *val);

// Copies the names of all keys, each with its NUL and one more NUL at the end. Sizes as in
// `VixDiskLib_ReadMetadata`.
//
// Errors: VIX_E_BUFFER_TOOSMALL, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE.
//
// # Safety
// `keys` must be NULL or writable for `maxLen` bytes; `requiredLen` must be NULL or writable.
VixError VixDiskLib_GetMetadataKeys(VixDiskLibHandle diskHandle,
                                    char *keys,
                                    size_t maxLen,
                                    size_t *requiredLen);

// Makes an empty local disk. Nothing is overwritten, and what a failure leaves half-made is removed.
// `progressFunc` (may be NULL) is called with 0 to 100.
//
// Errors: VIX_E_FILE_ALREADY_EXISTS, VIX_E_INVALID_ARG, VIX_E_NOT_SUPPORTED for a disk type that cannot be
// made, VIX_E_DISK_FULL, VIX_E_FILE_ACCESS_ERROR, VIX_E_FILE_ERROR.
//
// # Safety
// `path` must be NULL or end in a NUL; `createParams` must be NULL or point to at least the first 24 bytes of
// the struct.
VixError VixDiskLib_Create(VixDiskLibConnection connection,
                           const char *path,
                           const struct VixDiskLibCreateParams *createParams,
                           VixDiskLibProgressFunc progressFunc,
                           void *progressCallbackData);

// Makes a child of an open disk: a sparse link, VIXDISKLIB_DISK_MONOLITHIC_SPARSE or VIXDISKLIB_DISK_SPLIT_SPARSE,
// that shows the disk until it is written itself. What was written to the disk becomes durable first; it must not
// be written any more as long as the child is to be used. `progressFunc` (may be NULL) is called with 0 to 100.
//
// Errors: VIX_E_FILE_ALREADY_EXISTS, VIX_E_INVALID_ARG for another type, VIX_E_INVALID_HANDLE, VIX_E_DISK_FULL,
// VIX_E_FILE_ACCESS_ERROR, VIX_E_FILE_ERROR.
//
// # Safety
// `childPath` must be NULL or end in a NUL.
VixError VixDiskLib_CreateChild(VixDiskLibHandle diskHandle,
                                const char *childPath,
                                VixDiskLibDiskType diskType,
                                VixDiskLibProgressFunc progressFunc,
                                void *progressCallbackData);

// Deletes every file of one link: its descriptor, its extents and its change tracking file. Its parents stay; its
// children lose theirs.
//
// Errors: VIX_E_FILE_NOT_FOUND, VIX_E_FILE_ALREADY_LOCKED while somebody has it open, VIX_E_DISK_INVALIDDISK,
// VIX_E_FILE_NAME_INVALID for an extent outside the disk's folder, VIX_E_FILE_READ_ONLY through a read-only
// connection, VIX_E_FILE_ACCESS_ERROR.
//
// # Safety
// `path` must be NULL or end in a NUL.
VixError VixDiskLib_Unlink(VixDiskLibConnection connection,
                           const char *path);

// Gives a local disk that nobody has open a larger capacity of `capacity` sectors; what is new reads as zeros. With
// `updateGeometry` the geometry follows. `progressFunc` (may be NULL) is called with 0 to 100.
//
// Errors: VIX_E_INVALID_ARG for less than the disk has, VIX_E_DISK_INVALIDCHAIN for a disk with a parent,
// VIX_E_FILE_ALREADY_LOCKED while somebody has it open, VIX_E_NOT_SUPPORTED for a type that cannot grow,
// VIX_E_FILE_READ_ONLY through a read-only connection, VIX_E_FILE_TOO_BIG, VIX_E_DISK_FULL, VIX_E_FILE_ERROR. The disk
// has its old capacity then.
//
// # Safety
// `path` must be NULL or end in a NUL.
VixError VixDiskLib_Grow(VixDiskLibConnection connection,
                         const char *path,
                         VixDiskLibSectorType capacity,
                         Bool updateGeometry,
                         VixDiskLibProgressFunc progressFunc,
                         void *progressCallbackData);

// Gives the space of grains that hold zeros only back to the file system; the files get smaller. Flat disks have
// nothing to give back. `progressFunc` (may be NULL) is called with 0 to 100.
//
// Errors: VIX_E_FILE_READ_ONLY, VIX_E_OBJECT_IS_BUSY while another handle of this process writes to the disk,
// VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR, VIX_E_DISK_FULL.
VixError VixDiskLib_Shrink(VixDiskLibHandle diskHandle,
                           VixDiskLibProgressFunc progressFunc,
                           void *progressCallbackData);

// Puts the grains of a sparse disk into the order of the disk; with flat ones there is nothing to do.
// `progressFunc` (may be NULL) is called with 0 to 100.
//
// Errors: as for `VixDiskLib_Shrink`.
VixError VixDiskLib_Defragment(VixDiskLibHandle diskHandle,
                               VixDiskLibProgressFunc progressFunc,
                               void *progressCallbackData);

// Renames every file of a local link, also across folders; the descriptor follows, children still name the old
// one. When the process dies on the way at least one whole disk is left.
//
// Errors: VIX_E_FILE_NOT_FOUND, VIX_E_FILE_ALREADY_EXISTS when one of the new names is taken,
// VIX_E_FILE_ALREADY_LOCKED while somebody has it open, VIX_E_FILE_NAME_INVALID, VIX_E_FILE_ACCESS_ERROR; the disk
// has its old name then.
//
// # Safety
// Both names must be NULL or end in a NUL.
VixError VixDiskLib_Rename(const char *srcFileName,
                           const char *dstFileName);

// Copies a disk with all its links into a new one of the type, adapter and hardware version of `vixCreateParams`;
// its capacity is that of the source. Zeros take no space where the type allows it. With `overWrite` a disk that
// is there is replaced once the copy is whole. `progressFunc` (may be NULL) is called with 0 to 100; with
// `vixen.progressCancels` in the configuration FALSE as its answer ends the copy with VIX_E_CANCELLED.
//
// Errors: VIX_E_FILE_ALREADY_EXISTS, VIX_E_INVALID_ARG when the target is a link of the source,
// VIX_E_FILE_ALREADY_LOCKED, VIX_E_DISK_FULL, those of `VixDiskLib_Create` and `VixDiskLib_Open`. What was made is
// removed then.
//
// # Safety
// Both paths must be NULL or end in a NUL; `vixCreateParams` must be NULL or point to at least the first 24 bytes
// of the struct.
VixError VixDiskLib_Clone(VixDiskLibConnection dstConnection,
                          const char *dstPath,
                          VixDiskLibConnection srcConnection,
                          const char *srcPath,
                          const struct VixDiskLibCreateParams *vixCreateParams,
                          VixDiskLibProgressFunc progressFunc,
                          void *progressCallbackData,
                          Bool overWrite);

// Tells the bytes that a clone of an open disk takes as `cloneDiskType` (VIXDISKLIB_DISK_UNKNOWN: the type that it
// has): those of its files, each rounded up to 4 KiB. Zeros take no space, so the whole disk is read.
//
// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_NOT_SUPPORTED for a type that cannot be made, those of
// reading.
//
// # Safety
// `spaceNeeded` must be NULL or writable.
VixError VixDiskLib_SpaceNeededForClone(VixDiskLibHandle diskHandle,
                                        VixDiskLibDiskType cloneDiskType,
                                        uint64_t *spaceNeeded);

// Checks one link of a local disk, and repairs it if `repair` says so; a repair never makes it worse. Each finding is
// a line of the log. VIX_OK tells that the check ran, not that the disk is good.
//
// Errors: VIX_E_FILE_ALREADY_LOCKED while somebody writes (for a repair: has it open), VIX_E_DISK_CANTREPAIR when a repair
// leaves damage, VIX_E_DISK_INVALIDDISK for what cannot even be read as a disk, VIX_E_FILE_READ_ONLY,
// VIX_E_FILE_NOT_FOUND, VIX_E_FILE_ERROR.
//
// # Safety
// `filename` must be NULL or end in a NUL.
VixError VixDiskLib_CheckRepair(VixDiskLibConnection connection,
                                const char *filename,
                                Bool repair);

// Tells whether `VixDiskLib_Attach` would work; changes nothing.
//
// Errors: as for `VixDiskLib_Attach`.
VixError VixDiskLib_IsAttachPossible(VixDiskLibHandle parent, VixDiskLibHandle child);

// Puts `child`, a link opened with VIXDISKLIB_FLAG_OPEN_SINGLE_LINK, on top of `parent`: from then on `child` is the
// whole chain, and `parent` can only be closed. After an error both are as they were.
//
// Errors: VIX_E_DISK_ATTACH_ROOTLINK when the child has no parent, VIX_E_DISK_CID_MISMATCH,
// VIX_E_DISK_CAPACITY_MISMATCH, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE.
VixError VixDiskLib_Attach(VixDiskLibHandle parent,
                           VixDiskLibHandle child);

// Returns the text of an error: that of its code and, when the last call that failed on this thread returned
// this very error, what failed behind it. Works for every value, before InitEx and after Exit. `locale` is
// ignored. Free the text with `VixDiskLib_FreeErrorText`; NULL only when there is no memory at all.
char *VixDiskLib_GetErrorText(VixError err, const char *locale);

// Frees what `VixDiskLib_GetErrorText` returned. NULL and pointers that were not given out are ignored.
void VixDiskLib_FreeErrorText(char *errMsg);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VIXEN_VIX_DISK_LIB_H */
