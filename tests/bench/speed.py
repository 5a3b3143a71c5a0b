"""Operations through bandfs and its peers beside the bare directory, in interleaved rounds.

Every file system is mounted anew over the same directory for each operation and round, so that none finds what another
left in a cache. A number is operations (or MB) per second; the ratio is to the bare directory of the same round; CPU is
what the file system's own process used for an operation. A peer that cannot do an operation shows why; bindfs does
O_DIRECT through its page cache, which flatters it.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import tempfile
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plot  # noqa: E402  (the backend comes first)

import rig  # noqa: E402

EXAMPLE = pathlib.Path("/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c")
DATA_MIB = 512
SMALL_FILES = 2000
UNPACKED = "/usr/include/linux"
# Whether the kernel offers FUSE over io_uring to new mounts.
RINGS = pathlib.Path("/sys/module/fuse/parameters/enable_uring")

FIO_JOB = ["[job]", "directory={work}", "ioengine=psync", "fallocate=none", "overwrite=1", "group_reporting=1", "randrepeat=0",
           "invalidate=0", "iomem=mmap"]


class Fio:
    """What fio does to a file of DATA_MIB, `warm` or not in the page cache of the bare directory."""

    def __init__(self, unit, warm, **options):
        self.unit, self.warm = unit, warm
        self.options = {"filename": "data", "size": f"{DATA_MIB}m", **options}

    def prepare(self, _arguments, work):
        data = work / "data"
        if not data.exists():
            rig.run("dd", "if=/dev/urandom", f"of={data}", "bs=1M", f"count={DATA_MIB}", "conv=fsync")
        with open(data, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while self.warm and file.read(1 << 20):
                pass

    def perform(self, arguments, work):
        """Operations (or MB), and seconds."""
        lines = [line.format(work=work) for line in FIO_JOB]
        lines += [f"{name}={str(value).format(seconds=arguments.seconds)}" for name, value in self.options.items()]
        with tempfile.TemporaryDirectory() as folder:
            job = rig.fio("\n".join(lines) + "\n", folder)["jobs"][0]
        directions = [job["read"], job["write"]]
        if self.unit == "MB/s":
            return sum(direction["io_bytes"] for direction in directions) / 1e6, job["job_runtime"] / 1e3
        amount = sum(direction["total_ios"] for direction in directions)
        return amount, amount / sum(direction["iops"] for direction in directions)


def random(**options):
    return {"bs": "4k", "time_based": 1, "runtime": "{seconds}", "norandommap": 1, **options}


class SmallFiles:
    """One operation on each of many small files; tests/bench/small_files.cc."""

    unit = "op/s"

    def __init__(self, operation):
        self.operation = operation

    def prepare(self, arguments, work):
        rig.run("rm", "-rf", work)
        work.mkdir()
        if self.operation != "create":
            self.run("create", arguments, work)
        os.sync()

    def perform(self, arguments, work):
        return SMALL_FILES, int(self.run(self.operation, arguments, work)) / 1e9

    @staticmethod
    def run(operation, arguments, work):
        return rig.run(arguments.build / "tests/bench/small-files", operation, work, SMALL_FILES)


class Untar:
    """Unpacking the kernel's headers from an archive in memory."""

    unit = "op/s"

    def prepare(self, _arguments, work):
        rig.run("rm", "-rf", work)
        work.mkdir()
        os.sync()

    def perform(self, _arguments, work):
        with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".tar") as archive:
            rig.run("tar", "-cf", archive.name, "-C", UNPACKED, ".")
            files = len(rig.run("tar", "-tf", archive.name).splitlines())
            start = time.monotonic()
            rig.run("tar", "-xf", archive.name, "-C", work)
            return files, time.monotonic() - start


OPERATIONS = {
    "sequential read, cold": Fio("MB/s", False, rw="read", bs="1m"),
    "sequential read, warm": Fio("MB/s", True, rw="read", bs="1m", loops=3),
    "sequential write, fsync": Fio("MB/s", True, rw="write", bs="1m", end_fsync=1),
    "4 KiB random read, buffered": Fio("op/s", False, **random(rw="randread")),
    "4 KiB random read, buffered, 8 jobs": Fio("op/s", False, **random(rw="randread", numjobs=8)),
    "4 KiB random write, buffered": Fio("op/s", True, **random(rw="randwrite")),
    "4 KiB random write, buffered, 8 jobs": Fio("op/s", True, **random(rw="randwrite", numjobs=8)),
    "4 KiB random read, direct": Fio("op/s", True, **random(rw="randread", direct=1)),
    "4 KiB random read, direct, 8 jobs": Fio("op/s", True, **random(rw="randread", direct=1, numjobs=8)),
    "4 KiB random write, direct": Fio("op/s", True, **random(rw="randwrite", direct=1)),
    "4 KiB random write, direct, 8 jobs": Fio("op/s", True, **random(rw="randwrite", direct=1, numjobs=8)),
    "4 KiB mixed 70/30, buffered": Fio("op/s", True, **random(rw="randrw", rwmixread=70)),
    "creating small files": SmallFiles("create"),
    "first stat of files": SmallFiles("stat"),
    "reading small files": SmallFiles("read"),
    "deleting small files": SmallFiles("delete"),
    "untar, files": Untar(),
}


def cpu_seconds(program):
    """User and system time of the processes that run `program`; None: the kernel's own file system."""
    total = 0.0
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.path.realpath(process / "exe") == str(program):
                fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


@contextlib.contextmanager
def bare(_arguments, source):
    yield source, None


