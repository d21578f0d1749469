# The remote rows of `make bench`: disks of the simulated host over loopback, beside the same bytes without a disk
# protocol, and beside nbdcopy and nbdkit with the same file. benches/run.sh calls it.
#
# usage: remote.py WORK SIMULATOR PROBE [DOCUMENT]
#   WORK       folder with the built programs bench and remote; the disks go there as well
#   SIMULATOR  the program esxi-sim
#   PROBE      the program made of esxi-sim/examples/probe.rs
#   DOCUMENT   Markdown file whose part between the two marker comments is replaced by the result
#
# SPDX-License-Identifier: Apache-2.0 OR MIT

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

QUICK = os.environ.get("BENCH_QUICK") == "1"
ROUNDS = int(os.environ.get("BENCH_REMOTE_ROUNDS", "3" if QUICK else "7"))
SECONDS = 0.3 if QUICK else 1.0  # of one measurement
DISK_MIB = 128 if QUICK else 512
EMPTY_MIB = 32  # the disk that is 70 % empty, which goes over a thin line
LATENCY_MS = 20
LINE = 100_000_000 // 8  # bytes a second
DEPTH = 16
MIB, SIZES = 1 << 20, ((1 << 20, "1 MiB"), (64 << 10, "64 KiB"))
TUNED = "vixDiskLib.nfcAio.Session.BufSizeIn64KB = 16\n"
BEGIN, END = "<!-- remote: generated from here -->", "<!-- remote: to here -->"
PATIENCE = 120

WORK = Path(sys.argv[1]).resolve()
SIMULATOR, PROBE = (str(Path(name).resolve()) for name in sys.argv[2:4])
DOCUMENT = Path(sys.argv[4]) if len(sys.argv) > 4 else None


