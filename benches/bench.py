# Runs the contenders of `make bench` against each other and prints what came out; benches/run.sh calls it.
#
# One file because it is one table: contenders, tasks and what becomes of their times.
#
# usage: bench.py WORK PYTHON [DOCUMENT]
#   WORK       folder with the built programs bench, libvmdk and rust-peers; the disks go there as well
#   PYTHON     interpreter that has dissect.hypervisor
#   DOCUMENT   Markdown file whose part between the two marker comments is replaced by the result
#
# SPDX-License-Identifier: Apache-2.0 OR MIT

import array
import functools
import os
import platform
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from sesparse import write_sesparse

QUICK = os.environ.get("BENCH_QUICK") == "1"
DISK_MIB = int(os.environ.get("BENCH_MIB", "256" if QUICK else "1024"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3" if QUICK else "7"))
WRITE_MIB = DISK_MIB // 4
REQUESTS = 10_000 if QUICK else 100_000
FEW_REQUESTS = 1_000  # where a request takes some peers very long
FEW_ROUNDS = min(ROUNDS, 3)  # the same
SLOW = {("dissect.hypervisor", "sesparse.vmdk")}  # 20 s for each GiB; these run once
CHAINS = (4, 30)  # links; the first one is the base and three children
# A reader whose pass over the disk is shorter than this reads it again and again.
LEAST = "0.1" if QUICK else "0.3"
MAP_GIB = 64 if QUICK else 2048
MAP_MIB = 300
# qemu-img bench has no random offsets. Odd in pages, and so large that no request is near the last one.
QEMU_STEP = 100_003 * 4096
PATTERN = 165  # the byte that qemu-img bench writes; it cannot write anything better
MOST_CRASHES = 5  # of a peer in a row of the table; after each it is measured again
PATIENCE = 120  # seconds until a command counts as hung

HERE = Path(__file__).resolve().parent
WORK = Path(sys.argv[1]).resolve()
PYTHON = sys.argv[2]
DOCUMENT = Path(sys.argv[3]) if len(sys.argv) > 3 else None
BEGIN, END = "<!-- bench: generated from here -->", "<!-- bench: to here -->"

BENCH = str(WORK / "bench")
LIBVMDK = [str(WORK / "libvmdk")]
VMDK_CORE = [str(WORK / "rust-peers"), "vmdk-core"]
RUST_IMG = [str(WORK / "rust-peers"), "rust-img-vmdk"]
QEMU_CREATE = ["qemu-img", "create", "-f", "vmdk", "-o", "subformat=monolithicSparse"]
DISSECT = [PYTHON, str(HERE / "peers" / "dissect_vmdk.py")]

Command = list[str]
# What one measurement gives: seconds, and a number that must be the limit probe's (None where there is none).
Sample = tuple[float, int | None]


class Unfit(Exception):
    """A contender that cannot take part, and why."""


class Crashed(Unfit):
    """The same, by a signal, which may not happen again."""


# ---- Running commands --------------------------------------------------------------------------


def run(*command: str) -> str:
    """The output of a command, which must succeed."""
    with started(*command, text=True) as process:
        try:
            output, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise Unfit(f"did not end within {PATIENCE} s") from None
        finally:
            end(process)
    if process.returncode < 0:
        raise Crashed(f"crashed, {signal.strsignal(-process.returncode)}")
    if process.returncode != 0:
        raise Unfit(last_line(errors) or f"status {process.returncode}")
    return output


def started(*command: str, **options) -> subprocess.Popen:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=WORK, start_new_session=True, **pipes, **options)


def end(process: subprocess.Popen) -> None:
    """Ends a command that did not end by itself, and what it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def last_line(errors: str) -> str:
    return errors.strip().rpartition("\n")[2].removeprefix("Error: ")


def fresh(*names: str) -> None:
    """Removes files that are to be made anew."""
    for name in names:
        (WORK / name).unlink(missing_ok=True)
    # What earlier contenders left to be written shall not be written in this one's time.
    os.sync()


def timed(*command: str) -> Sample:
    """A measurement by a program that prints seconds and a number to check."""
    seconds, check = run(*command).split("\t")
    return float(seconds), int(check)


def whole(*command: str, times: int = 1) -> Sample:
    """A measurement of a whole command, its start included."""
    return timed(BENCH, "run", str(times), *command)[0], None


def qemu_bench(*arguments: str) -> Sample:
    """qemu-img bench; it tells the time of its own loop, so its start is not counted."""
    output = run("qemu-img", "bench", *arguments)
    found = re.search(r"Run completed in ([\d.]+) seconds", output)
    if found is None:
        raise Unfit("qemu-img bench told no time")
    return max(float(found[1]), 0.0005), None


def qemu_has_io_uring() -> bool:
    try:
        qemu_bench("-f", "raw", "-i", "io_uring", "-c", "1", "mixed.raw")
    except Unfit:
        return False
    return True


# ---- Rows and contenders -----------------------------------------------------------------------


@dataclass
class Contender:
    name: str
    kind: str  # "vixen", "limit", "reach" (the same work with all that a disk needs) or "peer"
    measure: Callable[[], Sample]
    verify: Callable[[], None] | None = None
    most_rounds: int = ROUNDS
    samples: list[float] = field(default_factory=list)
    crashes: int = 0
    unfit: str | None = None

    @property
    def seconds(self) -> float:
        return median(self.samples)


def vixen(measure, verify=None, name="Vixen"):
    return Contender(name, "vixen", measure, verify)


def limit(name, measure):
    return Contender(name, "limit", measure)


def reach(name, measure):
    return Contender(name, "reach", measure)


def peer(name, measure, verify=None, most_rounds=ROUNDS):
    return Contender(name, "peer", measure, verify, most_rounds)


@dataclass
class Row:
    title: str
    contenders: list[Contender]
    amount: float | None = None  # what `unit` counts; None: the row shows milliseconds
    unit: str = "ms"
    target: str = ""
    reached: Callable[["Row"], bool | None] = lambda row: None
    warm: list[str] = field(default_factory=list)

    def fit(self, kind: str) -> list[Contender]:
        return [one for one in self.contenders if one.kind == kind and one.samples]

    @property
    def vixen(self) -> Contender:
        return self.fit("vixen")[0]

    @property
    def probe(self) -> Contender | None:
        return next(iter(self.fit("limit")), None)

    @property
    def reachable(self) -> Contender | None:
        return next(iter(self.fit("reach")), None)

    @property
    def best_peer(self) -> Contender | None:
        return min(self.fit("peer"), key=lambda one: one.seconds, default=None)

    def of(self, other: Contender | None) -> float | None:
        """How many times as fast as the other one the library is."""
        return None if other is None else other.seconds / self.vixen.seconds

    def ahead_of(self, *words: str) -> bool | None:
        """Whether the library is ahead of the peers whose names have one of the words; without words, of all.
        None when no such peer was timed."""
        peers = [one for one in self.fit("peer") if not words or any(word in one.name for word in words)]
        return all(self.of(one) > 1 for one in peers) if peers else None

    @property
    def mark(self) -> str:
        return {True: "ok", False: "**short**", None: "not judged"}[self.reached(self)] if self.target else ""

    def value(self, seconds: float) -> str:
        number = seconds * 1000 if self.amount is None else self.amount / seconds
        digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 3
        return f"{number:.{digits}f}"

    def run(self) -> None:
        progress(self.title)
        warm_up(self.warm)
        for one in self.contenders:
            if one.verify is not None:
                self.attempt(one, one.verify)
        # The limit probe comes first in the list, so its number is known to all others.
        expected = None
        for turn in range(ROUNDS):
            first = turn % len(self.contenders)
            for one in self.contenders[first:] + self.contenders[:first]:
                takes_part = one.unfit is None and turn < one.most_rounds
                sample = self.attempt(one, one.measure) if takes_part else None
                if sample is None:
                    continue
                seconds, check = sample
                if expected is None:
                    expected = check
                if check is not None and check != expected:
                    self.refuse(one, "gave wrong data in a measurement")
                else:
                    one.samples.append(seconds)

    def attempt(self, one: Contender, act: Callable):
        try:
            return act()
        except Crashed as reason:
            one.crashes += 1
            progress(f"  {one.name}: {reason}")
            if one.kind == "peer" and one.crashes <= MOST_CRASHES:
                return self.attempt(one, act)
            self.refuse(one, str(reason))
        except Unfit as reason:
            self.refuse(one, str(reason))

    def refuse(self, one: Contender, reason: str) -> None:
        """Takes a peer out of the row; of ours and the probe's this is a failure of the run."""
        if one.kind != "peer":
            sys.exit(f"bench: {self.title}: {one.name}: {reason}")
        progress(f"  {one.name}: {reason}")
        one.unfit = reason
        one.samples.clear()


def progress(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)


def warm_up(names: list[str]) -> None:
    """Everything that will be read goes into the page cache."""
    for name in names:
        with open(WORK / name, "rb") as file:
            while file.read(16 << 20):
                pass


# ---- Right content -----------------------------------------------------------------------------


def same_as(raw: str, *command: str) -> Callable[[], None]:
    """A check that the output of a command is the content of a raw file."""

    def verify() -> None:
        with open(WORK / raw, "rb") as wanted, started(*command) as process:
            watch = threading.Timer(PATIENCE, end, [process])
            watch.start()
            same = True
            while same and (piece := wanted.read(1 << 20)):
                same = process.stdout.read(len(piece)) == piece
            same = same and process.stdout.read(1) == b""
            if not same:
                end(process)
            errors = process.stderr.read().decode(errors="replace")
            watch.cancel()
        if not same:
            raise Unfit(last_line(errors) or "reads wrong content")

    return verify


@functools.cache
def check_qemu(disk: str) -> None:
    """The same for qemu-img, which writes files only. Its bench command throws away what it reads."""
    run("qemu-img", "convert", "-f", "vmdk", "-O", "raw", disk, "check.raw")
    same_as("mixed.raw", "cat", "check.raw")()
    (WORK / "check.raw").unlink()


# ---- The rows ----------------------------------------------------------------------------------


def qemu_source(disk: str, io_uring: bool) -> Command:
    """How qemu-img bench is told to open a disk."""
    if not io_uring:
        return ["-f", "vmdk", disk]
    if disk == "flat.vmdk":
        # `-i io_uring` would read the descriptor that way too. It is shorter than a sector, and on a short read
        # qemu's io_uring waits for ever. So it is named for the extent alone.
        options = "driver=vmdk,file.filename=flat.vmdk,file.aio=threads,extents.0.aio=io_uring"
        return ["--image-opts", options]
    return ["-f", "vmdk", "-i", "io_uring", disk]


def server(disk: str) -> Command:
    return ["--", "[", "qemu-nbd", "-r", "-f", "vmdk", disk, "]"]


def in_process(disk: str, *arguments: str) -> list[Contender]:
    """The peers that are libraries."""
    libraries = [
        ("libvmdk", LIBVMDK),
        ("dissect.hypervisor", DISSECT),
        ("vmdk-core", VMDK_CORE),
        ("rust-img-vmdk", RUST_IMG),
    ]
    return [
        peer(
            name,
            lambda program=program: timed(*program, arguments[0], disk, *arguments[1:]),
            same_as("mixed.raw", *program, "cat", disk),
            1 if (name, disk) in SLOW else ROUNDS,
        )
        for name, program in libraries
    ]


def chain_of(links: int) -> str:
    """The leaf of a chain."""
    return f"chain{links}-{links - 1}.vmdk"


def files_of(disk: str) -> list[str]:
    packed = [packed_names(*PACKED[disk])[0]] if disk in PACKED else []
    if disk.startswith("chain"):
        prefix = disk.partition("-")[0]
        return ["mixed.raw", *(path.name for path in WORK.glob(f"{prefix}-*.vmdk"))]
    stem = disk.removesuffix(".vmdk")
    return ["mixed.raw", *packed, *(path.name for path in (WORK / disk, *WORK.glob(f"{stem}-*.vmdk")) if path.is_file())]


def times_limit(least: float, *ahead_of: str) -> dict:
    """The target of a row that is to be so many times as fast as its limit, and ahead of some peers."""
    text = f">= {least} of the limit" + ("; ahead of " + " and ".join(ahead_of) if ahead_of else "")
    judge = lambda row: row.of(row.probe) >= least and (not ahead_of or row.ahead_of(*ahead_of) is not False)
    return {"target": text, "reached": judge}


def times_qemu(least: float) -> dict:
    """The target of a row that is to be so many times as fast as qemu-img."""

    def judge(row: Row) -> bool | None:
        ratios = [row.of(one) for one in row.fit("peer") if "qemu-img" in one.name]
        return min(ratios) >= least if ratios else None

    return {"target": f">= {least} times qemu-img", "reached": judge}


# Disks whose perfect reader is known: where their grains stand, and the size of those.
PACKED = {
    "sparse.vmdk": ("ordered", 65536),
    "split.vmdk": ("ordered", 65536),
    "fragmented.vmdk": ("shuffled", 65536),
    "sesparse.vmdk": ("ordered", 4096),
}


def packed_names(order: str, grain: int) -> tuple[str, str]:
    return f"packed-{order}-{grain}", f"places-{order}-{grain}"


def perfect(disk: str, least: str, *request: str) -> list[Contender]:
    """A reader that knows where everything is, and reads nothing but the data."""
    if disk not in PACKED:
        return []
    order, grain = PACKED[disk]
    packed, places = packed_names(order, grain)
    command = [BENCH, "probe-places", packed, places, str(grain), least, *request]
    return [reach("preadv of the data, memset of the holes", lambda: timed(*command))]


def sequential_row(title: str, disk: str, least: float, io_uring: bool = False) -> Row:
    def bench(depth: int, io_uring: bool) -> Callable[[], Sample]:
        source = qemu_source(disk, io_uring)
        return lambda: qemu_bench("-d", str(depth), "-c", str(DISK_MIB), "-s", "1M", *source)

    null = f"driver=null-co,size={DISK_MIB << 20}"
    contenders = [
        limit("pread, raw file", lambda: timed(BENCH, "probe-seq", "mixed.raw", LEAST)),
        *perfect(disk, LEAST),
        vixen(lambda: timed(BENCH, "seq", disk, LEAST), same_as("mixed.raw", BENCH, "cat", disk)),
        peer("qemu-img bench, depth 1", bench(1, False), lambda: check_qemu(disk)),
        peer(
            "qemu-img convert to null",
            lambda: whole("qemu-img", "convert", "-n", "-f", "vmdk", disk, "--target-image-opts", null),
            lambda: check_qemu(disk),
        ),
        peer(
            "qemu-nbd and nbdcopy to null",
            lambda: whole("nbdcopy", *server(disk), "null:"),
            same_as("mixed.raw", "nbdcopy", *server(disk), "-"),
        ),
        peer(
            "7zz to standard output",
            lambda: whole("7zz", "e", "-tVMDK", "-so", disk),
            same_as("mixed.raw", "7zz", "e", "-tVMDK", "-so", disk),
        ),
        *in_process(disk, "seq", LEAST),
    ]
    if io_uring:
        contenders.insert(4, peer("qemu-img bench, depth 8, io_uring", bench(8, True), lambda: check_qemu(disk)))
    return Row(
        f"Sequential read, {title}",
        contenders,
        amount=DISK_MIB,
        unit="MiB/s",
        **times_limit(least, "qemu-img", "nbdcopy"),
        warm=files_of(disk),
    )


def random_rows(title: str, disk: str, least: float, io_uring: bool) -> list[Row]:
    def bench(depth: int, io_uring: bool) -> Callable[[], Sample]:
        arguments = ["-d", str(depth), "-c", str(REQUESTS), "-s", "4096", "-S", str(QEMU_STEP)]
        return lambda: qemu_bench(*arguments, *qemu_source(disk, io_uring))

    def probe() -> Contender:
        return limit("pread, raw file, depth 1", lambda: timed(BENCH, "probe-rnd", "mixed.raw", LEAST, "offsets"))

    deep = [
        probe(),
        vixen(lambda: timed(BENCH, "async", disk, LEAST, "offsets", "16"), name="Vixen, ReadAsync"),
        peer("qemu-img bench, depth 16", bench(16, False), lambda: check_qemu(disk)),
    ]
    if io_uring:
        deep.append(peer("qemu-img bench, depth 16, io_uring", bench(16, True), lambda: check_qemu(disk)))
    common = {"amount": REQUESTS / 1000, "unit": "1000/s", "warm": files_of(disk)}
    return [
        Row(
            f"Random 4 KiB reads, {title}",
            [
                probe(),
                *perfect(disk, LEAST, "offsets", str(4096)),
                vixen(lambda: timed(BENCH, "rnd", disk, LEAST, "offsets"), same_as("mixed.raw", BENCH, "cat", disk)),
                peer("qemu-img bench, depth 1, steps", bench(1, False), lambda: check_qemu(disk)),
                *in_process(disk, "rnd", LEAST, "offsets"),
            ],
            target=f">= {least} of the limit; ahead of every peer",
            reached=lambda row: row.of(row.probe) >= least and row.ahead_of(),
            **common,
        ),
        Row(
            f"Random 4 KiB reads, depth 16, {title}",
            deep,
            target="ahead of qemu-img with io_uring",
            reached=lambda row: row.ahead_of("io_uring"),
            **common,
        ),
    ]


def request_row(title: str, disk: str, size: int, judged: dict, libraries: bool) -> Row:
    """Few random reads of one size, at multiples of it, one after the other. The peers that are libraries read 4 KiB only."""
    step = (QEMU_STEP // size | 1) * size  # an odd number of requests, so that none crosses the end
    arguments = ["-d", "1", "-c", str(FEW_REQUESTS), "-s", str(size), "-S", str(step), "-f", "vmdk", disk]
    offsets = f"offsets-{size}"
    ours = ["rnd", disk, LEAST, offsets, str(size)]
    return Row(
        f"Random {size >> 10} KiB reads, {title}",
        [
            limit("pread, raw file", lambda: timed(BENCH, "probe-rnd", "mixed.raw", LEAST, offsets, str(size))),
            *perfect(disk, LEAST, offsets, str(size)),
            vixen(lambda: timed(BENCH, *ours), same_as("mixed.raw", BENCH, "cat", disk)),
            peer("qemu-img bench, depth 1, steps", lambda: qemu_bench(*arguments), lambda: check_qemu(disk)),
            *(in_process(disk, "rnd", LEAST, offsets) if libraries else []),
        ],
        amount=FEW_REQUESTS / 1000,
        unit="1000/s",
        warm=files_of(disk),
        **judged,
    )


def request_rows() -> list[Row]:
    stream = times_qemu(4)
    chain = chain_of(CHAINS[0])
    return [
        request_row("sparse", "sparse.vmdk", 65536, times_limit(1.7), False),
        request_row("seSparse", "sesparse.vmdk", 4096, times_limit(1.2), True),
        request_row(f"chain of {CHAINS[0]}", chain, 4096, times_limit(1.2), True),
        request_row(f"chain of {CHAINS[0]}", chain, 65536, times_limit(1.5), False),
        request_row(f"chain of {CHAINS[1]}", chain_of(CHAINS[1]), 4096, times_limit(0.8), False),
        request_row("streamOptimized", "stream.vmdk", 4096, stream, True),
        request_row("streamOptimized", "stream.vmdk", 65536, stream, False),
    ]


def cold_row() -> Row:
    """Nothing in the page cache. Only the file is taken out of it, which needs no rights."""
    disk = "sparse.vmdk"

    def cold(measure: Callable[[], Sample], file: str) -> Callable[[], Sample]:
        def act() -> Sample:
            run(BENCH, "evict", file)
            return measure()

        return act

    return Row(
        "Sequential read, cold cache, monolithicSparse",
        [
            limit("pread, raw file", cold(lambda: timed(BENCH, "probe-seq", "mixed.raw", "0"), "mixed.raw")),
            *(reach(one.name, cold(one.measure, "packed-ordered-65536")) for one in perfect(disk, "0")),
            vixen(cold(lambda: timed(BENCH, "seq", disk, "0"), disk), same_as("mixed.raw", BENCH, "cat", disk)),
            peer(
                "qemu-img bench, depth 1",
                cold(lambda: qemu_bench("-d", "1", "-c", str(DISK_MIB), "-s", "1M", "-f", "vmdk", disk), disk),
                lambda: check_qemu(disk),
            ),
            peer("vmdk-core", cold(lambda: timed(*VMDK_CORE, "seq", disk, "0"), disk)),
        ],
        amount=DISK_MIB,
        unit="MiB/s",
        **times_limit(3),
    )


def convert_row(title: str, source: str, target: str, kind: str, judged: dict, peers: dict[str, Command]) -> Row:
    """A copy of a whole disk into a new one; `target` is ours. The last word of a peer's command is what it makes."""

    def ours() -> Sample:
        fresh(target, "convert-flat.vmdk")
        sample = timed(BENCH, "convert", source, target, kind)
        same_as("mixed.raw", BENCH, "cat", target)()
        return sample[0], None

    def other(command: Command) -> Callable[[], Sample]:
        def measure() -> Sample:
            fresh(command[-1])
            return whole(*command)

        return measure

    def copy() -> Sample:
        fresh("convert.raw")
        return whole("cp", "--sparse=always", "mixed.raw", "convert.raw")

    def durable_copy() -> Sample:
        fresh("convert.raw")
        return whole("sh", "-c", "cp --sparse=always mixed.raw convert.raw && sync --data convert.raw")

    return Row(
        f"Convert {title}",
        [
            limit("cp --sparse=always, raw to raw", copy),
            reach("cp --sparse=always, raw to raw, and sync --data", durable_copy),
            vixen(ours),
            *(peer(name, other(command), most_rounds=FEW_ROUNDS) for name, command in peers.items()),
        ],
        amount=DISK_MIB,
        unit="MiB/s",
        warm=files_of(source),
        **judged,
    )


def convert_rows() -> list[Row]:
    def size(name: str) -> int:
        return (WORK / name).stat().st_size

    fast = times_qemu(8)

    def fast_and_small(row: Row) -> bool | None:
        ours, theirs = size("to-stream.vmdk"), size("qemu-stream.vmdk")
        progress(f"streams: ours {ours} bytes, qemu-img's {theirs}")
        return fast["reached"](row) and ours <= theirs

    raw, sparse = ["qemu-img", "convert", "-f", "raw", "-O", "vmdk"], ["qemu-img", "convert", "-f", "vmdk", "-O"]
    stream = [*raw, "-o", "subformat=streamOptimized", "mixed.raw", "qemu-stream.vmdk"]
    return [
        convert_row(
            "raw to streamOptimized",
            "flat.vmdk",
            "to-stream.vmdk",
            "stream",
            {"target": fast["target"] + "; no larger than its", "reached": fast_and_small},
            {"qemu-img convert": stream},
        ),
        convert_row(
            "streamOptimized to raw",
            "stream.vmdk",
            "convert.vmdk",
            "flat",
            times_qemu(6),
            {"qemu-img convert": [*sparse, "raw", "stream.vmdk", "convert.out"]},
        ),
        convert_row(
            "raw to sparse",
            "flat.vmdk",
            "convert.vmdk",
            "sparse",
            times_limit(0.8),
            {
                "qemu-img convert": [*raw, "mixed.raw", "convert.out"],
                "qemu-img convert -m 16 -W": [*raw, "-m", "16", "-W", "mixed.raw", "convert.out"],
                "qemu-img convert, flush (-t writeback)": [*raw, "-t", "writeback", "mixed.raw", "convert.out"],
            },
        ),
        convert_row(
            "sparse to raw",
            "sparse.vmdk",
            "convert.vmdk",
            "flat",
            times_limit(0.8),
            {"qemu-img convert": [*sparse, "raw", "sparse.vmdk", "convert.out"]},
        ),
    ]


def write_row() -> Row:
    def check_written(disk: str, raw: str = "full.raw") -> None:
        same_as(raw, BENCH, "cat", disk)()

    def probe() -> Sample:
        fresh("probe.raw")
        return timed(BENCH, "probe-write", "probe.raw", str(WRITE_MIB))

    def ours() -> Sample:
        fresh("write.vmdk")
        run(BENCH, "create", "write.vmdk", str(WRITE_MIB))
        sample = timed(BENCH, "write", "write.vmdk", str(WRITE_MIB))
        check_written("write.vmdk")
        return sample

    def qemu() -> Sample:
        fresh("qemu.vmdk")
        run(*QEMU_CREATE, "qemu.vmdk", f"{WRITE_MIB}M")
        # Without these two it would write zeros, and not flush.
        extra = ["--pattern", str(PATTERN), "--flush-interval", str(WRITE_MIB)]
        sample = qemu_bench("-w", "-d", "1", "-c", str(WRITE_MIB), "-s", "1M", *extra, "-f", "vmdk", "qemu.vmdk")
        check_written("qemu.vmdk", "pattern.raw")
        return sample

    def convert(*options: str) -> Callable[[], Sample]:
        def measure() -> Sample:
            fresh("convert.vmdk")
            sample = whole("qemu-img", "convert", "-f", "raw", "-O", "vmdk", *options, "full.raw", "convert.vmdk")
            check_written("convert.vmdk")
            return sample

        return measure

    return Row(
        "Sequential write into a fresh sparse disk, flush at the end",
        [
            limit("pwrite and fdatasync, raw file", probe),
            vixen(ours),
            peer("qemu-img bench -w, depth 1", qemu),
            peer("qemu-img convert, no flush (default)", convert()),
            peer("qemu-img convert, flush (-t writeback)", convert("-t", "writeback")),
        ],
        amount=WRITE_MIB,
        unit="MiB/s",
        target="ahead of qemu-img convert",
        reached=lambda row: row.ahead_of("convert"),
        warm=["full.raw"],
    )


def map_row() -> Row:
    def qemu_finds_all() -> None:
        output = run("qemu-img", "map", "--output=json", "-f", "vmdk", "map.vmdk")
        expect(sum(int(length) for length in re.findall(r'"length": (\d+),.*"data": true', output)))

    def nbd_finds_all() -> None:
        output = run("nbdinfo", "--map", "--totals", *server("map.vmdk"))
        expect(sum(int(length) for length in re.findall(r"^\s*(\d+).*\bdata$", output, re.MULTILINE)))

    def expect(found: int) -> None:
        if found != MAP_MIB << 20:
            raise Unfit(f"finds {found} bytes of data where {MAP_MIB << 20} are")

    def library(*command: str) -> Callable[[], Sample]:
        def measure() -> Sample:
            seconds, found = timed(*command)
            expect(found)
            return seconds, None

        return measure

    return Row(
        f"Allocation map, {MAP_GIB} GiB with {MAP_MIB} MiB written",
        [
            limit("SEEK_DATA and SEEK_HOLE over the file", lambda: (timed(BENCH, "probe-holes", "map.vmdk")[0], None)),
            vixen(library(BENCH, "map", "map.vmdk")),
            peer("qemu-img map", lambda: whole("qemu-img", "map", "-f", "vmdk", "map.vmdk"), qemu_finds_all, 3),
            peer(
                "qemu-nbd and nbdinfo --map",
                lambda: whole("nbdinfo", "--map", *server("map.vmdk")),
                nbd_finds_all,
                3,  # these two take seconds each time
            ),
            peer("vmdk-core", library(*VMDK_CORE, "map", "map.vmdk")),
        ],
        target="<= 60 ms; ahead of every peer",
        reached=lambda row: row.vixen.seconds <= 0.060 and row.ahead_of(),
        warm=["map.vmdk"],
    )


def large_map_row() -> Row:
    """62 TiB. qemu-img and nbdinfo need minutes for it, so they are left out; the row of 2 TiB has them."""

    def library(*command: str) -> Callable[[], Sample]:
        def measure() -> Sample:
            seconds, found = timed(*command)
            if found != MAP_MIB << 20:
                raise Unfit(f"finds {found} bytes of data")
            return seconds, None

        return measure

    disk = "map62.vmdk"
    probe = lambda: (timed(BENCH, "probe-holes", disk)[0], None)
    return Row(
        f"Allocation map, 62 TiB with {MAP_MIB} MiB written",
        [
            limit("SEEK_DATA and SEEK_HOLE over the file", probe),
            vixen(library(BENCH, "map", disk)),
            peer("vmdk-core", library(*VMDK_CORE, "map", disk), most_rounds=FEW_ROUNDS),
        ],
        target="<= 1 s",
        reached=lambda row: row.vixen.seconds <= 1,
        warm=[disk],
    )


def huge_row() -> Row:
    most_kib = 32 << 10
    peaks = []

    def measure() -> Sample:
        fresh("huge.vmdk")
        seconds, kib = timed(BENCH, "huge", "huge.vmdk")
        peaks.append(kib)
        return seconds, None

    return Row(
        "62 TiB: create, open, write at each end, close, map, check",
        [vixen(measure)],
        target="<= 32 MiB of memory",
        reached=lambda row: max(peaks) <= most_kib,
    )


def many_files_rows() -> list[Row]:
    """Disks of many files: opening them is opening the files."""
    run(BENCH, "create", "thousand.vmdk", str(1000 * 2047), "split")
    rows = []
    for title, disk, allowed in (
        ("1000 extents", "thousand.vmdk", 12),
        (f"chain of {CHAINS[1]}", chain_of(CHAINS[1]), 3),
    ):
        contenders = [
            limit("/bin/true", lambda: whole("/bin/true", times=20)),
            vixen(lambda disk=disk: whole(BENCH, "open", disk, times=20)),
            peer("qemu-img info", lambda disk=disk: whole("qemu-img", "info", "--backing-chain", disk, times=5)),
            peer("vmdk-core", lambda disk=disk: whole(*VMDK_CORE, "open", disk, times=20)),
        ]
        reached = lambda row, allowed=allowed: row.vixen.seconds <= allowed / 1000
        rows.append(
            Row(f"Open and close, {title}, whole process", contenders, target=f"<= {allowed} ms", reached=reached)
        )
    return rows


def split_create_rows() -> list[Row]:
    def create(*command: str) -> Callable[[], Sample]:
        def measure() -> Sample:
            fresh("create.vmdk", *(path.name for path in WORK.glob("create-*.vmdk")))
            return whole(*command)

        return measure

    return [
        Row(
            f"Create, 2 TiB, {name}, whole process",
            [
                vixen(create(BENCH, "create", "create.vmdk", str(2 << 20), kind)),
                peer(
                    "qemu-img create",
                    create("qemu-img", "create", "-f", "vmdk", "-o", f"subformat={name}", "create.vmdk", "2T"),
                    most_rounds=FEW_ROUNDS,
                ),
            ],
            target="<= 0.3 s",
            reached=lambda row: row.vixen.seconds <= 0.3,
        )
        for name, kind in (("twoGbMaxExtentSparse", "split"), ("twoGbMaxExtentFlat", "split-flat"))
    ]


def open_rows() -> list[Row]:
    rows = []
    for tib, allowed in ((2, 1), (62, 8)):
        disk = f"{tib}tib.vmdk"
        run(BENCH, "create", disk, str(tib << 20))
        times = 20
        rows += [
            Row(
                f"Open and close, {tib} TiB, whole process",
                [
                    limit("/bin/true", lambda: whole("/bin/true", times=times)),
                    vixen(lambda disk=disk: whole(BENCH, "open", disk, times=times)),
                    peer("qemu-img info", lambda disk=disk: whole("qemu-img", "info", disk, times=times)),
                    peer("vmdk-core", lambda disk=disk: whole(*VMDK_CORE, "open", disk, times=times)),
                ],
                target=f"<= {allowed} ms over the limit",
                reached=lambda row, allowed=allowed: row.vixen.seconds - row.probe.seconds <= allowed / 1000,
            ),
            Row(
                f"Open and close, {tib} TiB, within a process",
                [vixen(lambda disk=disk: (timed(BENCH, "reopen", disk, "200")[0], None))],
            ),
        ]
    return rows


def create_rows() -> list[Row]:
    def create(*command: str) -> Callable[[], Sample]:
        def measure() -> Sample:
            samples = []
            for _ in range(5):
                (WORK / "create.vmdk").unlink(missing_ok=True)
                samples.append(whole(*command)[0])
            return median(samples), None

        return measure

    return [
        Row(
            f"Create, {name}, whole process",
            [
                limit("truncate", create("truncate", "-s", "1G", "create.vmdk")),
                vixen(create(BENCH, "create", "create.vmdk", str(gib << 10))),
                peer("qemu-img create", create(*QEMU_CREATE, "create.vmdk", f"{gib}G")),
            ],
            target="no slower than qemu-img",
            reached=lambda row: row.ahead_of(),
        )
        for name, gib in (("100 GiB", 100), ("2 TiB", 2048), ("62 TiB", 62 << 10))
    ]


# ---- What came out -----------------------------------------------------------------------------


def table(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---" if index == 0 or head[index] in LEFT else "---:" for index in range(len(head))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


LEFT = {"Best peer", "Target", "Contender", "Limit"}


def times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}"


def summary(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        best, probe = row.best_peer, row.probe
        lines.append(
            [
                f"{row.title}",
                f"{row.value(row.vixen.seconds)} {row.unit}",
                "" if probe is None else f"{row.value(probe.seconds)}",
                times(row.of(probe)),
                times(row.of(row.reachable)),
                "" if best is None else f"{best.name}: {row.value(best.seconds)}",
                times(row.of(best)),
                row.target,
                row.mark,
            ]
        )
    head = ["Row", "Vixen", "limit", "Vixen / limit", "Vixen / reachable", "Best peer", "Vixen / peer", "Target", "Mark"]
    return table(head, lines)


def details(row: Row) -> str:
    lines = []
    for one in row.contenders:
        if one.unfit is not None:
            lines.append([one.name, f"not timed: {one.unfit}", "", ""])
            continue
        ends = sorted((min(one.samples), max(one.samples)), reverse=row.amount is not None)
        against = "" if row.probe is None else times(row.probe.seconds / one.seconds)
        spread = " to ".join(row.value(seconds) for seconds in ends)
        name = f"**{one.name}**" if one.kind == "vixen" else one.name
        if one.crashes:
            name += f" (crashed {one.crashes} times)" if one.crashes > 1 else " (crashed once)"
        lines.append([name, row.value(one.seconds), spread, against])
    head = ["Contender", f"Median, {row.unit}", "Lowest to highest", "Speed, limit = 1"]
    return f"### {row.title}\n\n{table(head, lines)}"


def first_line(*command: str) -> str:
    return next(line for line in run(*command).splitlines() if line.strip())


def machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = run("df", "--output=fstype", ".").split()[1]
    return (
        f"{os.cpu_count()} processors ({model[1] if model else platform.machine()}), {memory:.0f} GiB of memory, "
        f"Linux {platform.release().split('-')[0]}, work folder on {system}"
    )


def versions() -> str:
    pinned = dict(re.findall(r"^([\w.-]+)==(.*)$", (HERE / "peers/requirements.txt").read_text(), re.MULTILINE))
    crates = dict(re.findall(r'^([\w-]+) = "=(.*)"$', (HERE / "peers/Cargo.toml").read_text(), re.MULTILINE))
    libvmdk = run("dpkg-query", "-W", "-f", "${source:Upstream-Version}", "libvmdk-dev")
    seven = re.search(r"[\d.]+", first_line("7zz").removeprefix("7-Zip"))
    return ", ".join(
        [
            first_line("qemu-img", "--version").split(" (")[0].replace("version ", ""),
            first_line("nbdcopy", "--version"),
            f"7zz {seven[0] if seven else ''}",
            f"libvmdk {libvmdk}",
            f"dissect.hypervisor {pinned['dissect.hypervisor']}",
            *(f"{name} {version}" for name, version in crates.items()),
        ]
    )


def report(rows: list[Row], minutes: float) -> str:
    zeros = zero_share()
    return "\n\n".join(
        [
            f"Machine: {machine()}.",
            f"Peers: {versions()}.",
            load_before(),
            f"Test disk: {DISK_MIB} MiB, {zeros:.0%} of its grains zero; {WRITE_MIB} MiB for writes; "
            f"{REQUESTS} random requests; {ROUNDS} rounds; {minutes:.1f} minutes in all.",
            summary(rows),
            *(details(row) for row in rows),
        ]
    )


def load_before() -> str:
    """What other programs had to do when this one began."""
    text = f"Load of the machine before the run: {LOAD:.1f}"
    if LOAD < 0.5:
        return f"{text}."
    return f"{text}. Other programs took their part of the processors: rows in which we use several are the lower for it."


def zero_share() -> float:
    grain, zeros, count = 64 << 10, 0, 0
    with open(WORK / "mixed.raw", "rb") as file:
        while piece := file.read(grain):
            zeros += not any(piece[:8]) and piece.count(0) == len(piece)
            count += 1
    return zeros / count


def put_into(document: Path, text: str) -> None:
    before, rest = document.read_text().split(BEGIN)
    after = rest.split(END)[1]
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


# ---- All together ------------------------------------------------------------------------------


def make_disks() -> None:
    progress(f"making the test disks, {DISK_MIB} MiB")
    sample_files()
    run(BENCH, "raw", "mixed.raw", str(DISK_MIB), "mixed", "files")
    run(BENCH, "raw", "full.raw", str(WRITE_MIB), "full")
    (WORK / "pattern.raw").write_bytes(bytes([PATTERN]) * (WRITE_MIB << 20))
    for kind in ("sparse", "flat", "fragmented", "split", "stream"):
        run(BENCH, "import", f"{kind}.vmdk", "mixed.raw", kind)
    for links in CHAINS:
        run(BENCH, "chain", f"chain{links}", "mixed.raw", str(links))
    write_sesparse(WORK / "mixed.raw", WORK / "sesparse.vmdk")
    run(BENCH, "create", "map62.vmdk", str(62 << 20))
    run(BENCH, "scatter", "map62.vmdk", str(MAP_MIB))
    run(BENCH, "create", "map.vmdk", str(MAP_GIB << 10))
    run(BENCH, "scatter", "map.vmdk", str(MAP_MIB))
    for order, grain in sorted(set(PACKED.values())):
        run(BENCH, "pack", "mixed.raw", *packed_names(order, grain), str(grain), order)
    numbers = random.Random(1)
    few = [(f"offsets-{size}", FEW_REQUESTS, size) for size in (4096, 65536)]
    for name, count, size in [("offsets", REQUESTS, 4096), *few]:
        with open(WORK / name, "wb") as file:
            array.array("Q", (numbers.randrange((DISK_MIB << 20) // size) * size for _ in range(count))).tofile(file)
    os.sync()
    # All files come into the page cache in the same way: what is written piece by piece lies there otherwise than what
    # is read, which makes as much of a difference as everything that is measured here.
    names = sorted(path.name for path in WORK.iterdir() if path.suffix in (".vmdk", ".raw") or "packed" in path.name)
    run(BENCH, "evict", *names)


def sample_files() -> None:
    """What file systems hold: the sources of this library, and as much of its machine code."""
    root = HERE.parent
    texts = sorted(root.glob("src/**/*.rs"))
    text = b"".join(path.read_bytes() for path in texts)
    library = (WORK / "lib64/libvixDiskLib.so").read_bytes()
    start = len(library) // 3
    (WORK / "files").write_bytes(text + library[start : start + len(text)])


def main() -> None:
    make_disks()
    io_uring = qemu_has_io_uring()
    if not io_uring:
        progress("this qemu-img has no io_uring; its contenders are left out")
    rows = [
        sequential_row("monolithicSparse", "sparse.vmdk", 1.7, io_uring),
        sequential_row("monolithicFlat", "flat.vmdk", 1.0, io_uring),
        sequential_row("twoGbMaxExtentSparse", "split.vmdk", 1.6),
        sequential_row("fragmented sparse", "fragmented.vmdk", 1.35),
        sequential_row(f"chain of {CHAINS[0]}", chain_of(CHAINS[0]), 1.35),
        sequential_row(f"chain of {CHAINS[1]}", chain_of(CHAINS[1]), 1.0),
        sequential_row("seSparse", "sesparse.vmdk", 1.35),
        sequential_row("streamOptimized", "stream.vmdk", 0.35),
        *random_rows("sparse", "sparse.vmdk", 1.6, io_uring),
        *random_rows("fragmented sparse", "fragmented.vmdk", 1.35, io_uring),
        *random_rows("flat", "flat.vmdk", 0.9, io_uring),
        *request_rows(),
        cold_row(),
        write_row(),
        *convert_rows(),
        map_row(),
        large_map_row(),
        huge_row(),
        *open_rows(),
        *many_files_rows(),
        *create_rows(),
        *split_create_rows(),
    ]
    for row in rows:
        row.run()
    text = report(rows, (time.monotonic() - BEGAN) / 60)
    if DOCUMENT is not None:
        put_into(DOCUMENT, text)
        progress(f"wrote {os.path.relpath(DOCUMENT)}")
    print(text)
    judged = [row for row in rows if row.target]
    short = [f"{row.title}: {row.mark.strip('*')}" for row in judged if row.mark != "ok"]
    print(f"\n{len(judged) - len(short)} of {len(judged)} targets reached", *short, sep="\n  ")


BEGAN = time.monotonic()
LOAD = os.getloadavg()[0]
main()
