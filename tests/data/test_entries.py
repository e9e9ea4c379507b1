import pytest

from dinov2.data.entries import is_candidate


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.jpg", True), ("a/b.JPEG", True), ("noext", True), ("a.TXT", False), (".a.jpg", False), ("a/.b/c.jpg", False)],
)
def test_what_is_meant_to_be_an_image(path: str, expected: bool) -> None:
    assert is_candidate(path) is expected
