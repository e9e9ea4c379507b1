"""How long nearest neighbours take at a size that is too large to try: a slope measured on parts of it.

    python -m benchmarks.knn_scale                                # half a minute on 2 cores: 2048 queries, width 1024
    python -m benchmarks.knn_scale --device cuda --queries 8192 --banks 100000 200000 400000
    python -m benchmarks.knn_scale --faiss --json                 # beside faiss, which promises no order among equals

The bank is float16 in a file that is mapped, as features of a large set are kept; what is measured is the search of
200 neighbours, from the file to the indices. Time is that of the pairs compared and little else: the plan for 50 000
queries and 1.28 million vectors takes the seconds that the last addition to the bank cost. Memory is that of the
process itself: pages of the file come and go.
"""

import argparse
import json
import math
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

from dinov2.evaluation.nearest import nearest_in

K = 200
PLANNED = (50_000, 1_281_167)
"""Queries and bank of ImageNet-1k."""
ROWS = 1 << 14
GIB = 1 << 30


def write_bank(path: Path, count: int, dim: int) -> None:
    """Normal numbers from a seed, row after row."""
    generator = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, count, ROWS):
            generator.standard_normal((min(ROWS, count - start), dim), np.float32).astype(np.float16).tofile(file)


@contextmanager
def peak_memory(found: dict[str, Any]) -> Iterator[None]:
    """Most memory of the process's own while the block runs, as `peak_gib`, looked at 20 times a second."""
    done, most = threading.Event(), [_own_bytes()]

    def look() -> None:
        while not done.wait(0.05):
            most.append(max(most.pop(), _own_bytes()))

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()
        found["peak_gib"] = most[0] / GIB


def _own_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def measure(bank: np.ndarray, queries: np.ndarray, device: torch.device, with_faiss: bool) -> dict[str, Any]:
    """Seconds and peak of one search."""
    found: dict[str, Any] = {"bank": len(bank)}
    with peak_memory(found), timed(found, ""):
        nearest_in(torch.from_numpy(bank), torch.from_numpy(queries).to(device), K)[1].cpu()
    if with_faiss:
        with timed(found, "faiss_"):
            by_faiss(bank, queries)
    return found


@contextmanager
def timed(found: dict[str, Any], prefix: str) -> Iterator[None]:
    """What the block takes by the clock, `seconds`, and of processors, `core_seconds`."""
    clock, cores = time.perf_counter(), time.process_time()
    yield
    found[f"{prefix}seconds"] = time.perf_counter() - clock
    found[f"{prefix}core_seconds"] = time.process_time() - cores


def by_faiss(bank: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The same search by faiss, block by block."""
    heap = faiss.ResultHeap(len(queries), K, keep_max=True)
    for start in range(0, len(bank), ROWS):
        block = bank[start : start + ROWS].astype(np.float32)
        faiss.normalize_L2(block)
        similarity, index = faiss.knn(queries, block, min(K, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(similarity, index + start)
    heap.finalize()
    return heap.I


def plan(rows: list[dict[str, Any]], queries: int, dim: int) -> dict[str, float]:
    """What the planned search takes, from the two largest banks.

    Returns:
        `slope`, by which power of the bank time grows; `gflops`, of the products that the last addition to the bank
        took; `hours` by the clock and `core_hours` of processors; `bank_gib` on disk; and `gib`, the memory of the
        process: what was measured, and the further queries with what is found for them.
    """
    before, last = rows[-2:]
    slope = math.log(last["seconds"] / before["seconds"]) / math.log(last["bank"] / before["bank"])
    pair, core_pair = (
        (last[name] - before[name]) / ((last["bank"] - before["bank"]) * queries)
        for name in ("seconds", "core_seconds")
    )
    # A query is held twice, as given and of length 1; of what is found are a float32 and an int64.
    more = (PLANNED[0] - queries) * (2 * 4 * dim + 12 * K)
    return {
        "slope": slope,
        "gflops": 2e-9 * dim / pair,
        "hours": pair * PLANNED[0] * PLANNED[1] / 3600,
        "core_hours": core_pair * PLANNED[0] * PLANNED[1] / 3600,
        "bank_gib": 2 * PLANNED[1] * dim / GIB,
        "gib": last["peak_gib"] + max(0, more) / GIB,
    }


def _both(row: dict[str, Any], prefix: str) -> str:
    return f"{row[f'{prefix}seconds']:7.2f} s, of processors {row[f'{prefix}core_seconds']:7.2f} s"


def main() -> None:
    """Measure every bank and print the plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=2048)
    parser.add_argument("--banks", type=int, nargs="+", default=[25_000, 50_000, 100_000], help="two sizes or more")
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where the bank is written; default: a temporary one")
    parser.add_argument("--faiss", action="store_true", help="time faiss, on the CPU, beside it")
    parser.add_argument("--json", action="store_true", help="the figures again, as the last line")
    options = parser.parse_args()
    sizes = sorted(set(options.banks))
    if len(sizes) < 2:
        parser.error("--banks: a slope needs two sizes")
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    queries = np.random.default_rng(1).standard_normal((options.queries, options.dim), np.float32)
    faiss.normalize_L2(queries)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "bank.f16"
        write_bank(path, sizes[-1], options.dim)
        whole = np.memmap(path, np.float16, "c", shape=(sizes[-1], options.dim))
        measure(whole[:K], queries[:1], options.device, options.faiss)  # first calls load kernels
        rows = [measure(whole[:size], queries, options.device, options.faiss) for size in sizes]
    found = plan(rows, options.queries, options.dim)
    print(f"{options.queries} queries, width {options.dim}, {options.device}, {options.threads} threads, k = {K}")
    for row in rows:
        beside = f"  faiss {_both(row, 'faiss_')}" if options.faiss else ""
        print(f"bank {row['bank']:>9}  {_both(row, '')}{beside}  peak {row['peak_gib']:.2f} GiB")
    print(
        f"plan of {PLANNED[0]} × {PLANNED[1]}: {found['hours']:.2f} h at {found['gflops']:.0f} GFLOP/s, "
        f"{found['core_hours']:.2f} h of processors, {found['gib']:.1f} GiB beside a bank of "
        f"{found['bank_gib']:.1f} GiB on disk; "
        f"time grows with the bank to the power of {found['slope']:.2f}"
    )
    if options.json:
        print(json.dumps({"rows": rows, **found}))


if __name__ == "__main__":
    main()
