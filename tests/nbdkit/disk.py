#!/usr/bin/env python3
"""Disks and clients for plugin.sh, where a shell would be slow or clumsy.

    disk.py make FILE SIZE SEED [OFFSET:LENGTH...]
        makes a raw disk: holes, and repeatable random data where named
    disk.py check-map MAP.json KIND TRUTH.raw [DISK.vmdk]
        checks what `nbdinfo --map --json` said about a disk of this content
    disk.py random-io URI SEED TRUTH.raw
        mixes requests of all kinds, many at a time, and keeps TRUTH.raw true
    disk.py read-or-fail URI TRUTH.raw
        what can be read must be true, and some of it must fail
    disk.py past-the-end URI
        requests beyond the end must fail, and harm nothing
    disk.py write-and-kill URI TRUTH.raw PID
        writes all of it, flushes, and kills the server before it can close
    disk.py hold URI COMMAND...
        runs a command while a connection is open, and uses it afterwards
"""

import json
import os
import random
import signal
import subprocess
import sys

SECTOR = 512
# nbdkit asks for what is allocated in chunks of 128 sectors.
CHUNK = 128 * SECTOR
MIB = 1 << 20


def make(path, size, seed, *pieces):
    """Makes a raw disk."""
    source = random.Random(int(seed))
    with open(path, "wb") as file:
        file.truncate(int(size))
        for piece in pieces:
            offset, length = (int(number) for number in piece.split(":"))
            assert offset + length <= int(size), piece
            file.seek(offset)
            while length > 0:
                part = min(length, MIB)
                file.write(source.randbytes(part))
                length -= part


def merged(ranges):
    """Sorted (start, end) pairs, those that touch joined."""
    result = []
    for start, end in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1][1] = max(end, result[-1][1])
        elif start < end:
            result.append([start, end])
    return result


def allocated_by_qemu(vmdk, size):
    """What the map must show as data: what qemu-img sees allocated in the
    top link, rounded out to chunks, and the end that fills no whole chunk."""
    command = ["qemu-img", "map", "--output=json", "-f", "vmdk", vmdk]
    runs = json.loads(subprocess.check_output(command))
    queryable = size // CHUNK * CHUNK
    ranges = [(queryable, size)]
    for run in runs:
        if run["present"] and run["depth"] == 0:
            start = run["start"] // CHUNK * CHUNK
            end = -(-(run["start"] + run["length"]) // CHUNK) * CHUNK
            ranges.append((start, min(end, size)))
    return merged(ranges)


def is_zero(file, start, end):
    """Whether this part of a file is all zeros; holes are not read."""
    while start < end:
        try:
            start = max(start, os.lseek(file.fileno(), start, os.SEEK_DATA))
        except OSError:  # no data any more
            return True
        if start >= end:
            return True
        data = os.pread(file.fileno(), min(MIB, end - start), start)
        if data.count(0) != len(data):
            return False
        start += len(data)
    return True


def check_map(path, kind, raw, vmdk=None):
    """Checks a map. KIND says what holes are: "zero", or "parent" when what
    is not in this link is unknown. With a VMDK the map must be exact."""
    with open(path, encoding="utf-8") as file:
        extents = json.load(file)
    size = os.path.getsize(raw)
    hole_type = {"zero": 3, "parent": 1}[kind]
    position, data = 0, []
    with open(raw, "rb") as truth:
        for extent in extents:
            start, end = extent["offset"], extent["offset"] + extent["length"]
            assert start == position and start < end, f"the map has a gap or overlap: {extent}"
            assert extent["type"] in (0, hole_type), f"unexpected kind of extent: {extent}"
            if extent["type"] == 0:
                data.append((start, end))
            elif kind == "zero":
                assert is_zero(truth, start, end), f"there is data in a hole: {extent}"
            position = end
    assert position == size, f"the map ends at {position}, the disk at {size}"
    if vmdk is not None:
        have, want = merged(data), allocated_by_qemu(vmdk, size)
        assert have == want, f"data is shown at\n  {have}\ninstead of\n  {want}"


def connect(uri):
    """A connection that lets through requests a client should not make."""
    import nbd  # pylint: disable=import-outside-toplevel

    handle = nbd.NBD()
    handle.connect_uri(uri)
    handle.set_strict_mode(0)
    return handle


def random_io(uri, seed, raw):
    """Random requests, many under way at a time but never two in one place."""
    import nbd  # pylint: disable=import-outside-toplevel

    source = random.Random(int(seed))
    with open(raw, "rb") as file:
        model = bytearray(file.read())
    size = len(model)
    handle = connect(uri)
    under_way = {}  # cookie: (start, end, buffer and what it must hold, or None)

    def retire():
        handle.poll(-1)
        for cookie in list(under_way):
            if handle.aio_command_completed(cookie):
                start, end, read = under_way.pop(cookie)
                if read is not None:
                    buffer, want = read
                    assert buffer.to_bytearray() == want, f"bytes {start} to {end} came back wrong"

    for _ in range(1500):
        while len(under_way) >= 16:
            retire()
        # Mostly short, sometimes long; sectors are the unit.
        longest = source.choice((1, 8, 128, 129, 512, 2048))
        length = min(source.randint(1, longest) * SECTOR, size)
        start = source.randint(0, (size - length) // SECTOR) * SECTOR
        end = start + length
        if any(start < other[1] and other[0] < end for other in under_way.values()):
            continue
        kind = source.random()
        read = None
        fua = nbd.CMD_FLAG_FUA if source.random() < 0.02 else 0
        if kind < 0.5:
            data = source.randbytes(length) if kind < 0.45 else bytes(length)
            model[start:end] = data
            cookie = handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data)), start, flags=fua)
        elif kind < 0.55:
            model[start:end] = bytes(length)
            flags = fua | source.choice((0, nbd.CMD_FLAG_NO_HOLE))
            cookie = handle.aio_zero(length, start, flags=flags)
        elif kind < 0.57:
            start = end = 0
            cookie = handle.aio_flush()
        else:
            buffer = nbd.Buffer(length)
            read = (buffer, model[start:end])
            cookie = handle.aio_pread(buffer, start)
        under_way[cookie] = (start, end, read)
    while under_way:
        retire()

    # The longest request that clients make.
    length = min(32 * MIB, size)
    data = source.randbytes(length)
    model[size - length:] = data
    handle.pwrite(data, size - length)
    assert handle.pread(length, size - length) == data, "the long write came back wrong"

    handle.flush()
    handle.shutdown()
    with open(raw, "wb") as file:
        file.write(model)


