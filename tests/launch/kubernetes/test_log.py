"""The log of a pod through connections that end anywhere, of a node that rotates it. On a cluster: test_follow."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from dinov2.launch.kubernetes.follow.log import LANDMARK, PodLog, place_after


class Node:
    """What a node still has of a log, and connections to it that break after some lines."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = list(lines)
        self.breaks: Iterator[int] = iter(())

    def log(self, *_: Any, **__: Any) -> "Connection":
        return Connection(self.lines[: next(self.breaks, None)])


class Connection(list[bytes]):
    """The lines that come through one connection."""

    def cut(self) -> None:
        """It ends by itself."""


def numbered(first: int, last: int) -> list[bytes]:
    return [b"line %d\n" % number for number in range(first, last)]


def shown(node: Node) -> tuple[PodLog, list[str]]:
    lines: list[str] = []
    return PodLog(node, "pod", "worker", lines.append), lines  # type: ignore[arg-type]


def test_a_log_that_was_rotated_goes_on_after_the_last_line_that_was_shown() -> None:
    node = Node(numbered(0, 100))
    log, lines = shown(node)
    log._read(follow=True)
    node.lines = numbered(40, 150)
    log._read(follow=True)
    node.lines = numbered(140, 151)
    log._read(follow=True)
    log.finish()
    assert lines == [f"line {number}" for number in range(151)]


def test_a_log_of_which_nothing_shown_is_left_is_shown_whole() -> None:
    node = Node(numbered(0, 100))
    log, lines = shown(node)
    log._read(follow=True)
    node.lines = numbered(200, 300)
    log.finish()
    assert lines == [f"line {number}" for number in itertools.chain(range(100), range(200, 300))]


def test_half_a_line_waits_for_its_other_half() -> None:
    node = Node([b"one\n", b"tw"])
    log, lines = shown(node)
    log._read(follow=True)
    assert lines == ["one"]
    node.lines = [b"one\n", b"two\n", b"end"]
    log.finish()
    assert lines == ["one", "two", "end"]


def test_connections_that_break_anywhere_lose_nothing_and_repeat_nothing() -> None:
    node = Node(numbered(0, 50))
    node.breaks = iter([0, 3, 2, 50, 10, 30])
    log, lines = shown(node)
    for _ in range(6):
        log._read(follow=True)
    log.finish()
    log.finish()
    assert lines == [f"line {number}" for number in range(50)]


@pytest.mark.parametrize(
    ("recent", "lines", "place"),
    [
        ("abc", "abcd", 3),
        ("abc", "bcd", 2),
        ("abc", "xyz", 0),
        ("aab", "aabaabc", 6),
        ("", "abc", 0),
        ("abc", "", 0),
    ],
)
def test_the_place_after_what_is_known(recent: str, lines: str, place: int) -> None:
    assert LANDMARK >= 3
    assert place_after([c.encode() for c in recent], [c.encode() for c in lines]) == place
