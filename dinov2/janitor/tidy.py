"""Finding what is left over, removing it if asked to, and telling."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from dinov2.errors import UnreachableError, UserError
from dinov2.janitor.leftover import Finder, Leftover, Search
from dinov2.launch import JobFailedError

FAILURES = (OSError, UserError, UnreachableError, JobFailedError)
UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass
class Tidied:
    """What was found, what was removed of it, and what went wrong."""

    found: list[Leftover] = field(default_factory=list)
    removed: list[Leftover] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        found = [
            {name: getattr(each, name) for name in ("kind", "name", "why", "size_bytes")}
            | {"removed": each in self.removed}
            for each in self.found
        ]
        return {"found": found, "failures": self.failures, "notes": self.notes, "outcome": self.outcome}

    @property
    def outcome(self) -> str:
        """How it ended, in a line."""
        found, removed = (sum(each.size_bytes for each in part) for part in (self.found, self.removed))
        if not self.found:
            return "nothing is left over"
        if not self.removed and not self.failures:
            return f"{len(self.found)} leftovers, {in_bytes(found)}; nothing was removed"
        return f"{len(self.removed)} of {len(self.found)} leftovers removed, {in_bytes(removed)} of {in_bytes(found)}"


def look(search: Search, finders: Mapping[str, Finder]) -> Tidied:
    """Look for leftovers of every kind; nothing is changed. A kind that cannot be looked for is a failure."""
    told = Tidied(notes=search.notes)
    for kind, find in finders.items():
        try:
            told.found += find(search)
        except FAILURES as error:
            told.failures.append(f"{kind}: cannot be looked for: {error}")
    return told


def remove(told: Tidied, say: Callable[[str], None]) -> None:
    """Remove what was found, with a line for each; what fails is told, and the rest goes on."""
    for each in told.found:
        try:
            each.remove()
        except FAILURES as error:
            told.failures.append(f"{each.kind} {each.name}: not removed, or not all of it: {error}")
            say(told.failures[-1])
        else:
            told.removed.append(each)
            say(f"removed {each.kind} {each.name} ({in_bytes(each.size_bytes)})")


def show(told: Tidied, console: Console) -> None:
    """Print a table of what was found, with the reasons, and what could not be looked for."""
    if told.found:
        table = Table("what", "", "size", "why", box=None, header_style="bold")
        for each in told.found:
            table.add_row(each.kind, each.name, in_bytes(each.size_bytes) if each.size_bytes else "", each.why)
        console.print(table)
    for line in (*told.notes, *told.failures):
        console.print(line)


def in_bytes(size: float) -> str:
    """A size for people, three digits of it."""
    unit = 0
    while size >= 999.5 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {UNITS[unit]}"
