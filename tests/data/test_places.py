import pytest
from botocore.exceptions import EndpointConnectionError
from fsspec.implementations.memory import MemoryFileSystem

from dinov2.data.places import fetch, listing
from dinov2.errors import DataError, UnreachableError
from dinov2.storage import patience


class Flaky(MemoryFileSystem):
    """A file system whose first reads fail as those of an object store do."""

    cachable = False

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: object) -> bytes:
        if self.failures:
            self.failures -= 1
            raise EndpointConnectionError(endpoint_url="http://store")
        return super().cat_file(path, start, end, **options)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.001)


def test_a_store_that_answers_late_is_waited_for() -> None:
    flaky = Flaky(failures=4)
    flaky.pipe_file("/late.jpg", b"0123456789")
    assert fetch(flaky, "/late.jpg", 2, 5) == b"234"


def test_a_store_that_never_answers_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0.05)
    with pytest.raises(UnreachableError, match=r"^memory:///late\.jpg: given up after 0 s: EndpointConnectionError: "):
        fetch(Flaky(failures=99), "/late.jpg")


def test_a_file_that_is_gone_is_not_asked_for_again() -> None:
    with pytest.raises(FileNotFoundError):
        fetch(Flaky(failures=0), "/gone.jpg")


@pytest.mark.parametrize("fault", [PermissionError("Forbidden"), EndpointConnectionError(endpoint_url="http://store")])
def test_a_source_that_cannot_be_listed_is_named(fault: Exception) -> None:
    with pytest.raises(DataError, match="source web: s3://bucket: cannot be listed"), listing("web", "s3://bucket"):
        raise fault
