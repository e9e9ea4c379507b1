"""Markdown in which what others wrote is text and nothing else: no markup, no HTML, no end of a block of code."""

import re
from collections.abc import Iterable, Sequence

MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that no page shows, among them the one that PostgreSQL refuses."""


def printable(line: str) -> str:
    """A line without control characters."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", line)


def text(value: object) -> str:
    """A value within a line."""
    return MARKUP.sub(r"\\\1", printable(" ".join(str(value).split())))


def code(value: object) -> str:
    """A value within a line, as it is: a path, a name."""
    content = printable(" ".join(str(value).split()))
    ticks = "`" * (_longest_ticks(content) + 1)
    padding = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{ticks}{padding}{content}{padding}{ticks}"


def block(lines: Iterable[str]) -> str:
    """Lines as they are."""
    content = "\n".join(map(printable, lines))
    ticks = "`" * max(3, _longest_ticks(content) + 1)
    return f"{ticks}\n{content}\n{ticks}"


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table of values."""
    head, *body = ([text(value) for value in line] for line in (header, *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body))


def bullets(items: Iterable[str]) -> str:
    """A list of lines of Markdown."""
    return "\n".join(f"- {item}" for item in items)


def link(label: str, url: str) -> str:
    """A link; of an address that is not one of the web only the text."""
    if not re.match(r"https?://", url):
        return f"{text(label)}: {code(url)}"
    address = re.sub(r"[\s<>()\\\"`]", lambda found: f"%{ord(found[0]):02X}", url)
    return f"[{text(label)}]({address})"


def _longest_ticks(content: str) -> int:
    return max(map(len, re.findall("`+", content)), default=0)
