import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dinov2.data.config import SourceConfig
from dinov2.data.images import decode_rgb
from dinov2.data.sources import ImageReader
from dinov2.data.stream import Row, in_batches, read_image, read_sizes
from dinov2.errors import DataError
from dinov2.storage import Store


class Counting:
    """A function that counts its calls, and doubles."""

    def __init__(self) -> None:
        self.calls, self._lock = 0, threading.Lock()

    def __call__(self, number: int) -> int:
        with self._lock:
            self.calls += 1
        return 2 * number


def settled(counting: Counting) -> int:
    """The number of calls once no more come."""
    seen = -1
    while seen != counting.calls:
        seen = counting.calls
        time.sleep(0.05)
    return seen


@pytest.fixture
def folder(tmp_path: Path, jpeg: bytes) -> Path:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.jpg").write_bytes(jpeg)
    return tmp_path / "web"


@pytest.fixture
def reader(folder: Path, store: Store) -> ImageReader:
    return ImageReader([SourceConfig(name="web", uri="web", role="pool")], store, folder.parent)


def row_of(data: bytes) -> Row:
    return {"key": "web/a.jpg", "source": "web", "uri": "a.jpg", "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, 3), (9, 3), (10, 3), (100, 7)])
def test_order_is_kept_whichever_thread_is_first(count: int, size: int) -> None:
    waits = np.random.default_rng(0).uniform(0, 0.005, count)

    def late(number: int) -> int:
        time.sleep(waits[number])
        return number

    found = list(in_batches(late, range(count), size, threads=4))
    assert [len(batch) for batch in found] == [
        len(range(count)[start : start + size]) for start in range(0, count, size)
    ]
    assert [number for batch in found for number in batch] == list(range(count))


@pytest.mark.parametrize("ahead", [1, 3])
def test_work_goes_on_ahead_of_what_is_taken_and_no_further(ahead: int) -> None:
    counting = Counting()
    batches = in_batches(counting, range(100), 5, threads=4, ahead=ahead)
    assert counting.calls == 0
    for taken in range(1, 5):
        assert next(batches) == [2 * number for number in range(100)][5 * (taken - 1) : 5 * taken]
        assert settled(counting) == 5 * (taken + ahead)
    batches.close()
    assert settled(counting) == 5 * (4 + ahead)


@pytest.mark.parametrize(
    ("weights", "batches"),
    [
        ([1] * 7, [3, 3, 1]),
        ([4, 4, 4, 1, 1, 1, 1], [1, 1, 1, 3, 1]),
        ([2, 2, 2, 2, 2], [2, 2, 1]),
        ([1, 100, 1, 1], [1, 1, 2]),
        ([], []),
    ],
)
def test_batches_of_heavy_items_are_smaller(weights: list[int], batches: list[int]) -> None:
    found = list(in_batches(lambda n: n, weights, 3, threads=2, ahead=2, weigh=float, most=12))
    assert [len(batch) for batch in found] == batches
    assert [n for batch in found for n in batch] == weights


def test_what_is_under_way_never_weighs_more_than_it_may() -> None:
    weights = np.random.default_rng(0).integers(1, 16, 300).tolist()
    begun, lock = [], threading.Lock()

    def work(weight: int) -> int:
        with lock:
            begun.append(weight)
        return weight

    taken = 0
    for batch in in_batches(work, weights, 8, threads=4, ahead=3, weigh=float, most=12):
        taken += len(batch)
        under_way = sum(weights[taken : len(begun)])
        assert under_way <= 12 or len(begun) - taken == 1
    assert sorted(begun) == sorted(weights)


def test_what_a_thread_raises_surfaces_and_the_rest_is_given_up() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        if number == 4:
            raise DataError("number 4 is broken")
        return number

    batches = in_batches(work, range(1000), 2, threads=1, ahead=400)
    assert [next(batches), next(batches)] == [[0, 1], [2, 3]]
    with pytest.raises(DataError, match="number 4 is broken"):
        next(batches)
    assert len(begun) < 100
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_an_image_is_read_at_the_sizes_asked_for(reader: ImageReader, jpeg: bytes) -> None:
    np.testing.assert_array_equal(read_image(reader, row_of(jpeg), 90), decode_rgb(jpeg))
    found = read_sizes(reader, row_of(jpeg), {20, 90})
    assert {side: image.shape for side, image in found.items()} == {20: (23, 30, 3), 90: (90, 120, 3)}


def test_an_image_that_changed_since_ingest_is_refused(
    reader: ImageReader, folder: Path, jpeg: bytes, numbered: Callable[[int], bytes]
) -> None:
    (folder / "a.jpg").write_bytes(numbered(1))
    with pytest.raises(DataError, match=r"web/a\.jpg: its bytes are not those of the manifest .*dvc repro -f ingest"):
        read_image(reader, row_of(jpeg), 90)


def test_an_image_that_cannot_be_decoded_is_named(reader: ImageReader, folder: Path) -> None:
    (folder / "a.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"web/a\.jpg: cannot decode an image of 8 bytes"):
        read_image(reader, row_of(b"no image"), 90)
