"""What is listed, and the digest of a listing against one computed from all lines at once."""

import hashlib
import re
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from dinov2.data.entries import is_candidate, listing_digest


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.jpg", True), ("a/b.JPEG", True), ("noext", True), ("a.TXT", False), (".a.jpg", False), ("a/.b/c.jpg", False)],
)
def test_what_is_meant_to_be_an_image(path: str, expected: bool) -> None:
    assert is_candidate(path) is expected


def infos(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((f"a/long/folder/{number:040}.jpg", {"size": number, "ETag": f"tag {number}"}) for number in range(count))


def test_the_digest_of_a_listing_is_the_sum_of_those_of_its_lines() -> None:
    lines = [f"{path}\0{info['size']}\0{info['ETag']}" for path, info in infos(50)]
    total = sum(int(hashlib.sha256(line.encode()).hexdigest(), 16) for line in lines)
    assert listing_digest(infos(50)) == f"{total % 2**256:064x}"[:16]


def test_the_digest_of_a_listing_follows_what_is_listed_and_not_the_order() -> None:
    listed = list(infos(50))
    first = listing_digest(listed)
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert listing_digest(reversed(listed)) == first
    (path, info), *others = listed
    changed = [(path, info | {"size": 7}), (path, info | {"ETag": "other"}), (path, {"size": 0}), ("b.jpg", info)]
    lists = [[], others, [*listed, listed[0]], [*listed, listed[0], listed[0]], *([each, *others] for each in changed)]
    assert len({first, *map(listing_digest, lists)}) == 9


def test_a_name_that_is_no_unicode_is_digested() -> None:
    assert listing_digest([("\udcff.jpg", {"size": 1})]) != listing_digest([("\udcfe.jpg", {"size": 1})])


def test_a_long_listing_is_not_held_in_memory() -> None:
    tracemalloc.start()
    try:
        listing_digest(infos(30_000))
        assert tracemalloc.get_traced_memory()[1] < 1 << 17
    finally:
        tracemalloc.stop()
