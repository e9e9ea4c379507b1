"""Which index, how large, in how many parts: decided by sizes and budget alone, never by the machine."""

import math
from dataclasses import dataclass
from typing import Literal

from dinov2.curation.search.config import SearchConfig
from dinov2.errors import ConfigError

Kind = Literal["flat", "ivf_flat", "ivf_pq"]

GIB = 1 << 30
RUNTIME = 0.6 * GIB
"""Python, torch and faiss."""
WORK = 0.5 * GIB
"""Blocks of queries and candidates, what is read of the vectors, and buffers of matrix products."""
POINTS = 48
"""Vectors that the centroid of a list is fitted to; faiss warns below 39."""
CODES = 256
"""Values of a byte of a code: faiss learns them from as many vectors at least."""
ITERATIONS = 8
"""Of the k-means that places the centroids: later ones hardly move what is found."""
LOOKS = 16
"""Lists looked into for a query, as the estimate of the cost takes it."""
SCAN = 6
"""Products of two vectors, in a matrix product, that take as long as comparing a query with one vector of a list."""
SAMPLE = (512, 1024)
"""Queries, fewest and most, that recall is measured on: it is then known to half a per cent."""
SAVES = 2
"""Times an index must be cheaper than looking at every vector."""
OVERHEAD = 1.05
"""Of lists over their content."""


@dataclass(frozen=True)
class Plan:
    """How a search is done.

    Attributes:
        kind: of the index.
        rows: vectors in each part but the last.
        parts: searched one after another.
        lists: of each part; 0 for flat.
        points: vectors that the index learns from, the first of the base; 0 for flat.
        sample: queries, the first ones, that recall is measured on; 0 for flat.
        probes: lists looked into; None to measure.
        pq_bytes: of a code; 0 without.
        rerank: candidates compared exactly; None to measure, or without codes.
        why: the choice in words.
    """

    kind: Kind
    rows: int
    parts: int
    lists: int
    points: int
    sample: int
    probes: int | None
    pq_bytes: int
    rerank: int | None
    why: str


def plan(count: int, dim: int, queries: int, config: SearchConfig) -> Plan:
    """Choose the index for `queries` searches among `count` vectors of length `dim`.

    Exact while the base is small or an index would not pay; then lists of float16 vectors, which
    lose nothing, where they fit the budget; then lists of codes; then these in parts.

    Raises:
        ConfigError: the budget is too small for anything, or for the parts that are asked for.
    """
    room = config.memory_gib * GIB - RUNTIME - WORK
    smallest = POINTS * 64 * 4 * dim
    if room < smallest:
        least = (RUNTIME + WORK + smallest) / GIB
        raise ConfigError(
            f"memory_gib: {config.memory_gib}: too little to search at all; allowed: at least {least:.2f}"
        )
    kind, pq_bytes, reason = _kind(count, dim, queries, config, room)
    fitting = max(1, int(room / _row_bytes(kind, dim, pq_bytes)))
    parts = config.parts or max(1, math.ceil(count / fitting))
    rows = max(1, math.ceil(count / parts))
    if rows > fitting:
        raise ConfigError(
            f"parts: {parts}: {rows} vectors in {kind} are more than the {fitting} that fit memory_gib: "
            f"{config.memory_gib}; allowed: at least {math.ceil(count / fitting)}"
        )
    parts = max(1, math.ceil(count / rows))
    if kind == "flat":
        return Plan(kind, rows, parts, 0, 0, 0, None, 0, None, f"every vector is looked at{_in(parts)}: {reason}")
    lists = config.lists or _lists(rows, queries, dim, room)
    if lists > rows:
        raise ConfigError(f"lists: {lists}: more than the {rows} vectors of a part")
    coded = f"codes of {pq_bytes} bytes" if pq_bytes else "float16 vectors"
    points = min(count, max(lists * POINTS, CODES if pq_bytes else 0))
    return Plan(
        kind, rows, parts, lists, points, _sample(queries), config.probes, pq_bytes,
        config.rerank if kind == "ivf_pq" else None, f"{lists} lists of {coded}{_in(parts)}: {reason}",
    )  # fmt: skip


def _kind(count: int, dim: int, queries: int, config: SearchConfig, room: float) -> tuple[Kind, int, str]:
    """The index, the bytes of its codes, and why."""
    halves, quarters = math.ceil(dim / 8), math.ceil(dim / 4)
    codes = config.pq_bytes or next(
        (b for b in (quarters, halves) if count * _row_bytes("ivf_pq", dim, b) <= room), halves
    )
    if config.index == "ivf_pq" and count < CODES:
        return "flat", 0, f"codes are learnt from at least {CODES} vectors"
    if config.index != "auto":
        return config.index, codes if config.index == "ivf_pq" else 0, "as asked for"
    if count <= config.exact_below:
        return "flat", 0, f"{count} are no more than exact_below"
    if queries * count <= SAVES * _cost(count, queries, _lists(count, queries, dim, room)):
        return "flat", 0, f"for {queries} queries an index does not pay"
    if count * _row_bytes("ivf_flat", dim, 0) <= room:
        return "ivf_flat", 0, f"{count} are more than exact_below, and fit memory_gib"
    return "ivf_pq", codes, f"{count} vectors do not fit memory_gib"


def _row_bytes(kind: Kind, dim: int, pq_bytes: int) -> float:
    return {"flat": 4 * dim, "ivf_flat": (2 * dim + 8) * OVERHEAD, "ivf_pq": (pq_bytes + 8) * OVERHEAD}[kind]


def _cost(rows: int, queries: int, lists: int) -> float:
    """Products of two vectors: to place centroids, to fill lists, to measure recall, to find lists and search them."""
    made = POINTS * ITERATIONS * lists**2 + rows * lists + rows * _sample(queries)
    return made + queries * (lists + LOOKS * SCAN * rows / lists)


def _sample(queries: int) -> int:
    """A few of many queries: exact search for them is to cost little beside the search itself."""
    return min(queries, max(SAMPLE[0], min(SAMPLE[1], queries // 256)))


def _lists(rows: int, queries: int, dim: int, room: float) -> int:
    """The cheapest power of 2, about 4 √rows for as many queries, whose points for training have room."""
    most = min(rows // POINTS, int(room / (POINTS * 4 * dim)))
    return min((1 << power for power in range(max(1, most).bit_length())), key=lambda n: _cost(rows, queries, n))


def _in(parts: int) -> str:
    return "" if parts == 1 else f" in {parts} parts"
