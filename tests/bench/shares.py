"""Wanted and achieved shares on simulated disks: bandfs beside BFQ and no control.

Each case is one fio run, so that all users are measured in the same window. A case runs several times; medians are shown.
"""
import statistics

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plot  # noqa: E402  (the backend comes first)

import rig  # noqa: E402
from rig import BUFFERED_READ, SEQUENTIAL_READ, Group  # noqa: E402

RANDOM_READ = {"rw": "randread", "bs": "4k", "direct": 1}
BUFFERED_WRITE = {"rw": "write", "bs": "128k"}
DIRECT_WRITE = {"rw": "write", "bs": "1m", "direct": 1}
RANDOM_WRITE = {**RANDOM_READ, "rw": "randwrite"}
SMALL_READ = {**SEQUENTIAL_READ, "bs": "16k"}   # of which a thousandth of ten seconds is more than one

MANY = 4   # groups; of more than these a table shows the extremes


CASES = {
    "3:1, four direct readers each": [Group(300, 4 * [SEQUENTIAL_READ]), Group(100, 4 * [SEQUENTIAL_READ])],
    "200:300, four direct readers each": [Group(w, 4 * [SEQUENTIAL_READ]) for w in (200, 300)],
    "1:1000, four direct 16 KiB readers each": [Group(w, 4 * [SMALL_READ]) for w in (1, 1000)],
    "40:20:10, four direct readers each": [Group(w, 4 * [SEQUENTIAL_READ]) for w in (40, 20, 10)],
    "40:20:10, 8/16/32 random readers": [
        Group(w, n * [RANDOM_READ]) for w, n in ((40, 8), (20, 16), (10, 32))],
    "40:20:10, 32/16/8 random readers": [
        Group(w, n * [RANDOM_READ]) for w, n in ((40, 32), (20, 16), (10, 8))],
    "3:1, one buffered reader each": [Group(300, [BUFFERED_READ]), Group(100, [BUFFERED_READ])],
    "1:1, one reader against 16": [Group(100, [BUFFERED_READ]), Group(100, 16 * [BUFFERED_READ])],
    "3:1, one buffered writer each": [Group(300, [BUFFERED_WRITE]), Group(100, [BUFFERED_WRITE])],
    "40:20:10, four buffered writers each": [Group(w, 4 * [BUFFERED_WRITE]) for w in (40, 20, 10)],
    "3:1, one direct writer each": [Group(300, [DIRECT_WRITE]), Group(100, [DIRECT_WRITE])],
    "1:1, reader against buffered writer": [Group(100, [BUFFERED_READ]), Group(100, [BUFFERED_WRITE])],
    "1:1, 4 KiB against 1 MiB": [Group(100, 4 * [RANDOM_READ]), Group(100, 4 * [SEQUENTIAL_READ])],
    "3:1, random readers against random writers": [Group(300, 16 * [RANDOM_READ]), Group(100, 16 * [RANDOM_WRITE])],
    "16 equal groups, 4 KiB to 1 MiB": [
        Group(100, 4 * [{**RANDOM_READ, "bs": size}]) for size in ("4k", "16k", "128k", "1m") for _ in range(4)],
}


def wanted_shares(groups):
    whole = sum(group.weight for group in groups)
    return [100 * group.weight / whole for group in groups]


def series(requests, seconds):
    """MB/s in each quarter second."""
    cells = [0.0] * (4 * seconds)
    for request in requests:
        cells[int(request.end_ms // 250)] += request.size * 4 / 1e6
    return cells


def measure(arguments, disk, groups, way):
    """Shares in percent, total in MB/s, and bandwidth over time."""
    over_time = [series(requests, arguments.seconds) for requests in rig.measure(arguments, disk, groups, rig.WAYS[way])]
    rates = [statistics.mean(cells) for cells in over_time]
    return [100 * rate / sum(rates) for rate in rates], sum(rates), over_time


def jain_index(shares, wanted):
    """1 when all have the same part of what is theirs, 1/n when one has everything."""
    parts = [share / own for share, own in zip(shares, wanted)]
    return sum(parts) ** 2 / (len(parts) * sum(part * part for part in parts))


def in_words(shares):
    words = [f"{share:.1f}" if share >= 1 else f"{share:.2f}" for share in shares]
    return ":".join(words) if len(shares) <= MANY else f"{min(shares):.2f} to {max(shares):.2f}"


def draw(results, path):
    """A row for each case, a column for each way."""
    cases, ways = (list(dict.fromkeys(result[key] for result in results)) for key in ("case", "way"))
    figure, axes = plot.subplots(len(cases), len(ways), figsize=(3.4 * len(ways), 2.1 * len(cases)), squeeze=False,
                                 sharex=True, sharey="row")
    for result in results:
        axis = axes[cases.index(result["case"]), ways.index(result["way"])]
        for number, (weight, values) in enumerate(zip(result["weights"], result["series"]), 1):
            axis.plot([cell / 4 for cell in range(len(values))], values, label=f"{number}: weight {weight}", linewidth=1)
    for row, case in zip(axes, cases):
        row[0].set_ylabel("MB/s", fontsize=8)
        row[0].set_title(case, fontsize=8, loc="left")
        row[0].set_ylim(bottom=0)
        if len(row[0].lines) <= MANY:
            row[0].legend(fontsize=6, loc="best")
    for axis, way in zip(axes[0], ways):
        axis.set_title(way, fontsize=9, loc="right")
    for axis in axes[-1]:
        axis.set_xlabel("seconds", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})   # the same figures, the same file


def main():
    arguments = rig.parse_arguments("shares", __doc__)
    print(rig.heading(arguments))
    print("Shares in percent, the total, and Jain's index of the shares by weight.\n")
    print("| case | wanted |", " | ".join(arguments.ways.split(",")), "|")
    print("| --- | --- |" + " --- |" * len(arguments.ways.split(",")))
    results = []
    with rig.disk(arguments.build, arguments.disk) as disk:
        for name, groups in rig.asked_for(arguments, CASES).items():
            wanted = wanted_shares(groups)
            cells = []
            for way in arguments.ways.split(","):
                rounds = [measure(arguments, disk, groups, way) for _ in range(arguments.rounds)]
                shares = [statistics.median(column) for column in zip(*(shares for shares, _, _ in rounds))]
                total = statistics.median(total for _, total, _ in rounds)
                fairness = jain_index(shares, wanted)
                cells.append(f"{in_words(shares)} at {total:.1f} MB/s, {fairness:.4f}")
                results.append({"case": name, "way": way, "weights": [group.weight for group in groups],
                                "wanted": wanted, "shares": shares, "jain_index": fairness, "mb_per_s": total,
                                "rounds": [shares for shares, _, _ in rounds], "series": rounds[-1][2]})
            print(f"| {name} | {in_words(wanted)} |", " | ".join(cells), "|", flush=True)
            disk.clear()
    rig.write_results(arguments, "shares", results)
    draw(results, arguments.build / "results/shares.svg")


if __name__ == "__main__":
    main()
