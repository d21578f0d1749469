/* Size and offset of every struct and member that clients compile in, and the values of the constants that they
 * use: a difference does not build. The library's own assertions say the same from the other side.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"
#include "vixMntapi.h"

/* C99 has no static assertion: an array of a negative size does not compile. */
#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define STATIC(condition) typedef char JOIN(static_assertion_, __COUNTER__)[(condition) ? 1 : -1] CHECK_UNUSED

#define SIZE(type, size) STATIC(sizeof(type) == (size))
#define MEMBER(type, member, offset, size) \
    STATIC(offsetof(type, member) == (offset)); \
    STATIC(sizeof(((type *)0)->member) == (size))

SIZE(Bool, 1);
SIZE(VixError, 8);
SIZE(VixDiskLibSectorType, 8);
SIZE(VixDiskLibHandle, 8);
SIZE(VixDiskLibConnection, 8);
SIZE(VixDiskLibDiskType, 4);
SIZE(VixDiskLibAdapterType, 4);
SIZE(VixDiskLibCredType, 4);
SIZE(VixDiskLibSpecType, 4);

SIZE(VixDiskLibGeometry, 12);
MEMBER(VixDiskLibGeometry, cylinders, 0, 4);
MEMBER(VixDiskLibGeometry, heads, 4, 4);
MEMBER(VixDiskLibGeometry, sectors, 8, 4);

SIZE(VixDiskLibCreateParams, 32);
MEMBER(VixDiskLibCreateParams, diskType, 0, 4);
MEMBER(VixDiskLibCreateParams, adapterType, 4, 4);
MEMBER(VixDiskLibCreateParams, hwVersion, 8, 2);
MEMBER(VixDiskLibCreateParams, capacity, 16, 8);
MEMBER(VixDiskLibCreateParams, logicalSectorSize, 24, 4);
MEMBER(VixDiskLibCreateParams, physicalSectorSize, 28, 4);

SIZE(VixDiskLibInfo, 64);
MEMBER(VixDiskLibInfo, biosGeo, 0, 12);
MEMBER(VixDiskLibInfo, physGeo, 12, 12);
MEMBER(VixDiskLibInfo, capacity, 24, 8);
MEMBER(VixDiskLibInfo, adapterType, 32, 4);
MEMBER(VixDiskLibInfo, numLinks, 36, 4);
MEMBER(VixDiskLibInfo, parentFileNameHint, 40, 8);
MEMBER(VixDiskLibInfo, uuid, 48, 8);
MEMBER(VixDiskLibInfo, logicalSectorSize, 56, 4);
MEMBER(VixDiskLibInfo, physicalSectorSize, 60, 4);

SIZE(VixDiskLibUidPasswdCreds, 16);
SIZE(VixDiskLibSessionIdCreds, 24);
SIZE(VixDiskLibCreds, 24);
MEMBER(VixDiskLibCreds, uid.userName, 0, 8);
MEMBER(VixDiskLibCreds, uid.password, 8, 8);
MEMBER(VixDiskLibCreds, sessionId.cookie, 0, 8);
MEMBER(VixDiskLibCreds, sessionId.userName, 8, 8);
MEMBER(VixDiskLibCreds, sessionId.key, 16, 8);
MEMBER(VixDiskLibCreds, ticketId, 0, 8);

SIZE(VixDiskLibVStorageObjectSpec, 24);
SIZE(VixDiskLibDatastoreSpec, 16);
SIZE(VixDiskLibSpec, 24);

SIZE(VixDiskLibConnectParams, 128);
MEMBER(VixDiskLibConnectParams, vmxSpec, 0, 8);
MEMBER(VixDiskLibConnectParams, serverName, 8, 8);
MEMBER(VixDiskLibConnectParams, thumbPrint, 16, 8);
MEMBER(VixDiskLibConnectParams, privateUse, 24, 8);
MEMBER(VixDiskLibConnectParams, credType, 32, 4);
MEMBER(VixDiskLibConnectParams, creds, 40, 24);
MEMBER(VixDiskLibConnectParams, port, 64, 4);
MEMBER(VixDiskLibConnectParams, nfcHostPort, 68, 4);
MEMBER(VixDiskLibConnectParams, vimApiVer, 72, 8);
MEMBER(VixDiskLibConnectParams, reserved, 80, 8);
MEMBER(VixDiskLibConnectParams, state, 88, 8);
MEMBER(VixDiskLibConnectParams, spec, 96, 24);
MEMBER(VixDiskLibConnectParams, spec.vmxSpec, 96, 8);
MEMBER(VixDiskLibConnectParams, spec.vStorageObjSpec.id, 96, 8);
MEMBER(VixDiskLibConnectParams, spec.vStorageObjSpec.datastoreMoRef, 104, 8);
MEMBER(VixDiskLibConnectParams, spec.vStorageObjSpec.ssId, 112, 8);
MEMBER(VixDiskLibConnectParams, spec.dsSpec.datastoreMoRef, 96, 8);
MEMBER(VixDiskLibConnectParams, spec.dsSpec.diskFolder, 104, 8);
MEMBER(VixDiskLibConnectParams, specType, 120, 4);