def read_or_fail(uri, raw):
    """Reads a damaged disk."""
    import nbd  # pylint: disable=import-outside-toplevel

    handle = connect(uri)
    size = handle.get_size()
    good = bad = 0
    with open(raw, "rb") as file:
        for offset in range(0, size, CHUNK):
            want = file.read(CHUNK)
            try:
                have = handle.pread(len(want), offset)
            except nbd.Error:
                bad += 1
                continue
            assert have == want, f"there is something else at {offset}"
            good += 1
    handle.shutdown()
    print(f"{good} reads worked, {bad} failed")
    assert good > 0 and bad > 0


def past_the_end(uri):
    """Requests beyond the end."""
    import nbd  # pylint: disable=import-outside-toplevel

    handle = connect(uri)
    size = handle.get_size()
    start = handle.pread(SECTOR, 0)
    for offset, length in ((size, SECTOR), (size - SECTOR, 2 * SECTOR), (size + MIB, CHUNK)):
        for request in (
            lambda: handle.pread(length, offset),
            lambda: handle.pwrite(bytes(length), offset),
        ):
            try:
                request()
            except nbd.Error:
                continue
            raise AssertionError(f"a request of {length} bytes at {offset} worked")
    assert handle.pread(SECTOR, 0) == start, "the disk has changed"
    handle.shutdown()


def write_and_kill(uri, raw, pid):
    """What was flushed is there, even when the server never closes."""
    handle = connect(uri)
    with open(raw, "rb") as file:
        offset = 0
        while data := file.read(MIB):
            handle.pwrite(data, offset)
            offset += len(data)
    handle.flush()
    os.kill(int(pid), signal.SIGKILL)


def hold(uri, *command):
    """Runs a command beside an open connection; ends as the command does."""
    handle = connect(uri)
    status = subprocess.call(command)
    # It still reads and writes.
    handle.pwrite(handle.pread(SECTOR, 0), 0)
    handle.shutdown()
    sys.exit(status)


COMMANDS = {
    "make": make,
    "check-map": check_map,
    "random-io": random_io,
    "read-or-fail": read_or_fail,
    "past-the-end": past_the_end,
    "write-and-kill": write_and_kill,
    "hold": hold,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
