"""What is worth looking at again another time."""

import errno

import pytest

from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.examine import examine

CONFIG = IngestConfig(sources=(SourceConfig(name="web", uri="pool", role="pool"),))


@pytest.mark.parametrize(
    ("version", "error", "passes"),
    [
        ("", FileNotFoundError(errno.ENOENT, "HTTP 404"), False),
        ("17", FileNotFoundError(errno.ENOENT, "gone"), True),
        ("17", OSError(errno.EIO, "broken"), True),
        ("", OSError(errno.EIO, "HTTP 503"), True),
    ],
)
def test_a_file_that_was_listed_and_has_gone_may_come_back(version: str, error: OSError, passes: bool) -> None:
    def read(_: str) -> bytes:
        raise error

    row = examine({"uri": "a.jpg", "size": 9, "version": version}, read, CONFIG, [])
    assert (row["reason"], row["detail"]) == ("unreadable", f"cannot be read: {error.strerror}")
    assert row["passes"] is passes


def test_what_is_no_image_will_never_be_one() -> None:
    row = examine({"uri": "a.jpg", "size": 4, "version": "17"}, lambda _: b"text", CONFIG, [])
    assert (row["reason"], row["passes"]) == ("unreadable", False)
