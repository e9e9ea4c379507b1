"""The benchmark of retrieval: which descriptors it takes, and what it counts."""

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import retrieval
from dinov2.curation.config import RetrieveConfig
from dinov2.errors import ConfigError


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Twelve dark images and four bright ones, which some bright ones beside the pool ask for."""
    rows = []
    for number in range(20):
        origin = "bright" if number >= 12 else "dark"
        folder = tmp_path / ("asking" if number >= 16 else "pool")
        folder.mkdir(exist_ok=True)
        coarse = np.random.default_rng(number).integers(60, size=(8, 8, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (96, 96)) if origin == "dark" else np.full((96, 96, 3), 180 + number, np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        rows.append((f"{number}.png", origin))
    with (tmp_path / "pool/provenance.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "origin"), *rows[:16]])
    return tmp_path / "pool"


def run(pool: Path, descriptor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = f"{pool.parent / 'asking'}=bright"
    arguments = ["retrieval", str(pool), "--queries", queries, "--descriptor", descriptor, "--json"]
    monkeypatch.setattr(sys, "argv", arguments)
    retrieval.main()


@pytest.mark.parametrize("name", ["trained", "absent"])
def test_a_descriptor_that_it_cannot_make_is_told_with_those_it_can(
    pool: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=f"--descriptor '{name}': no such file; allowed: hash, pdq, gist or a file$"):
        run(pool, name, monkeypatch)


def test_what_is_asked_for_is_retrieved(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(retrieval, "CONFIGS", {"sample": RetrieveConfig(method="sample", neighbours=4)})
    run(pool, "gist", monkeypatch)
    (figures,) = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    assert (figures["retrieved"], figures["precision"], figures["base_rate"]) == (4, 1.0, 0.25)
