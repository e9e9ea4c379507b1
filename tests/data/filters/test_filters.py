"""Filters together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dinov2.data.config import IngestConfig
from dinov2.data.filters import files_of
from dinov2.data.filters.perceptual import Perceptual
from dinov2.data.folder import FolderSource
from tests.data.filters.conftest import encoded, resized

ALL: tuple[dict[str, Any], ...] = (
    {"kind": "size"}, {"kind": "blank"}, {"kind": "exact"}, {"kind": "perceptual", "bits": 4},
)  # fmt: skip


def test_each_filter_counts_its_own_and_the_first_one_counts(
    take_in: Callable, photographs: dict[str, np.ndarray]
) -> None:
    image = photographs["coffee"]
    white = np.full((90, 90, 3), 255, np.uint8)
    files = {
        "a.jpg": encoded(image),
        "copy.jpg": encoded(image),
        "like.jpg": encoded(resized(image, 200, 150)),
        "thin_white.jpg": encoded(white[:70].repeat(4, axis=1)),
        "white.jpg": encoded(white),
        "text.jpg": b"text",
    }
    found = take_in(files, *ALL)
    assert {key.removeprefix("web/"): reason for key, (reason, _) in found.rejects.items()} == {
        "copy.jpg": "exact",
        "like.jpg": "perceptual",
        "thin_white.jpg": "size",
        "white.jpg": "blank",
        "text.jpg": "unreadable",
    }
    assert found.filters == {own["kind"]: {"rejected": 1} for own in ALL}
    assert list(found.filters) == [own["kind"] for own in ALL]


def test_a_decoded_image_is_shared_and_what_is_out_is_not_measured(
    take_in: Callable, photographs: dict[str, np.ndarray], monkeypatch
) -> None:
    seen: list[int] = []
    measure = Perceptual.measure
    monkeypatch.setattr(Perceptual, "measure", lambda self, image: seen.append(id(image)) or measure(self, image))
    take_in({"a.jpg": encoded(photographs["coffee"]), "b.png": encoded(np.zeros((90, 90, 3), np.uint8), "PNG")}, *ALL)
    assert len(seen) == 1


def test_only_a_filter_that_looks_makes_files_be_read_again(
    take_in: Callable, photographs: dict[str, np.ndarray], monkeypatch
) -> None:
    reads: list[str] = []
    read = FolderSource.read
    monkeypatch.setattr(FolderSource, "read", lambda self, uri: reads.append(uri) or read(self, uri))
    file = {"a.jpg": encoded(photographs["coffee"])}
    counts = []
    for filters in ((), ALL[2:3], ALL[3:], ({"kind": "perceptual", "bits": 0},), ALL[1:2], ALL[1:2], ALL[:2]):
        take_in(file if not reads else {}, *filters)
        counts.append(len(reads))
    assert counts == [1, 1, 2, 2, 3, 3, 4]


def test_files_of_filters_are_told_by_their_keys() -> None:
    filters = [
        {"kind": "urls", "urls": ["u.txt"], "domains": ["d.txt", "e.txt"]},
        {"kind": "exact"},
        {"kind": "nsfw", "model": "m.onnx", "threshold": 0.5},
        {"kind": "faces"},
    ]
    pool = {"name": "web", "uri": str(Path("pool")), "role": "pool"}
    config = IngestConfig.model_validate({"sources": [pool], "filters": filters})
    assert files_of(config.filters) == {
        "ingest.filters.0.urls.0": "u.txt",
        "ingest.filters.0.domains.0": "d.txt",
        "ingest.filters.0.domains.1": "e.txt",
        "ingest.filters.2.model": "m.onnx",
    }
