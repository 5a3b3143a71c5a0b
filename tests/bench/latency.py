"""Waiting, lending and waking on simulated disks, and two mounts or disks at a time: bandfs beside BFQ and no control.

A figure is the median of all rounds; it is taken from fio's log of every request. "Alone" is by the same way, in the same
round. `-` stands for what no request told.
"""
import contextlib
import dataclasses
import math
import statistics
import typing

import rig
from rig import BUFFERED_READ, SEQUENTIAL_READ, Group

UNIT = 128 << 10      # bytes that bandfs schedules at once
WINDOW_MS = 50        # in which a waking group's share is looked at
NAP_EVERY_MS = 2000   # of a group that is awake for half of it, in the middle
AWAKE_MS = 1000
CATCH_UP_MS = 250     # that a wake may take
CATCH_UP_FAST_MS = 100   # on a disk as fast as memory

UNIT_READ = {**SEQUENTIAL_READ, "bs": "128k"}
PACED_READ = {"rw": "randread", "bs": "16k", "direct": 1, "rate_iops": 50}   # 2 % of 40 MB/s
HOG = 64 * [{"rw": "randread", "bsrange": "128k-1m", "direct": 1, "norandommap": 1}]


@dataclasses.dataclass
class Bench:
    """A disk, and what was asked for."""
    arguments: typing.Any
    disk: rig.Disk

    def run(self, way, *groups):
        return rig.measure(self.arguments, self.disk, groups, rig.WAYS[way])

    def rate(self, *logs):
        """MB/s of all the requests together."""
        return sum(request.size for log in logs for request in log) / 1e6 / self.arguments.seconds

    def speed(self, way, group):
        """MB/s of the disk: of one as fast as memory, what `group` does alone."""
        return self.arguments.disk or self.rate(*self.run(way, group))


def share(log, *others):
    mine = sum(request.size for request in log)
    every = mine + sum(request.size for other in others for request in other)
    return 100 * mine / every if every else None


def longest_ms(requests):
    return max((request.wait_ms for request in requests), default=None)


def p99_ms(requests):
    waits = sorted(request.wait_ms for request in requests)
    return waits[math.ceil(0.99 * len(waits)) - 1] if waits else None


def lone_reader(bench, way):
    lone, crowd = bench.run(way, Group(100, [BUFFERED_READ]), Group(100, 16 * [BUFFERED_READ]))
    return share(lone, crowd), longest_ms(lone), bench.rate(lone, crowd)


def lending_all(bench, way):
    busy = Group(100, 4 * [SEQUENTIAL_READ])
    speed = bench.speed(way, busy)
    rate = bench.rate(*bench.run(way, busy, Group(100, [])))
    return rate, 100 * rate / speed


def lending_rest(bench, way):
    busy = Group(100, 4 * [SEQUENTIAL_READ])
    speed = bench.speed(way, busy)
    wanted = speed / 10
    paced, other = bench.run(way, Group(100, [{**UNIT_READ, "rate": round(1e6 * wanted)}]), busy)
    return 100 * bench.rate(paced) / wanted, bench.rate(other), 100 * bench.rate(other) / (speed - bench.rate(paced))


def wakes(requests):
    """When a group that sleeps in between began to read, by its first request after each sleep."""
    begins = sorted(request.end_ms - request.wait_ms for request in requests)
    return [begin for before, begin in zip([-math.inf, *begins], begins) if begin - before > AWAKE_MS / 2]


def between(requests, start_ms, end_ms):
    return [request for request in requests if start_ms <= request.end_ms < end_ms]


def ms_to_share(start_ms, sleeper, other):
    """From a wake to the end of the first window in which the sleeper has 90 % of its half."""
    for end in range(WINDOW_MS, AWAKE_MS + WINDOW_MS, WINDOW_MS):
        window = start_ms + end - WINDOW_MS, start_ms + end
        if (share(between(sleeper, *window), between(other, *window)) or 0) >= 0.9 * 50:
            return end
    return math.inf


def waking(bench, way):
    end_ms = 1000 * bench.arguments.seconds
    reads = [{**UNIT_READ, "startdelay": f"{1000 * rig.START_S + nap + AWAKE_MS // 2}ms", "runtime": f"{AWAKE_MS}ms"}
             for nap in range(0, end_ms, NAP_EVERY_MS) for _ in range(4)]
    sleeper, other = bench.run(way, Group(100, reads), Group(100, 4 * [UNIT_READ]))
    catch_up_ms = CATCH_UP_MS if bench.arguments.disk else CATCH_UP_FAST_MS
    starts_ms = [start for start in wakes(sleeper) if start + AWAKE_MS <= end_ms]
    first = [request for start in starts_ms for request in between(other, start, start + catch_up_ms)]
    later = [request for start in starts_ms for request in between(other, start + catch_up_ms, start + AWAKE_MS)]
    times = [ms_to_share(start, sleeper, other) for start in starts_ms]
    added = p99_ms(first) - p99_ms(later) if first and later else None
    return statistics.median(times) if times else None, max(times, default=None), added


