"""What the benchmarks measure on: disks, mounts, users with weights, and fio.

Everything made is taken down when its `with` block ends.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))   # so that `with` blocks end

TOP = pathlib.Path(__file__).resolve().parents[2]
BLKIO = pathlib.Path("/sys/fs/cgroup/blkio")
FIRST_USER = 2001
START_S = 2           # seconds before a measurement begins
GROUP_MIB = 640       # of files of each group: more than it reads in a measurement, or it would find them in a cache
ALL_GROUPS_MIB = 2560   # of files of all groups, which have to fit on a disk

SEQUENTIAL_READ = {"rw": "read", "bs": "1m", "direct": 1}
BUFFERED_READ = {"rw": "read", "bs": "128k"}


def run(*command, **options):
    """Runs a command that must succeed; its output."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, check=False, **options)
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout.strip()


def wait_until(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} takes more than {seconds} seconds")
        time.sleep(0.05)


def unmount(path):
    if os.path.ismount(path):
        subprocess.run(["umount", path], check=False, capture_output=True)
        if os.path.ismount(path):
            run("umount", "-l", path)


@contextlib.contextmanager
def disk(build, mb_per_s, mib=3072, scheduler="none"):
    """A file system on a simulated disk of one lane, unlimited at first: a Disk."""
    stack = TOP / "tests/rig/stack"
    path = run(stack, "up", build / "tests/rig/lanedisk", mib, 0, scheduler)
    try:
        yield Disk(stack, path, mb_per_s)
    finally:
        run(stack, "down", path)


class Disk:
    def __init__(self, stack, path, mb_per_s):
        self.stack, self.path, self.mb_per_s = stack, path, mb_per_s

    def slow(self):
        """Writes back and forgets what is cached, then gives the disk its speed."""
        self.fast()
        run(self.stack, "drop", self.path)
        run(self.stack, "rate", self.path, self.mb_per_s)

    def fast(self):
        run(self.stack, "rate", self.path, 0)

    def clear(self):
        """Removes the files of all users."""
        self.fast()
        for folder in pathlib.Path(self.path).glob("[0-9]*"):
            shutil.rmtree(folder)


@contextlib.contextmanager
def mount_point():
    path = tempfile.mkdtemp(prefix="bandfs-bench.")
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        unmount(path)
        os.rmdir(path)


@contextlib.contextmanager
def bandfs(build, source, options):
    with mount_point() as path:
        run(build / "src/cmd/bandfs", source, path, "-o", "allow_other,default_permissions," + options)
        yield path


def message(mount, name, value):
    os.setxattr(f"{mount}/.bandfs", f"user.bandfs.{name}", str(value).encode())


def reap(process):
    """Waits for one that has been told to end."""
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def peer(command, mounted_path):
    """A FUSE file system that stays in the foreground: started, waited for, and ended by unmounting."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.ismount(mounted_path), f"{command[0]} to mount")
        yield process
    finally:
        unmount(mounted_path)
        reap(process)


def fio(job_text, directory):
    """Runs fio on a job file; its JSON. Logs that the jobs write land in `directory`."""
    job = pathlib.Path(directory) / "jobs.fio"
    job.write_text(job_text)
    out = pathlib.Path(directory) / "fio.json"
    command = ["fio", "--output-format=json", f"--output={out}", job]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            said, _ = process.communicate(timeout=600)
        except BaseException:
            process.terminate()   # it tells its jobs to end; killed, it would leave them behind
            reap(process)
            raise
    text = out.read_text() if out.exists() else ""
    if process.returncode:
        raise RuntimeError(f"fio: exit code {process.returncode}\n{said}{text}")
    return json.loads(text[text.index("{"):])


@dataclasses.dataclass
class Group:
    """A user of a weight, and the options of each of its jobs in fio; without any it is attached and does nothing."""
    weight: int
    jobs: list


class Request(typing.NamedTuple):
    end_ms: float    # since the measurement began
    wait_ms: float   # from its call to its end
    size: int


class Place(typing.NamedTuple):
    """Where a group works."""
    folder: pathlib.Path    # of its files
    cgroup: str | None      # that its jobs enter, as root: fio could not as somebody else; None: they run as the group's user


def user(index):
    return FIRST_USER + index


def places(root, groups, cgroups=None):
    return [Place(pathlib.Path(root) / str(user(index)), cgroups[index] if cgroups else None) for index in range(len(groups))]


def file_mib(groups, group):
    return min(GROUP_MIB, ALL_GROUPS_MIB // len(groups)) // len(group.jobs)


def prepare(disk, groups):
    """Every user's files, written, not only allocated."""
    disk.fast()
    for index, group in enumerate(groups):
        folder = places(disk.path, groups)[index].folder
        folder.mkdir(exist_ok=True)
        for number in range(len(group.jobs)):
            path = folder / str(number)
            size = file_mib(groups, group)
            if not path.exists() or path.stat().st_size != size << 20:
                run("dd", "if=/dev/urandom", f"of={path}", "bs=1M", f"count={size}", "conv=fsync")
        run("chown", "-R", f"{user(index)}:{user(index)}", folder)
    disk.slow()


