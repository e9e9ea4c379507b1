"""A search that may be done at once, or in shares by the indexes of a job."""

from collections.abc import Iterator
from dataclasses import dataclass

from dinov2.curation.keep import Keep
from dinov2.curation.search import Pairs, SearchConfig, fill, search
from dinov2.curation.vectors import Vectors


@dataclass(frozen=True)
class Lookup:
    """The `k` rows of `base` nearest to each row of `queries`, as far as their cosine is larger than `above`.

    Attributes:
        what: for people, in the progress.
        keep: where finished parts are kept.
        gpus: whether the search is done on GPUs.
    """

    what: str
    queries: Vectors
    base: Vectors
    k: int
    config: SearchConfig
    keep: Keep
    above: float = -1.0
    gpus: bool = False

    def pairs(self) -> Iterator[Pairs]:
        """All pairs, in blocks of queries; what is kept already is read, the rest is found."""
        return search(self.queries, self.base, self.k, self.config, self.above, self.keep, self.what, self.gpus)

    def fill(self, index: int, indexes: int) -> None:
        """Find and keep the share of one of the `indexes` of a job."""
        arguments = (self.queries, self.base, self.k, self.config, self.above, self.keep)
        fill(*arguments, index, indexes, self.what, self.gpus)