SIZE(VixDiskLibBlock, 16);
MEMBER(VixDiskLibBlock, offset, 0, 8);
MEMBER(VixDiskLibBlock, length, 8, 8);
SIZE(VixDiskLibBlockList, 24);
MEMBER(VixDiskLibBlockList, numBlocks, 0, 4);
MEMBER(VixDiskLibBlockList, blocks, 8, 16);

SIZE(VixDiskSetHandle, 8);
SIZE(VixVolumeHandle, 8);
SIZE(VixOsFamily, 4);
SIZE(VixVolumeType, 4);

SIZE(VixOsInfo, 40);
MEMBER(VixOsInfo, family, 0, 4);
MEMBER(VixOsInfo, majorVersion, 4, 4);
MEMBER(VixOsInfo, minorVersion, 8, 4);
MEMBER(VixOsInfo, osIs64Bit, 12, 1);
MEMBER(VixOsInfo, vendor, 16, 8);
MEMBER(VixOsInfo, edition, 24, 8);
MEMBER(VixOsInfo, osFolder, 32, 8);

SIZE(VixVolumeInfo, 32);
MEMBER(VixVolumeInfo, type, 0, 4);
MEMBER(VixVolumeInfo, isMounted, 4, 1);
MEMBER(VixVolumeInfo, symbolicLink, 8, 8);
MEMBER(VixVolumeInfo, numGuestMountPoints, 16, 8);
MEMBER(VixVolumeInfo, inGuestMountPoints, 24, 8);

SIZE(VixDiskSetInfo, 16);
MEMBER(VixDiskSetInfo, openFlags, 0, 4);
MEMBER(VixDiskSetInfo, mountPath, 8, 8);

STATIC(VIXDISKLIB_SECTOR_SIZE == 512);
STATIC(VIXDISKLIB_MIN_CHUNK_SIZE == 128 && VIXDISKLIB_MAX_CHUNK_SIZE == 131072);
STATIC(VIXDISKLIB_MAX_CHUNK_NUMBER == 524288);
STATIC(VIXDISKLIB_FLAG_OPEN_UNBUFFERED == 1 && VIXDISKLIB_FLAG_OPEN_SINGLE_LINK == 2);
STATIC(VIXDISKLIB_FLAG_OPEN_READ_ONLY == 4 && VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB == 16);
STATIC(VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ == 32 && VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ == 64);
STATIC(VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK == 0x3F0);
STATIC(VIXDISKLIB_DISK_MONOLITHIC_SPARSE == 1 && VIXDISKLIB_DISK_VMFS_SPARSE == 8);
STATIC(VIXDISKLIB_DISK_UNKNOWN == 256 && VIXDISKLIB_ADAPTER_UNKNOWN == 256);
STATIC(VIXDISKLIB_ADAPTER_IDE == 1 && VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC == 2);
STATIC(VIXDISKLIB_ADAPTER_SCSI_LSILOGIC == 3);
STATIC(VIXDISKLIB_CRED_UID == 1 && VIXDISKLIB_CRED_SESSIONID == 2 && VIXDISKLIB_CRED_TICKETID == 3);
STATIC(VIXDISKLIB_CRED_SSPI == 4 && VIXDISKLIB_CRED_UNKNOWN == 256);
STATIC(VIXDISKLIB_SPEC_VMX == 0 && VIXDISKLIB_SPEC_VSTORAGE_OBJECT == 1);
STATIC(VIXDISKLIB_SPEC_DATASTORE == 2 && VIXDISKLIB_SPEC_UNKNOWN == 256);
STATIC(VIXMNTAPI_MAJOR_VERSION == 1 && VIXMNTAPI_MINOR_VERSION == 0);
STATIC(VIXMNTAPI_NO_OS == 0 && VIXMNTAPI_WINDOWS == 1 && VIXMNTAPI_OTHER == 255);
STATIC(VIXMNTAPI_UNKNOWN_VOLTYPE == 0 && VIXMNTAPI_BASIC_PARTITION == 1 && VIXMNTAPI_GPT_PARTITION == 2);
STATIC(VIXMNTAPI_DYNAMIC_VOLUME == 3 && VIXMNTAPI_LVM_VOLUME == 4);
STATIC(VIXDISKLIB_HWVERSION_WORKSTATION_4 == 3 && VIXDISKLIB_HWVERSION_WORKSTATION_5 == 4);
STATIC(VIXDISKLIB_HWVERSION_WORKSTATION_6 == 6 && VIXDISKLIB_HWVERSION_CURRENT == 13);

