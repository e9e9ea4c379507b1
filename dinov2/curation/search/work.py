"""The work of a search: which pairs there are in a part for a block of queries, each found once."""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from dinov2.curation.keep import Arrays
from dinov2.curation.search.config import SearchConfig
from dinov2.curation.search.exact import Index, nearest
from dinov2.curation.search.flat import Flat
from dinov2.curation.search.keeps import Keeps
from dinov2.curation.search.lists import Lists, assign, learn
from dinov2.curation.search.measure import Question, Tuned, tune
from dinov2.curation.search.pairs import Pairs
from dinov2.curation.search.plan import Plan, plan
from dinov2.curation.vectors import Part, Vectors
from dinov2.progress import progress

T = TypeVar("T")
QUERIES = 1 << 14
"""Queries in a block: an interrupted search loses one."""


@dataclass
class Work:
    """A search: what is asked, and the index of the part in hand."""

    queries: Vectors
    base: Vectors
    k: int
    config: SearchConfig
    above: float
    keep: Keeps
    what: str
    gpus: bool

    def __post_init__(self) -> None:
        self.plan: Plan = plan(self.base.count, self.base.dim, self.queries.count, self.config)
        recall = None if self.plan.kind == "flat" else self.config.recall
        same = self.queries is self.base
        self.keep = self.keep.within(
            asdict(replace(self.plan, why="")), recall, self.k, self.above, self.queries.count, same
        )
        self.blocks = range(-(-self.queries.count // QUERIES))
        self.tasks = [(part, block) for part in range(self.plan.parts) for block in self.blocks]
        self._held: tuple[int, Any] | None = None
        self._say(self.plan.why)

    def fill(self, tasks: list[tuple[int, int]]) -> None:
        """Keep the pairs of these parts and blocks, those of a part behind each other."""
        kept = self.keep.names()
        for part, mine in groupby(tasks, key=itemgetter(0)):
            blocks = [block for _, block in mine]
            left = [block for block in blocks if _name(part, block) not in kept]
            total, to_do = (sum(map(self.size, each)) for each in (blocks, left))
            if left:
                self.prepare(part)
            with progress(self._of(part), total, "queries", done=total - to_do) as shown:
                for block in left:
                    self.pairs(part, block)
                    shown.advance(self.size(block))

    def prepare(self, part: int) -> None:
        """Make the index of a part, which tells of its own progress."""
        self._index(part)

    def kept(self) -> set[int]:
        """Blocks whose pairs are kept, of a base that is one part."""
        kept = self.keep.names()
        return {block for block in self.blocks if _name(0, block) in kept}

    def size(self, block: int) -> int:
        """Queries in a block."""
        return min(QUERIES, self.queries.count - block * QUERIES)

    def pairs(self, part: int, block: int) -> Pairs:
        """The pairs of a part and a block: kept ones, or found."""
        return Pairs.of(self.keep.made(_name(part, block), lambda: self._found(part, block).arrays()))

    def _found(self, part: int, block: int) -> Pairs:
        first = block * QUERIES
        queries = self.queries.read(first, first + self.size(block))
        rows = self._part(part)
        return nearest(self._index(part), rows, queries, self.k, self.above).shifted(first, rows.start)

    def _part(self, part: int) -> Part:
        return Part(self.base, part * self.plan.rows, (part + 1) * self.plan.rows)

    def _index(self, part: int) -> Index:
        if self.plan.kind == "flat":
            return self._hold(part, lambda: Flat(self._part(part), self.gpus))
        tuned, index = self._tuned, self._lists(part)
        index.look_into(tuned.probes)
        index.depth, index.error = tuned.depth, tuned.error
        return index

    def _lists(self, part: int) -> Lists:
        rows = self._part(part)

        def build() -> Lists:
            own = self._of(part)
            lists = self.keep.made(
                f"lists-{part}", lambda: assign(self._learnt, rows, self.gpus, f"{own}, choose lists")
            )
            return Lists(self.plan, self._learnt, rows, lists["list"], self.gpus, f"{own}, fill lists")

        return self._hold(part, build)

    @cached_property
    def _learnt(self) -> Arrays:
        whole = Part(self.base, 0, self.base.count)

        def first() -> Arrays:
            self._say(f"the lists are learnt from {self.plan.points} vectors")
            return learn(self.plan, whole, self.gpus)

        return self.keep.made("learnt", first)

    @cached_property
    def _tuned(self) -> Tuned:
        def measure() -> Arrays:
            itself = self.queries is self.base
            question = Question(self.k, self.above, self.config.recall)
            what = f"{self.what}, measure recall"
            return tune(self.plan, self._lists(0), self._part(0), self.queries, itself, question, what).arrays()

        tuned = Tuned.of(self.keep.made("tuned", measure))
        depth = f", {tuned.depth} candidates compared exactly" if tuned.depth else ""
        reached = "as asked for" if tuned.recall is None else f"{tuned.recall:.1%} of the 4 nearest found"
        self._say(f"{tuned.probes} lists looked into{depth}: {reached}")
        return tuned

    def _hold(self, part: int, build: Callable[[], T]) -> T:
        """The index of `part`, built unless it is the one in hand; one at a time is what the plan has room for."""
        if self._held is None or self._held[0] != part:
            self._held = None
            self._held = part, build()
        return self._held[1]

    def _of(self, part: int) -> str:
        return self.what if self.plan.parts == 1 else f"{self.what}, part {part + 1} of {self.plan.parts}"

    def _say(self, text: str) -> None:
        print(f"{self.what}: {text}", file=sys.stderr, flush=True)


def _name(part: int, block: int) -> str:
    return f"pairs-{part}-{block}"
