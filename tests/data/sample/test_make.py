"""What the sample says about itself holds for its files."""

import io
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from dinov2.data.images import decode_rgb, resize_shortest
from dinov2.data.inspection import RejectedError, inspect
from dinov2.data.sample import make_sample, truth
from dinov2.data.sample.broken import BROKEN
from dinov2.data.sample.edits import EDITS
from dinov2.data.sample.make import _files
from dinov2.data.sample.photographs import BACKGROUNDS, CLASSES, background, cutouts
from dinov2.data.sample.plan import plan
from dinov2.storage import Store

Rows = list[dict]


@pytest.fixture(scope="module")
def folder(sample_store: Store) -> str:
    return make_sample(sample_store)


@pytest.fixture(scope="module")
def rows(sample_store: Store) -> Rows:
    return truth(sample_store).to_pylist()


def likeness(copy: bytes, original: bytes) -> float:
    """Correlation of two pictures, at most 1; the copy is brought to the original's size, or found in it if smaller."""
    one, two = (cv2.cvtColor(decode_rgb(data), cv2.COLOR_RGB2GRAY) for data in (copy, original))
    found = [cv2.matchTemplate(two, cv2.resize(one, two.shape[::-1]), cv2.TM_CCOEFF_NORMED)]
    if one.shape[0] <= two.shape[0] and one.shape[1] <= two.shape[1]:
        found.append(cv2.matchTemplate(two, one, cv2.TM_CCOEFF_NORMED))
    return float(max(score.max() for score in found))


def test_every_file_is_in_the_truth_and_the_sets_have_their_shapes(
    rows: Rows, sample_store: Store, folder: str
) -> None:
    files = {f"{folder}/{row['set']}/{row['file']}" for row in rows}
    images = [n for n in sample_store.list(folder) if n.split("/")[2] in ("pool", "curated", "labelled")]
    assert files == set(images)
    usable = [row for row in rows if not row["reason"]]
    pool = [row for row in usable if row["set"] == "pool"]
    originals = [row for row in pool if not row["duplicate_of"]]
    assert len(pool) == 1400
    assert len(pool) - len(originals) == 168
    assert 0.25 < np.mean([row["label"] is None for row in originals]) < 0.35
    assert {row["label"] for row in usable if row["set"] == "labelled"} == set(CLASSES)
    assert all(row["file"].startswith(f"{row['label']}/") for row in usable if row["set"] != "pool")


def test_it_is_made_once_and_the_same_bytes_come_again(sample_store: Store, folder: str) -> None:
    assert make_sample(sample_store) == folder
    for item in plan()[::97]:
        for name, data in _files(item):
            assert sample_store.read(f"{folder}/{name}") == data


@pytest.mark.slow
def test_a_sample_that_was_cut_short_is_made_whole(sample_store: Store, folder: str, tmp_path: Path) -> None:
    other = Store(str(tmp_path))
    other.write(f"{folder}/pool/{plan()[0].file}", b"cut sh")
    assert make_sample(other) == folder
    names = sample_store.list(folder)
    assert other.list(folder) == names
    assert all(other.read(name) == sample_store.read(name) for name in names)


def test_copies_show_what_their_originals_show(rows: Rows, sample_store: Store, folder: str) -> None:
    originals = {f"{row['set']}/{row['file']}": row for row in rows if not row["duplicate_of"]}
    copies = [row for row in rows if row["duplicate_of"]]
    assert {row["edit"] for row in copies} == set(EDITS)
    assert sum(row["duplicate_of"].startswith("labelled/") for row in copies) == 24
    other = sample_store.read(f"{folder}/{copies[0]['duplicate_of']}")
    unlike = []
    for row in copies[1:]:
        copy, original = (sample_store.read(f"{folder}/{n}") for n in (f"pool/{row['file']}", row["duplicate_of"]))
        assert originals[row["duplicate_of"]]["label"] == row["label"]
        assert (copy == original) == (row["edit"] == "exact")
        assert likeness(copy, original) > 0.85
        unlike.append(likeness(copy, other))
    assert np.median(unlike) < 0.3


def test_broken_files_are_broken_as_they_say(rows: Rows, sample_store: Store, folder: str) -> None:
    broken = [row for row in rows if row["reason"]]
    assert {row["reason"] for row in broken} == set(BROKEN)
    for row in broken:
        with pytest.raises(RejectedError) as caught:
            inspect(sample_store.read(f"{folder}/pool/{row['file']}"), 32, 64_000_000)
        assert caught.value.reason == row["reason"]


def test_masks_and_depth_fit_the_labelled_scenes(rows: Rows, sample_store: Store, folder: str) -> None:
    shares = []
    for row in [row for row in rows if row["set"] == "labelled"][::10]:
        place = row["file"].replace(".jpg", ".png")
        shape = decode_rgb(sample_store.read(f"{folder}/labelled/{row['file']}")).shape[:2]
        mask, depth = (
            cv2.imdecode(np.frombuffer(sample_store.read(f"{folder}/{kind}/{place}"), np.uint8), cv2.IMREAD_UNCHANGED)
            for kind in ("masks", "depth")
        )
        assert mask.shape == depth.shape == shape
        assert set(np.unique(mask)) <= {0, 1 + CLASSES.index(row["label"])}
        assert depth.dtype == np.uint16
        assert depth.min() >= 1000
        assert depth.max() <= 9000
        assert depth[mask > 0].max() < 4000 <= np.median(depth[mask == 0])
        shares.append((mask > 0).mean())
    assert 0.2 < np.mean(shares) < 0.5
    assert min(shares) > 0.08


def test_pixels_and_colours_do_not_give_the_class_away(rows: Rows, sample_store: Store, folder: str) -> None:
    labelled = [row for row in rows if row["set"] == "labelled"]
    images = [decode_rgb(sample_store.read(f"{folder}/labelled/{row['file']}")) for row in labelled]
    labels = np.array([row["label"] for row in labelled])
    tiny = np.array(
        [cv2.resize(resize_shortest(x, 32), (16, 16), interpolation=cv2.INTER_AREA).ravel() for x in images]
    )
    bins, ranges = (4, 4, 4), [(0, 256)] * 3
    colours = np.array([np.sqrt(np.histogramdd(x.reshape(-1, 3), bins, ranges)[0].ravel() / x.size) for x in images])
    for features in (tiny.astype(float), colours):
        centred = features - features.mean(axis=0)
        unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        nearest = np.argmax(unit @ unit.T - 2 * np.eye(len(unit)), axis=1)
        assert (labels[nearest] == labels).mean() < 0.4


def test_photographs_are_there_and_cutouts_are_objects() -> None:
    for label in CLASSES:
        for cutout in cutouts(label):
            assert cutout.pixels.shape[:2] == cutout.alpha.shape
            assert max(cutout.alpha.shape) <= 200
            assert 0.2 < cutout.alpha.mean() < 0.9
    assert all(min(background(number).shape[:2]) >= 96 for number in range(len(BACKGROUNDS)))


def test_truth_is_a_table_that_can_be_read_from_the_store(sample_store: Store, folder: str) -> None:
    assert pq.read_table(io.BytesIO(sample_store.read(f"{folder}/truth.parquet"))).equals(truth(sample_store))