/* Codes that clients compare with. */
STATIC(VIX_OK == 0 && VIX_E_FAIL == 1 && VIX_E_INVALID_ARG == 3 && VIX_E_FILE_NOT_FOUND == 4);
STATIC(VIX_E_NOT_SUPPORTED == 6 && VIX_E_BUFFER_TOOSMALL == 24 && VIX_E_HOST_NETWORK_CONN_REFUSED == 14009);
STATIC(VIX_E_DISK_OUTOFRANGE == 16007 && VIX_E_DISK_KEY_NOTFOUND == 16052);
STATIC(VIX_E_CANNOT_CONNECT_TO_HOST == 18000 && VIX_ASYNC == 25000);

/* An enumeration must be unsigned or hold no negative value, and these must do as the condition of an `if` without
 * parentheses of its own, as one client writes it. */
static bool failed(VixError error)
{
    if VIX_FAILED(error)
        return true;
    return !VIX_SUCCEEDED(error);
}

/* The prototypes of the mount interface, by the types that programs compile in. Nothing is called or linked. */
typedef char mount_functions[
    sizeof((VixError(*)(uint32, uint32, VixDiskLibGenericLogFunc *, VixDiskLibGenericLogFunc *,
                        VixDiskLibGenericLogFunc *, const char *, const char *))0 == &VixMntapi_Init) +
    sizeof((void (*)(void))0 == &VixMntapi_Exit) +
    sizeof((VixError(*)(VixDiskLibConnection, const char *[], size_t, uint32, VixDiskSetHandle *))0 ==
           &VixMntapi_OpenDisks) +
    sizeof((VixError(*)(VixDiskSetHandle, VixDiskSetInfo **))0 == &VixMntapi_GetDiskSetInfo) +
    sizeof((void (*)(VixDiskSetInfo *))0 == &VixMntapi_FreeDiskSetInfo) +
    sizeof((VixError(*)(VixDiskSetHandle))0 == &VixMntapi_CloseDiskSet) +
    sizeof((VixError(*)(VixDiskSetHandle, size_t *, VixVolumeHandle **))0 == &VixMntapi_GetVolumeHandles) +
    sizeof((void (*)(VixVolumeHandle *))0 == &VixMntapi_FreeVolumeHandles) +
    sizeof((VixError(*)(VixDiskSetHandle, VixOsInfo **))0 == &VixMntapi_GetOsInfo) +
    sizeof((void (*)(VixOsInfo *))0 == &VixMntapi_FreeOsInfo) +
    sizeof((VixError(*)(VixVolumeHandle, Bool))0 == &VixMntapi_MountVolume) +
    sizeof((VixError(*)(VixVolumeHandle, Bool))0 == &VixMntapi_DismountVolume) +
    sizeof((VixError(*)(VixVolumeHandle, VixVolumeInfo **))0 == &VixMntapi_GetVolumeInfo) +
    sizeof((void (*)(VixVolumeInfo *))0 == &VixMntapi_FreeVolumeInfo)] CHECK_UNUSED;

int main(void)
{
    check(!failed(VIX_OK) && failed(VIX_E_FAIL));
    check(failed(UINT64_C(1) << 40)); /* the whole value tells success */
    check(VIX_ERROR_CODE((UINT64_C(7) << 32) | 16007) == VIX_E_DISK_OUTOFRANGE);

    /* How a client in C makes a list of its own. */
    VixDiskLibBlock block = {.offset = 128, .length = 256};
    check(block.offset + block.length == 384);
    VixDiskLibProgressFunc progress = NULL;
    VixDiskLibGenericLogFunc *log = NULL;
    check(progress == NULL && log == NULL);
    return check_end();
}
