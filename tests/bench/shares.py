"""Wanted and achieved shares on simulated disks: bandfs beside BFQ and no control.

Each case is one fio run, so that all users are measured in the same window: what was done in it, by fio's log of every
request. (fio's sums have the requests too that end after it: 4 MiB more for four readers of 1 MiB, whatever their
weight.) A case runs several times; medians are shown.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import tempfile

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plot  # noqa: E402  (the backend comes first)

import rig  # noqa: E402

START_S = 2       # seconds before a measurement begins
GROUP_MIB = 640   # of files of each group: more than it reads in a measurement, or it would find them in a cache
FIRST_USER = 2001
BLKIO = pathlib.Path("/sys/fs/cgroup/blkio")


@dataclasses.dataclass
class Group:
    weight: int
    fio: dict           # options of this user's job
    wanted: float | None = None   # share in percent; from the weights when None


SEQUENTIAL_READ = {"rw": "read", "bs": "1m", "direct": 1}
RANDOM_READ = {"rw": "randread", "bs": "4k", "direct": 1}
BUFFERED_READ = {"rw": "read", "bs": "128k"}
BUFFERED_WRITE = {"rw": "write", "bs": "128k"}
DIRECT_WRITE = {"rw": "write", "bs": "1m", "direct": 1}


def jobs(count, **options):
    return {**options, "numjobs": count}


CASES = {
    "3:1, four direct readers each": [Group(300, jobs(4, **SEQUENTIAL_READ)), Group(100, jobs(4, **SEQUENTIAL_READ))],
    "40:20:10, four direct readers each": [Group(w, jobs(4, **SEQUENTIAL_READ)) for w in (40, 20, 10)],
    "40:20:10, 8/16/32 random readers": [
        Group(w, jobs(n, **RANDOM_READ)) for w, n in ((40, 8), (20, 16), (10, 32))],
    "3:1, one buffered reader each": [Group(300, BUFFERED_READ), Group(100, BUFFERED_READ)],
    "1:1, one reader against 16": [Group(100, BUFFERED_READ), Group(100, jobs(16, **BUFFERED_READ))],
    "3:1, one buffered writer each": [Group(300, BUFFERED_WRITE), Group(100, BUFFERED_WRITE)],
    "40:20:10, four buffered writers each": [Group(w, jobs(4, **BUFFERED_WRITE)) for w in (40, 20, 10)],
    "3:1, one direct writer each": [Group(300, DIRECT_WRITE), Group(100, DIRECT_WRITE)],
    "1:1, reader against buffered writer": [Group(100, BUFFERED_READ), Group(100, BUFFERED_WRITE)],
    "1:1, 4 KiB against 1 MiB": [Group(100, jobs(4, **RANDOM_READ)), Group(100, jobs(4, **SEQUENTIAL_READ))],
}


def wanted_shares(groups):
    whole = sum(group.weight for group in groups)
    return [100 * group.weight / whole if group.wanted is None else group.wanted for group in groups]


def job_file(groups, root, seconds, cgroups):
    lines = ["[global]", "time_based=1", f"runtime={START_S + seconds + 1}", "ioengine=psync", "fallocate=none",
             "overwrite=1", "invalidate=1", "iomem=mmap", "per_job_logs=1", "randrepeat=0"]
    for index, group in enumerate(groups):
        uid = FIRST_USER + index
        for number in range(group.fio.get("numjobs", 1)):   # fio changes the uid of the first of numjobs alone
            lines += [f"[user{uid}.{number}]", f"filename={root}/{uid}/{number}", f"write_bw_log=user{uid}"]
            if cgroups:   # fio could not enter them as somebody else than root
                lines += [f"cgroup={cgroups[index]}", "cgroup_nodelete=1"]
            else:
                lines += [f"uid={uid}", f"gid={uid}"]
            lines += [f"{name}={value}" for name, value in group.fio.items() if name != "numjobs"]
    return "\n".join(lines) + "\n"


def prepare(disk, groups):
    """Every user's files, written, not only allocated."""
    disk.fast()
    for index, group in enumerate(groups):
        uid = FIRST_USER + index
        folder = pathlib.Path(disk.path) / str(uid)
        folder.mkdir(exist_ok=True)
        size = GROUP_MIB // group.fio.get("numjobs", 1)
        for number in range(group.fio.get("numjobs", 1)):
            path = folder / str(number)
            if not path.exists() or path.stat().st_size != size << 20:
                rig.run("dd", "if=/dev/urandom", f"of={path}", "bs=1M", f"count={size}", "conv=fsync")
        group.fio["size"] = f"{size}m"
        rig.run("chown", "-R", f"{uid}:{uid}", folder)
    disk.slow()


def read_series(folder, groups, seconds):
    """What each group did: a list of MB/s per quarter second of the measurement."""
    series = []
    for index in range(len(groups)):
        cells = [0.0] * (4 * seconds)
        for log in pathlib.Path(folder).glob(f"user{FIRST_USER + index}_bw.*.log"):
            for line in log.read_text().splitlines():
                done_ms, _, _, size = (int(word) for word in line.split(",")[:4])
                cell = (done_ms - 1000 * START_S) // 250
                if 0 <= cell < len(cells):
                    cells[cell] += size * 4 / 1e6
        series.append(cells)
    return series


