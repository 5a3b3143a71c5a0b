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
import statistics
import tempfile

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plot  # noqa: E402  (the backend comes first)

import rig  # noqa: E402

EXAMPLE = pathlib.Path("/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c")
DATA_MIB = 512
SMALL_FILES = 2000

DATA = {"filename": "data", "size": f"{DATA_MIB}m"}
RANDOM = {**DATA, "bs": "4k", "time_based": 1, "runtime": "{seconds}", "norandommap": 1}
# Name: (unit, fio options, whether the backing cache is warm).
OPERATIONS = {
    "sequential read, cold": ("MB/s", {**DATA, "rw": "read", "bs": "1m"}, False),
    "sequential read, warm": ("MB/s", {**DATA, "rw": "read", "bs": "1m", "loops": 3}, True),
    "sequential write, fsync": ("MB/s", {**DATA, "rw": "write", "bs": "1m", "end_fsync": 1}, True),
    "4 KiB random read, buffered": ("op/s", {**RANDOM, "rw": "randread"}, False),
    "4 KiB random write, buffered": ("op/s", {**RANDOM, "rw": "randwrite"}, True),
    "4 KiB random read, direct": ("op/s", {**RANDOM, "rw": "randread", "direct": 1}, True),
    "4 KiB random read, direct, 8 jobs": ("op/s", {**RANDOM, "rw": "randread", "direct": 1, "numjobs": 8}, True),
    "4 KiB random write, direct": ("op/s", {**RANDOM, "rw": "randwrite", "direct": 1}, True),
    "4 KiB random write, direct, 8 jobs": ("op/s", {**RANDOM, "rw": "randwrite", "direct": 1, "numjobs": 8}, True),
    "4 KiB mixed 70/30, buffered": ("op/s", {**RANDOM, "rw": "randrw", "rwmixread": 70}, True),
    "creating small files": ("op/s", {"ioengine": "filecreate", "nrfiles": SMALL_FILES, "filesize": "4k", "bs": "4k"}, True),
    "first stat of files": ("op/s", {"ioengine": "filestat", "nrfiles": SMALL_FILES, "filesize": "4k", "bs": "4k"}, True),
    "deleting small files": ("op/s", {"ioengine": "filedelete", "nrfiles": SMALL_FILES, "filesize": "4k", "bs": "4k"}, True),
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
def through_bandfs(arguments, source):
    with rig.bandfs(arguments.build, source, arguments.options) as mount:
        yield mount, (arguments.build / "src/cmd/bandfs").resolve()


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
    "passthrough_ll": through_peer(["{build}/passthrough_ll", "-f", "-o", "source={source},allow_other,default_permissions", "{mount}"]),
    "bindfs": through_peer(["bindfs", "-f", "{source}", "{mount}"]),
    "mergerfs": through_peer(["mergerfs", "-f", "-o", "allow_other", "{source}", "{mount}"]),
}


def measure(arguments, disk, way, operation):
    """Operations (or MB) per second and CPU microseconds for an operation (or MB); or why a peer cannot do it."""
    unit, options, warm = OPERATIONS[operation]
    work = pathlib.Path(disk.path) / "work"
    if unit == "op/s" and "nrfiles" in options:
        rig.run("rm", "-rf", work)
        work.mkdir()
    rig.run(disk.stack, "drop", disk.path)
    if warm and "filename" in options:
        rig.run("dd", f"if={work}/data", "of=/dev/null", "bs=1M")
    with tempfile.TemporaryDirectory() as folder, WAYS[way](arguments, disk.path) as (root, program):
        lines = ["[job]", f"directory={root}/work", "ioengine=psync", "fallocate=none", "overwrite=1", "group_reporting=1",
                 "randrepeat=0", "invalidate=0", "iomem=mmap"]
        lines += [f"{name}={str(value).format(seconds=arguments.seconds)}" for name, value in options.items()]
        before = cpu_seconds(program) if program else 0
        try:
            job = rig.fio("\n".join(lines) + "\n", folder)["jobs"][0]
        except RuntimeError as failure:
            if way in ("bare", "bandfs"):
                raise
            return str(failure).strip().splitlines()[-1].split(": ")[-2]
        used = cpu_seconds(program) - before if program else 0
    directions = [job["read"], job["write"]]
    if unit == "MB/s":
        amount = sum(direction["io_bytes"] for direction in directions) / 1e6
        rate = amount / (job["job_runtime"] / 1e3)
    else:
        amount = sum(direction["total_ios"] for direction in directions)
        rate = sum(direction["iops"] for direction in directions)
    return rate, 1e6 * used / max(1, amount)


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
    parser.add_argument("--ways", default=",".join(WAYS), help=f"which to compare ({','.join(WAYS)})")
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
    with rig.disk(arguments.build, 0) as disk:
        work = pathlib.Path(disk.path) / "work"
        for operation in OPERATIONS:
            if arguments.case and not any(part in operation for part in arguments.case):
                continue
            rig.run("rm", "-rf", work)
            work.mkdir()
            rig.run("dd", "if=/dev/urandom", f"of={work}/data", "bs=1M", f"count={DATA_MIB}", "conv=fsync")
            rounds = [{way: measure(arguments, disk, way, operation) for way in ways} for _ in range(arguments.rounds)]
            entry = {}
            for way in ways:
                refusals = [one[way] for one in rounds if isinstance(one[way], str)]
                if refusals:
                    entry[way] = {"refused": refusals[0]}
                    continue
                ratios = [one[way][0] / one["bare"][0] for one in rounds]
                entry[way] = {"rate": statistics.median(one[way][0] for one in rounds), "ratio": statistics.median(ratios),
                              "ratios": ratios, "cpu_us": statistics.median(one[way][1] for one in rounds)}
            table[operation] = entry
            unit = OPERATIONS[operation][0]
            print(f"| {operation}, {unit} | {entry['bare']['rate']:.0f} |", " | ".join(cell(entry[way]) for way in others), "|",
                  flush=True)
    (out / "speed.json").write_text(json.dumps({"machine": rig.machine(), "table": table}, indent=1))
    draw(table, ways, out / "speed.svg")
    print(f"\n{out}/speed.json and speed.svg")


if __name__ == "__main__":
    main()
