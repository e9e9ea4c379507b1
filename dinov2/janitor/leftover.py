"""What is left over, and what a search for it is given."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from dinov2.janitor.wanted import Wanted, wanted
from dinov2.stages.context import Context

DAY_S = 86400.0


@dataclass(frozen=True)
class Leftover:
    """Something that nobody needs any more.

    Attributes:
        kind: as `FINDERS` lists it.
        name: of it, for people.
        why: nobody needs it.
        size_bytes: that its removal frees; 0 for what takes no room here.
        remove: removes it; raises an `OSError`, `UserError`, `UnreachableError` or `JobFailedError` if it cannot.
    """

    kind: str
    name: str
    why: str
    size_bytes: int
    remove: Callable[[], None]


@dataclass(frozen=True)
class Search:
    """Where to look, and how old what is found must be.

    Attributes:
        context: the workspace; its runs are searched too.
        days: what was written to within so many days is left alone.
        now: seconds since 1970.
        notes: what was left alone because too little is known of it.
    """

    context: Context
    days: float
    now: float = field(default_factory=time.time)
    notes: list[str] = field(default_factory=list)

    def old(self, written: float | None) -> bool:
        """Whether that is long enough ago; what has no time is not."""
        return written is not None and self.now - written > self.days * DAY_S

    def ago(self, written: float) -> str:
        """How long ago that is."""
        return f"{(self.now - written) / DAY_S:.0f} days"

    @cached_property
    def wanted(self) -> Wanted:
        """What the workspace and its runs would go on with."""
        return wanted(self.context)

    def all_known(self, kind: str) -> bool:
        """Whether it is known what is wanted; if not, a note says why nothing of this kind is touched."""
        for root, problem in self.wanted.unknown.items():
            note = f"{kind}: left alone, since it is not known what all runs would go on with: {root}: {problem}"
            if note not in self.notes:
                self.notes.append(note)
        return not self.wanted.unknown


Finder = Callable[[Search], Iterator[Leftover]]
