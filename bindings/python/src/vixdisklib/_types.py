"""What is handed over and given back: kinds of disks, parameters of connections, information."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from ._abi import SECTOR_SIZE


class DiskType(enum.IntEnum):
    """Kinds of virtual disk."""

    #: One growing file.
    MONOLITHIC_SPARSE = 1
    #: A descriptor and one file of the full size.
    MONOLITHIC_FLAT = 2
    #: A descriptor and growing files of at most 2 GB.
    SPLIT_SPARSE = 3
    #: A descriptor and files of at most 2 GB in full size.
    SPLIT_FLAT = 4
    #: ESX disk with all its space reserved.
    VMFS_FLAT = 5
    #: Compressed, to be written from front to end.
    STREAM_OPTIMIZED = 6
    #: ESX disk whose space is taken as it is written.
    VMFS_THIN = 7
    #: ESX redo log.
    VMFS_SPARSE = 8
    #: Not one of the above.
    UNKNOWN = 256


class AdapterType(enum.IntEnum):
    """Adapters that a virtual disk can be attached to."""

    IDE = 1
    SCSI_BUSLOGIC = 2
    SCSI_LSILOGIC = 3
    UNKNOWN = 256


class Compression(enum.IntEnum):
    """Compression on the wire; only the transport nbdssl has it, others ignore it."""

    NONE = 0
    ZLIB = 1 << 4
    FASTLZ = 1 << 5
    SKIPZ = 1 << 6


class OpenFlag(enum.IntFlag):
    """Flags of VixDiskLib_Open, as :meth:`Connection.open` makes them of its arguments."""

    UNBUFFERED = 1 << 0
    SINGLE_LINK = 1 << 1
    READ_ONLY = 1 << 2


#: The virtual hardware that a new disk names when nothing else is asked for (ESXi 6.5).
CURRENT_HARDWARE = 13


@dataclass(frozen=True)
class Geometry:
    """Cylinders, heads and sectors; all 0 when the disk does not name a geometry."""

    #: Number of cylinders.
    cylinders: int
    #: Heads in a cylinder.
    heads: int
    #: Sectors in a track.
    sectors: int


@dataclass(frozen=True)
class DiskInfo:
    """What an open disk tells of itself."""

    #: Capacity in sectors of 512 bytes.
    capacity: int
    #: Geometry of the BIOS.
    bios_geometry: Geometry
    #: Physical geometry.
    physical_geometry: Geometry
    #: Adapter.
    adapter_type: AdapterType
    #: Links of the chain that is open; 1 for a base disk.
    links: int
    #: Name of the parent as the disk has it, not resolved; None when there is no parent.
    parent_hint: str | None
    #: Identity of the disk; None when it has none.
    uuid: str | None
    #: Logical sector size in bytes.
    logical_sector_size: int
    #: Physical sector size in bytes.
    physical_sector_size: int

    @property
    def capacity_bytes(self) -> int:
        """Capacity in bytes."""
        return self.capacity * SECTOR_SIZE


class Block(NamedTuple):
    """A run of allocated sectors."""

    #: First sector, counted from the start of the disk.
    offset: int
    #: Number of sectors.
    length: int


@dataclass(frozen=True)
class FirstClassDisk:
    """A disk of vSphere that belongs to no virtual machine."""

    #: Id of the disk.
    id: str
    #: Managed object reference of its datastore, such as ``datastore-12``.
    datastore: str
    #: Id of a snapshot of the disk.
    snapshot: str | None = None


@dataclass(frozen=True)
class DatastoreFolder:
    """A folder of a datastore."""

    #: Managed object reference of the datastore, such as ``datastore-12``.
    datastore: str
    #: The folder.
    folder: str


@dataclass(frozen=True)
class Server:
    """How to reach a vCenter or an ESXi host. Passwords and cookies are left out of its ``repr``."""

    #: Name or address.
    host: str
    #: User; with `cookie` the user of that session.
    user: str = ""
    #: Password; with `cookie` the key of that session.
    password: str = field(default="", repr=False)
    #: What of the server: a virtual machine by its reference (``vm-123`` or ``moref=vm-123``) or by the path of its
    #: .vmx file (``vm/vm.vmx?dcPath=dc&dsName=ds``), a first-class disk, or a folder of a datastore.
    vm: str | FirstClassDisk | DatastoreFolder = ""
    #: Thumbprint of the server's certificate, pairs of hexadecimal digits with colons between.
    thumbprint: str | None = None
    #: Cookie of a session that exists, in place of logging in.
    cookie: str | None = field(default=None, repr=False)
    #: TCP port of the server, 0 for 443.
    port: int = 0
    #: TCP port of the disk service, 0 for 902.
    nfc_port: int = 0
