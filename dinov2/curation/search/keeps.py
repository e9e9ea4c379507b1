"""Where a search keeps what is finished, if anywhere."""

from collections.abc import Callable
from typing import Protocol

from dinov2.curation.keep import Arrays


class Keeps(Protocol):
    """See `Keep`."""

    def within(self, *parts: object) -> "Keeps": ...
    def made(self, name: str, make: Callable[[], Arrays]) -> Arrays: ...
    def names(self) -> set[str]: ...


class Nowhere:
    """Keeps nothing."""

    def within(self, *_: object) -> "Nowhere":
        return self

    def made(self, _: str, make: Callable[[], Arrays]) -> Arrays:
        return make()

    def names(self) -> set[str]:
        return set()