@contextlib.contextmanager
def bandfs_way(arguments, disk, groups):
    with rig.bandfs(arguments.build, disk.path, f"type=user,{arguments.options}") as mount:
        for index, group in enumerate(groups):
            rig.message(mount, "attach", FIRST_USER + index)
            rig.message(mount, "weight", f"{FIRST_USER + index}:{group.weight}")
        yield mount, None


@contextlib.contextmanager
def small_page_cache():
    """As much dirty data as two groups of bandfs may have; otherwise all writes of a measurement end in memory."""
    bound = pathlib.Path("/proc/sys/vm/dirty_bytes")
    ratio = pathlib.Path("/proc/sys/vm/dirty_ratio")
    before, ratio_before = bound.read_text(), ratio.read_text()
    bound.write_text(str(128 << 20))
    try:
        yield
    finally:
        if int(before):
            bound.write_text(before)
        else:
            ratio.write_text(ratio_before)


@contextlib.contextmanager
def bare_way(_arguments, disk, _groups):
    with small_page_cache():
        yield disk.path, None


@contextlib.contextmanager
def bfq_way(_arguments, disk, groups):
    """BFQ with the weights scaled into its range of 1 to 1000, a cgroup (v1) for each user."""
    names = [f"bandfs-bench-{FIRST_USER + index}" for index in range(len(groups))]
    rig.run(disk.stack, "scheduler", disk.path, "bfq")
    try:
        for name, group in zip(names, groups):
            (BLKIO / name).mkdir(exist_ok=True)
            (BLKIO / name / "blkio.bfq.weight").write_text(str(group.weight))
        with small_page_cache():
            yield disk.path, names
    finally:
        for name in names:
            if (BLKIO / name).exists():
                rig.wait_until(lambda path=BLKIO / name: not (path / "tasks").read_text(), f"cgroup {name} to empty")
                (BLKIO / name).rmdir()
        rig.run(disk.stack, "scheduler", disk.path, "none")


WAYS = {"bandfs": bandfs_way, "bfq": bfq_way, "none": bare_way}


def measure(arguments, disk, groups, way):
    """Shares in percent, total in MB/s, and bandwidth over time."""
    prepare(disk, groups)
    with tempfile.TemporaryDirectory() as folder, WAYS[way](arguments, disk, groups) as (root, cgroups):
        os.chmod(folder, 0o777)
        rig.fio(job_file(groups, root, arguments.seconds, cgroups), folder)
        series = read_series(folder, groups, arguments.seconds)
        rates = [statistics.mean(cells) for cells in series]
    return [100 * rate / sum(rates) for rate in rates], sum(rates), series


def draw(results, path):
    figure, axes = plot.subplots(len(results), 1, figsize=(8, 2.2 * len(results)), squeeze=False)
    for axis, result in zip(axes[:, 0], results):
        for index, values in enumerate(result["series"]):
            axis.plot([cell / 4 for cell in range(len(values))], values, label=f"weight {result['weights'][index]}")
        axis.set_title(f"{result['case']} ({result['way']})", fontsize=9)
        axis.set_ylabel("MB/s", fontsize=8)
        axis.legend(fontsize=7)
    axes[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(prog="bench shares", description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--disk", type=int, default=40, help="MB/s of the disk (40); 0 is as fast as memory")
    parser.add_argument("--seconds", type=int, default=10, help="of one measurement, after two to start (10)")
    parser.add_argument("--rounds", type=int, default=3, help="of each case; the median is shown (3)")
    parser.add_argument("--ways", default="bandfs,bfq,none", help="which to compare (bandfs,bfq,none)")
    parser.add_argument("--options", default="policy=default", help="of bandfs, such as policy=weight,token=64,io_throttle=1")
    parser.add_argument("--case", action="append", help="a part of a case's name; may repeat (all)")
    arguments = parser.parse_args()
    out = arguments.build / "results"
    out.mkdir(exist_ok=True)

    print(rig.machine())
    print(f"disk {arguments.disk} MB/s, bandfs -o {arguments.options}, {arguments.rounds} rounds of {arguments.seconds} s\n")
    print("| case | wanted |", " | ".join(arguments.ways.split(",")), "|")
    print("| --- | --- |" + " --- |" * len(arguments.ways.split(",")))
    results = []
    with rig.disk(arguments.build, arguments.disk) as disk:
        for name, groups in CASES.items():
            if arguments.case and not any(part in name for part in arguments.case):
                continue
            cells = []
            for way in arguments.ways.split(","):
                rounds = [measure(arguments, disk, groups, way) for _ in range(arguments.rounds)]
                shares = [statistics.median(column) for column in zip(*(shares for shares, _, _ in rounds))]
                total = statistics.median(total for _, total, _ in rounds)
                cells.append(":".join(f"{share:.1f}" for share in shares) + f" at {total:.1f} MB/s")
                results.append({"case": name, "way": way, "weights": [group.weight for group in groups],
                                "wanted": wanted_shares(groups), "shares": shares, "mb_per_s": total,
                                "rounds": [shares for shares, _, _ in rounds], "series": rounds[-1][2]})
            wanted = ":".join(f"{share:.1f}" for share in wanted_shares(groups))
            print(f"| {name} | {wanted} |", " | ".join(cells), "|", flush=True)
            for index in range(len(groups)):
                shutil.rmtree(pathlib.Path(disk.path) / str(FIRST_USER + index))
    (out / "shares.json").write_text(json.dumps({"machine": rig.machine(), "results": results}, indent=1))
    draw(results, out / "shares.svg")
    print(f"\n{out}/shares.json and shares.svg")


if __name__ == "__main__":
    main()