def run(*command: str, **options) -> str:
    done = subprocess.run(
        command, cwd=WORK, check=False, capture_output=True, text=True, timeout=PATIENCE, **options
    )
    if done.returncode != 0:
        sys.exit(f"remote: {' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


# ---- Servers -----------------------------------------------------------------------------------


@contextmanager
def server(*command: str):
    """A program that serves until it is told to end; gives its first line of output."""
    process = subprocess.Popen(command, cwd=WORK, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline()
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def simulator(disk: str, *flags: str):
    """The simulated host with one disk; gives the arguments of the program `remote` that lead to it."""
    with server(SIMULATOR, "--vm-disk", disk, *flags) as line:
        host = json.loads(line)
        vm = host["vms"][0]
        yield [host["address"], str(host["soap_port"]), host["thumbprint_sha1"], "moref=" + vm["id"], vm["disks"][0]]


@contextmanager
def nbdkit(file: str, tls: bool):
    """nbdkit with the same file; gives a URI."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (WORK / "keys.psk").write_text(f"bench:{secrets.token_hex(32)}\n")
    flags = ["--tls=require", "--tls-psk=keys.psk"] if tls else []
    command = ["nbdkit", "-f", "-i", "127.0.0.1", "-p", str(port), *flags, "file", file]
    process = subprocess.Popen(command, cwd=WORK)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        if tls:
            yield f"nbds://bench@127.0.0.1:{port}/?tls-psk-file={WORK / 'keys.psk'}"
        else:
            yield f"nbd://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


# ---- Rows --------------------------------------------------------------------------------------


@dataclass
class Contender:
    name: str
    measure: Callable[[], float]  # MiB a second, or what the row counts
    samples: list[float] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return median(self.samples)


@dataclass
class Row:
    title: str
    contenders: list[Contender]  # ours first
    # What is compared: name, and how many times as fast ours is with its defaults, and at its best; the target.
    judge: Callable[["Row"], list[tuple[str, list[float], float | None]]]

    def run(self) -> None:
        print(f"[{time.monotonic() - BEGAN:5.0f} s] {self.title}", file=sys.stderr, flush=True)
        for turn in range(ROUNDS):
            first = turn % len(self.contenders)
            for one in self.contenders[first:] + self.contenders[:first]:
                one.samples.append(one.measure())

    def of(self, name: str) -> Contender:
        return next(one for one in self.contenders if one.name == name)

    def lines(self) -> list[list[str]]:
        lines = []
        judged = {name: (ratios, target) for name, ratios, target in self.judge(self)}
        for index, one in enumerate(self.contenders):
            ratios, target = judged.get(one.name, ([], None))
            mark = "" if target is None else "ok" if max(ratios) >= target else "**short**"
            spread = f"{number(min(one.samples))} to {number(max(one.samples))}"
            name = f"**{one.name}**" if index == 0 else one.name
            shown = " / ".join(f"{ratio:.2f}" for ratio in ratios)
            wanted = "" if target is None else f">= {target:g}"
            lines.append([self.title if index == 0 else "", name, number(one.middle), spread, shown, wanted, mark])
        return lines


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def speed(*command: str, **options) -> float:
    """MiB a second of a program that prints seconds and bytes."""
    seconds, moved = run(*command, **options).split()
    return int(moved) / MIB / float(seconds)


def ours(what: str, to: list[str], mode: str, size: int, depth: int, *more: str, config: str = "") -> float:
    (WORK / "remote.conf").write_text(config)
    command = [str(WORK / "remote"), what, *to, mode, str(size), str(depth), str(SECONDS), *more]
    return speed(*command, env={**os.environ, "REMOTE_CONFIG": str(WORK / "remote.conf")})


def nbdcopy(what: str, uri: str, size: int, depth: int, *flags: str) -> float:
    how = [f"--request-size={size}", f"--requests={max(depth, 1)}", *flags]
    how += ["--synchronous"] if depth == 0 else []
    ends = [uri, "null:"] if what == "read" else ["full.raw", uri]
    began = time.monotonic()
    run("nbdcopy", *how, *ends)
    return DISK_MIB / (time.monotonic() - began)


def speed_row(what: str, mode: str, size: tuple[int, str], depth: int, to: list[str], port: str, uri: str) -> Row:
    bytes_, name = size
    ways = ["tcp"] if mode == "nbd" else ["tls12", "tls13"]
    probe = lambda way: speed(
        PROBE, what, port, way, str(bytes_), str(max(depth, 1)), str(SECONDS), str(DISK_MIB * MIB)
    )
    contenders = [
        Contender("Vixen", lambda: ours(what, to, mode, bytes_, depth)),
        Contender(
            "Vixen, fragments of 1 MiB", lambda: ours(what, to, mode, bytes_, depth, config=TUNED)
        ),
        *(Contender(f"limit: {way}", lambda way=way: probe(way)) for way in ways),
        Contender("nbdcopy, nbdkit", lambda: nbdcopy(what, uri, bytes_, depth)),
        Contender("nbdcopy, nbdkit, one connection", lambda: nbdcopy(what, uri, bytes_, depth, "--connections=1")),
    ]
    if bytes_ < MIB:
        del contenders[1]  # no fragment is that large

    def judge(row: Row) -> list[tuple[str, list[float], float | None]]:
        own = [one.middle for one in row.contenders if one.name.startswith("Vixen")]
        limits = {f"limit: {ways[0]}": 0.8 if what == "read" else None}
        peers = {"nbdcopy, nbdkit": 1.0, "nbdcopy, nbdkit, one connection": None}
        others = [one for one in row.contenders if not one.name.startswith("Vixen")]
        ratios = lambda one: [speed / one.middle for speed in own]
        return [(one.name, ratios(one), {**limits, **peers}.get(one.name)) for one in others]

    kind = "one after the other" if depth == 0 else f"{depth} under way"
    return Row(f"{mode} {what}, {name}, {kind}", contenders, judge)


def latency_row(mode: str, size: tuple[int, str], to: list[str]) -> Row:
    name = lambda depth: f"Vixen, {depth} under way"
    measure = lambda depth: ours("read", to, mode, size[0], depth)
    contenders = [Contender(name(depth), lambda depth=depth: measure(depth)) for depth in (DEPTH, 1)]
    judge = lambda row: [(name(1), [row.of(name(DEPTH)).middle / row.of(name(1)).middle], 12)]
    return Row(f"{mode} read, {size[1]}, {LATENCY_MS} ms of latency", contenders, judge)


def skipz_row(to: list[str]) -> Row:
    def measure(compression: str) -> float:
        return ours("read", to, "nbdssl", MIB, DEPTH, compression)

    contenders = [Contender(name, lambda name=name: measure(name)) for name in ("skipz", "none", "fastlz", "zlib")]
    judge = lambda row: [
        (name, [row.of("skipz").middle / row.of(name).middle], 2 if name == "none" else None)
        for name in ("none", "fastlz", "zlib")
    ]
    return Row("nbdssl read, 70 % empty, 100 Mbit/s", contenders, judge)


def memory_row(to: list[str]) -> Row:
    def measure(mode: str) -> float:
        command = [str(WORK / "remote"), "memory", *to, mode, str(MIB), str(DEPTH), str(SECONDS)]
        return float(run(*command).split()[0]) / 1024

    contenders = [Contender(f"Vixen, {mode}", lambda mode=mode: measure(mode)) for mode in ("nbdssl", "nbd")]
    judge = lambda row: [(one.name, [32 / one.middle], 1.0) for one in row.contenders]
    return Row("memory of an open disk, MiB; 32 allowed", contenders, judge)


# ---- All together ------------------------------------------------------------------------------


def make_disks() -> None:
    bench = str(WORK / "bench")
    for folder in ("flat", "empty"):
        (WORK / folder).mkdir(exist_ok=True)
    run(bench, "raw", "full.raw", str(DISK_MIB), "full")
    run(bench, "import", "flat/disk.vmdk", "full.raw", "flat")
    piece, zeros = (WORK / "full.raw").read_bytes()[: 3 << 15], bytes(7 << 15)
    with open(WORK / "empty.raw", "wb") as file:
        while file.tell() < EMPTY_MIB * MIB:
            file.write(piece + zeros)
        file.truncate(EMPTY_MIB * MIB)
    run(bench, "import", "empty/disk.vmdk", "empty.raw", "flat")


def table(rows: list[Row]) -> str:
    head = ["Row", "Contender", "Median, MiB/s", "Lowest to highest", "Vixen / it", "Target", "Mark"]
    rule = ["---", "---", "---:", "---:", "---:", "---", "---"]
    lines = [head, rule, *(line for row in rows for line in row.lines())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def all_rows(servers: ExitStack) -> list[Row]:
    enter = servers.enter_context
    far = ["--latency-ms", str(LATENCY_MS)]
    flat = enter(simulator("flat/disk.vmdk"))
    port = enter(server(PROBE, "serve", "flat/disk-flat.vmdk")).strip()
    uris = {mode: enter(nbdkit("flat/disk-flat.vmdk", mode == "nbdssl")) for mode in ("nbd", "nbdssl")}
    rows = [
        speed_row(what, mode, size, depth, flat, port, uris[mode])
        for what in ("read", "write")
        for mode in ("nbd", "nbdssl")
        for size in SIZES
        for depth in (DEPTH, 0)
    ]
    distant = enter(simulator("flat/disk.vmdk", *far))
    rows += [latency_row(mode, size, distant) for mode in ("nbd", "nbdssl") for size in SIZES]
    rows.append(skipz_row(enter(simulator("empty/disk.vmdk", "--bandwidth", str(LINE)))))
    rows.append(memory_row(flat))
    wanted = os.environ.get("BENCH_REMOTE_ONLY", "")
    return [row for row in rows if wanted in row.title]


def main() -> None:
    make_disks()
    with ExitStack() as servers:
        rows = all_rows(servers)
        for row in rows:
            row.run()
    text = "\n\n".join(
        [
            f"Disk of {DISK_MIB} MiB without zeros, {ROUNDS} rounds of {SECONDS:g} s, "
            f"{run('nbdcopy', '--version').split(chr(10))[0]}, {run('nbdkit', '--version').split(' (')[0].strip()}; "
            f"{(time.monotonic() - BEGAN) / 60:.1f} minutes in all.",
            table(rows),
        ]
    )
    if DOCUMENT is not None:
        before, rest = DOCUMENT.read_text().split(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")
    print(text)


BEGAN = time.monotonic()
main()