def paced_reader(bench, way):
    paced, hog = Group(4, [PACED_READ]), Group(1, HOG)
    alone = p99_ms(bench.run(way, paced)[0])
    beside, others = bench.run(way, paced, hog)
    total = bench.rate(beside, others)
    unit_ms = UNIT / 1e3 / (bench.arguments.disk or total)
    return alone, p99_ms(beside), alone and 1.5 * alone + 2 * unit_ms, total


@contextlib.contextmanager
def two_mounts(arguments, disk, groups):
    """Every group has a mount of its own directory."""
    with contextlib.ExitStack() as stack:
        found = []
        for index, (group, place) in enumerate(zip(groups, rig.places(disk.path, groups))):
            mount = stack.enter_context(rig.bandfs_of_users(arguments, place.folder))
            rig.attach(mount, index, group)
            found.append(rig.Place(mount, None))
        yield found


def two_mounts_of_a_disk(bench, _way):
    groups = [Group(300, 4 * [SEQUENTIAL_READ]), Group(100, 4 * [SEQUENTIAL_READ])]
    heavy, light = rig.measure(bench.arguments, bench.disk, groups, two_mounts)
    return share(heavy, light), bench.rate(heavy, light)


def two_disks(bench, way):
    """The hog has this disk, the reader another."""
    nobody, reader, hog = Group(100, []), Group(100, 4 * [SEQUENTIAL_READ]), Group(100, HOG)
    arguments = bench.arguments
    with rig.disk(arguments.build, arguments.disk, rig.GROUP_MIB * 2) as other:
        rig.prepare(other, [nobody, reader])
        alone = bench.rate(rig.measure(arguments, other, [nobody, reader], rig.WAYS[way])[1])
        rig.prepare(bench.disk, [hog, nobody])
        rig.prepare(other, [nobody, reader])
        with (rig.WAYS[way](arguments, bench.disk, [hog, nobody]) as here,
              rig.WAYS[way](arguments, other, [nobody, reader]) as there):
            beside = bench.rate(rig.perform([hog, reader], [here[0], there[1]], arguments.seconds)[1])
    return alone, beside, 100 * beside / alone


@dataclasses.dataclass
class Case:
    measure: typing.Callable[[Bench, str], tuple]   # in a round: a number or None for each figure
    figures: dict                                   # and what is wanted of it
    ways: tuple = tuple(rig.WAYS)


CASES = {
    "a lone buffered reader against 16, 1:1": Case(lone_reader, {
        "its share, %": "at least 45",
        "its longest wait, ms": "at most 30 % of none's",
        "total, MB/s": "at least 95 % of none's"}),
    "lending: half of the disk is for one who reads nothing": Case(lending_all, {
        "the other's MB/s": "",
        "of the disk, %": "at least 98"}),
    "lending: half of the disk is for one who wants a tenth": Case(lending_rest, {
        "what that one gets of it, %": "100",
        "the other's MB/s": "",
        "of the rest, %": "at least 95"}),
    "waking beside a busy reader, 1:1": Case(waking, {
        "until 90 % of its share, ms": "at most 250, on a fast disk 100",
        "the same, longest, ms": "",
        "added to the other's p99, ms": "at most 5 on a fast disk"}),
    "a paced 16 KiB reader beside 64 workers, 4:1": Case(paced_reader, {
        "p99 alone, ms": "",
        "p99 beside them, ms": "at most the next",
        "1.5 of alone and two units, ms": "",
        "total, MB/s": "at least 95 % of none's"}),
    "two mounts of a disk, four direct readers each, 3:1": Case(two_mounts_of_a_disk, {
        "the heavier's share, %": "75",
        "total, MB/s": ""}, ("bandfs",)),
    "a reader of one disk, 64 workers on another": Case(two_disks, {
        "MB/s alone": "",
        "MB/s beside them": "",
        "of alone, %": "100"}, ("bandfs",)),
}


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def in_words(value):
    return "-" if value is None else "never" if value == math.inf else f"{value:.1f}"


def main():
    arguments = rig.parse_arguments("latency", __doc__)
    ways = arguments.ways.split(",")
    print(rig.heading(arguments))
    print("| case | figure | wanted |", " | ".join(ways), "|")
    print("| --- | --- | --- |" + " --- |" * len(ways))
    results = []
    with rig.disk(arguments.build, arguments.disk) as disk:
        for name, case in rig.asked_for(arguments, CASES).items():
            bench = Bench(arguments, disk)
            rounds = {way: [case.measure(bench, way) for _ in range(arguments.rounds)] for way in ways if way in case.ways}
            for row, (figure, wanted) in enumerate(case.figures.items()):
                values = {way: [figures[row] for figures in measured] for way, measured in rounds.items()}
                medians = {way: median(values[way]) for way in values}
                results.append({"case": name, "figure": figure, "wanted": wanted, "medians": medians, "rounds": values})
                cells = [in_words(medians[way]) if way in medians else "" for way in ways]
                print(f"| {name if row == 0 else ''} | {figure} | {wanted} |", " | ".join(cells), "|", flush=True)
            disk.clear()
    rig.write_results(arguments, "latency", results)


if __name__ == "__main__":
    main()
