"""A workspace with the files that stages leave, without their having run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinov2.evaluation.intervals import wilson

SCORES = {"knn": {"model": 82, "random": 74, "pixels": 80}, "linear": {"model": 94, "random": 47, "pixels": 57}}
"""Images of 277 that were recognised."""
TEST = 277


def score(right: int) -> dict[str, float]:
    low, high = wilson(right, TEST)
    return {"accuracy": right / TEST, "low": low, "high": high, "clipped": 0}


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The root of it."""
    source = {"bytes": 0, "labelled": 0, "labels": 0, "test": 0}
    sources = {
        "pool": {**source, "images": 1386, "rejected": 14, "train": 1386, "bytes": 6_120_492},
        "a|b": {**source, "images": 0, "rejected": 0, "train": 0},
    }
    write(
        tmp_path / "metrics/ingest.json",
        {"images": 1386, "rejected": 14, "rejects": {"empty": 2, "truncated": 12}, "sources": sources, "train": 1386},
    )
    copies = {"pool": {"kept": 1232, "self": 144, "evaluation": 24}, "none": {"kept": 0, "self": 0, "evaluation": 0}}
    write(tmp_path / "metrics/deduplicate.json", {"images": 1400, "kept": 1232, "sources": copies})
    write(tmp_path / "metrics/retrieve.json", {"images": 800, "sources": {"pool": 600, "curated": 200}})
    write(
        tmp_path / "metrics/S.json", {"images": 859, "iterations": 250, "last": {"loss": 6.49715, "iteration": 250.0}}
    )
    protocols = {name: {kind: score(right) for kind, right in each.items()} for name, each in SCORES.items()}
    write(
        tmp_path / "metrics/evaluate/S.json",
        {"datasets": {"labelled": {"classes": 10, "protocols": protocols}}, "labelled_sets": 1, "skipped": {}},
    )
    write(tmp_path / "registry/S.json", {"name": "dinov2-S", "parameters": 12345, "architecture": {"depth": 2}})
    curve = "".join(f"{step},{9 - step / 100}\n" for step in range(1, 251))
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots/S.csv").write_text(f"iteration,loss\n{curve}")
    (tmp_path / "reports/pca").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (600, 2400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "reports/pca/S.png")
    return tmp_path
