"""Curation at scale: each step against the bare faiss calls that it cannot do without, in time, memory and recall.

    python -m benchmarks.curation --sizes 100000 300000                    # a few minutes on 2 cores
    python -m benchmarks.curation --sizes 1000000 --json                   # a quarter of an hour
    python -m benchmarks.curation --sizes 3000000 --share 8                # of copies, what the first of 8 jobs does
    python -m benchmarks.curation --sizes 300000 --steps retrieve          # a part of it

Vectors are made from a seed: clusters of very unequal sizes, of few dimensions within, and one vector in ten a copy of
another at a cosine of 0.7 to 0.99. Every figure comes from a process of its own, so that its peak of memory is its own;
the bare calls follow at once and do what the plan says: the same kind of index, lists, points, probes, k and
iterations. Of them only the time inside faiss counts, of ours everything from the file of vectors to the result. Ratios
are those of the clock and of processor time; on a machine that is busy elsewhere the latter, with one thread, is truer.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import faiss
import torch

from benchmarks.curation_steps import STEPS, Figures, Stopwatch, recall
from benchmarks.planted import write_vectors
from dinov2.curation.vectors import Mapped


def main() -> None:
    """Measure every step at every size, ours and bare in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--memory-gib", type=float, default=4.0)
    parser.add_argument("--index", default="auto", help="auto, flat, ivf_flat or ivf_pq")
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--share", type=int, default=1, help="jobs that search for copies; the first is measured")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="keeps the vectors for another time; else a temporary one")
    parser.add_argument("--json", action="store_true", help="the figures again, as the last line")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_child(json.load(sys.stdin), options)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        rows = [row for size in options.sizes for row in _size(size, folder, options)]
    _print(rows)
    if options.json:
        print(json.dumps(rows))


def _size(size: int, folder: Path, options: argparse.Namespace) -> Iterator[Figures]:
    path = folder / f"{size}x{options.dim}.f16"
    if not path.exists():
        write_vectors(path, size, options.dim)
    for step in options.steps:
        task = {"step": step, "path": str(path)}
        ours = _in_a_process(task, options)
        found = ours.pop("found", None)
        bare = _in_a_process(task | {"done": ours}, options)
        row = {"step": step, "size": size} | ours | {f"bare_{name}": value for name, value in bare.items()}
        if found:
            row |= _in_a_process(task | {"found": found}, options)
        row |= {name: ours[of] / bare[of] for name, of in (("ratio", "seconds"), ("cpu_ratio", "cpu_seconds"))}
        row["of_budget"] = ours["peak_gib"] / options.memory_gib
        print(_line(row), file=sys.stderr, flush=True)
        yield row


def _in_a_process(task: Figures, options: argparse.Namespace) -> Figures:
    settings = ("dim", "memory_gib", "index", "share", "threads")
    flags = [part for name in settings for part in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]
    command = [sys.executable, "-m", "benchmarks.curation", *flags, "--child"]
    done = subprocess.run(command, input=json.dumps(task), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _child(task: Figures, options: argparse.Namespace) -> Figures:
    faiss.omp_set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    base, (ours, bare), watch = Mapped(Path(task["path"]), options.dim), STEPS[task["step"]], Stopwatch()
    if "found" in task:
        return {"recall": recall(task["step"], base, task["found"])}
    if "done" in task:
        figures = bare(base, task["done"], watch)
    else:
        with watch.running():
            figures = ours(base, options)
    peak = int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0])
    return figures | vars(watch) | {"peak_gib": peak / 2**20}


def _print(rows: list[Figures]) -> None:
    print("step           size      ours s   bare s   ratio  cpu    recall  peak GiB  budget  slope  plan")
    before: dict[str, Figures] = {}
    for row in rows:
        print(_line(row, before.get(row["step"])))
        before[row["step"]] = row
    for size in sorted({row["size"] for row in rows}):
        ours, bare = (sum(row[name] for row in rows if row["size"] == size) for name in ("seconds", "bare_seconds"))
        print(f"all            {size:<9} {ours:7.1f}  {bare:7.1f}  {ours / bare:6.2f}")


def _line(row: Figures, before: Figures | None = None) -> str:
    recall = f"{row['recall']:.4f}" if "recall" in row else "     -"
    slope = "    -"
    if before:
        row["slope"] = math.log(row["seconds"] / before["seconds"]) / math.log(row["size"] / before["size"])
        slope = f"{row['slope']:5.2f}"
    return (
        f"{row['step']:14} {row['size']:<9} {row['seconds']:7.1f}  {row['bare_seconds']:7.1f}  {row['ratio']:6.2f}  "
        f"{row['cpu_ratio']:5.2f}  {recall}  {row['peak_gib']:8.2f}  {row['of_budget']:6.0%}  {slope}  {row['why']}"
    )


if __name__ == "__main__":
    main()
