"""What the benchmarks measure on: disks, mounts and fio. Everything made is taken down when its `with` block ends."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))   # so that `with` blocks end

TOP = pathlib.Path(__file__).resolve().parents[2]


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


@contextlib.contextmanager
def peer(command, mounted_path):
    """A FUSE file system that stays in the foreground: started, waited for, and ended by unmounting."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.ismount(mounted_path), f"{command[0]} to mount")
        yield process
    finally:
        unmount(mounted_path)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fio(job_text, directory):
    """Runs fio on a job file; its JSON. Logs that the jobs write land in `directory`."""
    job = pathlib.Path(directory) / "jobs.fio"
    job.write_text(job_text)
    out = pathlib.Path(directory) / "fio.json"
    try:
        run("fio", "--output-format=json", f"--output={out}", job, cwd=directory)
    except RuntimeError as failure:
        raise RuntimeError(f"{failure}{out.read_text() if out.exists() else ''}") from None
    text = out.read_text()
    return json.loads(text[text.index("{"):])


def machine():
    """One line about the machine, for tables."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} x {cpu}, Linux {os.uname().release}, load {os.getloadavg()[0]:.1f}"