def job_file(groups, group_places, seconds):
    lines = ["[global]", "time_based=1", f"runtime={START_S + seconds + 1}", "ioengine=psync", "fallocate=none",
             "overwrite=1", "invalidate=1", "iomem=mmap", "per_job_logs=1", "randrepeat=0",
             "log_unix_epoch=1", "disable_slat=1", "disable_clat=1"]
    for index, (group, place) in enumerate(zip(groups, group_places)):
        for number, job in enumerate(group.jobs):   # fio changes the uid of the first of numjobs alone
            lines += [f"[user{user(index)}.{number}]", f"filename={place.folder}/{number}", f"size={file_mib(groups, group)}m",
                      f"write_lat_log=user{user(index)}"]
            if place.cgroup:
                lines += [f"cgroup={place.cgroup}", "cgroup_nodelete=1"]
            else:
                lines += [f"uid={user(index)}", f"gid={user(index)}"]
            lines += [f"{name}={value}" for name, value in job.items()]
    return "\n".join(lines) + "\n"


def perform(groups, group_places, seconds):
    """What each group did in one run of fio, so that all are measured in the same window: a list of requests by their end.

    That is by fio's log of every request. Its sums have the requests too that end after the window: 4 MiB more for four
    readers of 1 MiB, whatever their weight.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        fio(job_file(groups, group_places, seconds), folder)
        logs = [[[int(word) for word in line.split(",")[:4]]
                 for log in pathlib.Path(folder).glob(f"user{user(index)}_lat.*.log") for line in log.read_text().splitlines()]
                for index in range(len(groups))]
    start_ms = min(end_ms for log in logs for end_ms, *_ in log) + 1000 * START_S
    return [sorted(Request(end_ms - start_ms, wait_ns / 1e6, size) for end_ms, wait_ns, _, size in log
                   if 0 <= end_ms - start_ms < 1000 * seconds) for log in logs]


def measure(arguments, disk, groups, way):
    """What each group did on the disk, with files that nobody has in a cache."""
    prepare(disk, groups)
    with way(arguments, disk, groups) as group_places:
        return perform(groups, group_places, arguments.seconds)


def attach(mount, index, group):
    message(mount, "attach", user(index))
    message(mount, "weight", f"{user(index)}:{group.weight}")


def bandfs_of_users(arguments, source):
    return bandfs(arguments.build, source, f"type=user,{arguments.options}")


@contextlib.contextmanager
def bandfs_way(arguments, disk, groups):
    with bandfs_of_users(arguments, disk.path) as mount:
        for index, group in enumerate(groups):
            attach(mount, index, group)
        yield places(mount, groups)


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
def bare_way(_arguments, disk, groups):
    with small_page_cache():
        yield places(disk.path, groups)


@contextlib.contextmanager
def bfq_way(_arguments, disk, groups):
    """BFQ with the weights scaled into its range of 1 to 1000, a cgroup (v1) for each user."""
    names = [f"bandfs-bench-{user(index)}" for index in range(len(groups))]
    run(disk.stack, "scheduler", disk.path, "bfq")
    try:
        for name, group in zip(names, groups):
            (BLKIO / name).mkdir(exist_ok=True)
            (BLKIO / name / "blkio.bfq.weight").write_text(str(group.weight))
        with small_page_cache():
            yield places(disk.path, groups, names)
    finally:
        for name in names:
            if (BLKIO / name).exists():
                wait_until(lambda path=BLKIO / name: not (path / "tasks").read_text(), f"cgroup {name} to empty")
                (BLKIO / name).rmdir()
        run(disk.stack, "scheduler", disk.path, "none")


WAYS = {"bandfs": bandfs_way, "bfq": bfq_way, "none": bare_way}


def parse_arguments(what, description):
    parser = argparse.ArgumentParser(prog=f"bench {what}", description=description)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--disk", type=int, default=40, help="MB/s of the disk (40); 0 is as fast as memory")
    parser.add_argument("--seconds", type=int, default=10, help="of one measurement, after two to start (10)")
    parser.add_argument("--rounds", type=int, default=3, help="of each case; the median is shown (3)")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"which to compare ({','.join(WAYS)})")
    parser.add_argument("--options", default="policy=default", help="of bandfs, such as policy=weight,token=64,io_throttle=1")
    parser.add_argument("--case", action="append", help="a part of a case's name; may repeat (all)")
    return parser.parse_args()


def asked_for(arguments, cases):
    return {name: case for name, case in cases.items()
            if not arguments.case or any(part in name for part in arguments.case)}


def heading(arguments):
    """What a table was measured with."""
    return (f"{machine()}\ndisk {arguments.disk} MB/s, bandfs -o {arguments.options}, "
            f"{arguments.rounds} rounds of {arguments.seconds} s\n")


def machine():
    """One line about the machine, for tables."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} x {cpu}, Linux {os.uname().release}, load {os.getloadavg()[0]:.1f}"


def write_results(arguments, what, results):
    out = arguments.build / "results"
    out.mkdir(exist_ok=True)
    (out / f"{what}.json").write_text(json.dumps(
        {"machine": machine(), "disk_mb_per_s": arguments.disk, "options": arguments.options, "results": results}, indent=1))
    print(f"\nmore in {out}")