@contextlib.contextmanager
def through_bandfs(arguments, source, more=""):
    with rig.bandfs(arguments.build, source, arguments.options + more) as mount:
        yield mount, (arguments.build / "src/cmd/bandfs").resolve()


@contextlib.contextmanager
def through_bandfs_over_rings(arguments, source):
    before = RINGS.read_text()
    RINGS.write_text("Y")
    try:
        with through_bandfs(arguments, source, ",transport=auto") as way:
            yield way
    finally:
        RINGS.write_text(before)


def through_peer(command):
    @contextlib.contextmanager
    def way(arguments, source):
        with rig.mount_point() as path:
            words = [word.format(build=arguments.build, source=source, mount=path) for word in command]
            with rig.peer(words, path):
                yield path, pathlib.Path(rig.run("which", words[0])).resolve()
    return way


WAYS = {
    "bare": bare,
    "bandfs": through_bandfs,
    "bandfs-rings": through_bandfs_over_rings,
    "passthrough_ll": through_peer(["{build}/passthrough_ll", "-f", "-o", "source={source},allow_other,default_permissions", "{mount}"]),
    "bindfs": through_peer(["bindfs", "-f", "{source}", "{mount}"]),
    "mergerfs": through_peer(["mergerfs", "-f", "-o", "allow_other", "{source}", "{mount}"]),
}


def measure(arguments, source, way, operation):
    """Operations (or MB) per second and CPU microseconds for an operation (or MB); or why a peer cannot do it."""
    operation.prepare(arguments, source / "work")
    with WAYS[way](arguments, source) as (root, program):
        before = cpu_seconds(program) if program else 0
        try:
            amount, seconds = operation.perform(arguments, pathlib.Path(root) / "work")
        except RuntimeError as failure:
            if way == "bare" or way.startswith("bandfs"):
                raise
            said = re.search(r'"error" : ([1-9][0-9]*)', str(failure))
            return os.strerror(int(said.group(1))) if said else str(failure).splitlines()[0]
        used = cpu_seconds(program) - before if program else 0
    return amount / seconds, 1e6 * used / amount


def build_peer(build):
    if not EXAMPLE.exists():
        raise RuntimeError(f"{EXAMPLE} is missing; libfuse3-dev ships it")
    flags = rig.run("pkg-config", "--cflags", "--libs", "fuse3").split()
    rig.run("gcc", "-O2", "-w", EXAMPLE, "-o", build / "passthrough_ll", *flags)


def cell(figures):
    if "refused" in figures:
        return figures["refused"]
    spread = f"{min(figures['ratios']):.2f}–{max(figures['ratios']):.2f}"
    return f"{figures['rate']:.0f} ({figures['ratio']:.2f}, {spread}; {figures['cpu_us']:.0f} us)"


def draw(table, ways, path):
    figure, axis = plot.subplots(figsize=(8, 0.55 * len(table) + 1.5))
    height = 0.8 / len(ways)
    for index, way in enumerate(ways):
        axis.barh([row + index * height for row in range(len(table))], [entry[way].get("ratio", 0) for entry in table.values()],
                  height, label=way)
    axis.set_yticks([row + 0.3 for row in range(len(table))], table)
    axis.invert_yaxis()
    axis.set_xlabel("of the bare directory's speed")
    axis.legend()
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(prog="bench speed", description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--seconds", type=int, default=3, help="of a random case (3)")
    parser.add_argument("--directory", default="/var/tmp", help="on whose disk (/var/tmp)")
    known = [way for way in WAYS if RINGS.exists() or "rings" not in way]
    parser.add_argument("--ways", default=",".join(known), help=f"which to compare ({','.join(known)})")
    parser.add_argument("--options", default="policy=default", help="of bandfs")
    parser.add_argument("--case", action="append", help="a part of an operation's name; may repeat (all)")
    arguments = parser.parse_args()
    ways = arguments.ways.split(",")
    if "bare" not in ways:
        parser.error("--ways: the ratios need bare among them")
    out = arguments.build / "results"
    out.mkdir(exist_ok=True)
    build_peer(arguments.build)
    others = [way for way in ways if way != "bare"]

    print(rig.machine())
    print(f"median of {arguments.rounds} rounds; in brackets the ratio to the bare directory, its spread, and CPU us for each\n")
    print("| operation | bare |", " | ".join(others), "|")
    print("| --- | --- |" + " --- |" * len(others))
    table = {}
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        source = pathlib.Path(folder)
        source.chmod(0o755)
        for name, operation in OPERATIONS.items():
            if arguments.case and not any(part in name for part in arguments.case):
                continue
            (source / "work").mkdir(exist_ok=True)
            rounds = [{way: measure(arguments, source, way, operation) for way in ways} for _ in range(arguments.rounds)]
            entry = {}
            for way in ways:
                refusals = [one[way] for one in rounds if isinstance(one[way], str)]
                if refusals:
                    entry[way] = {"refused": refusals[0]}
                    continue
                ratios = [one[way][0] / one["bare"][0] for one in rounds]
                entry[way] = {"rate": statistics.median(one[way][0] for one in rounds), "ratio": statistics.median(ratios),
                              "ratios": ratios, "cpu_us": statistics.median(one[way][1] for one in rounds)}
            table[name] = entry
            print(f"| {name}, {operation.unit} | {entry['bare']['rate']:.0f} |", " | ".join(cell(entry[way]) for way in others), "|",
                  flush=True)
    (out / "speed.json").write_text(json.dumps({"machine": rig.machine(), "table": table}, indent=1))
    draw(table, ways, out / "speed.svg")
    print(f"\n{out}/speed.json and speed.svg")


if __name__ == "__main__":
    main()
