"""The stages evaluate and report in a workspace of real files, with a backbone of random weights."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch

from dinov2.config import read_yaml
from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.errors import DataError
from dinov2.models import create_model, save_backbone
from dinov2.settings import Settings
from dinov2.stages import evaluate, files, report
from dinov2.stages.context import Context
from dinov2.stages.params import Params

PARAMS = Path(__file__).parents[2] / "params.yaml"
EVALUATE = {"models": ["S"], "resolution": 32, "pca_resolution": 48, "pca_images": 3}
LINEAR = {"iterations": 30, "batch": 16}


def image_row(root: Path, number: int, label: str | None) -> dict:
    path = root / "photos" / (label or "") / f"{number:02}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 60, (40, 40, 3))
    cv2.imwrite(str(path), (noise + (150 if number % 2 else 0)).astype(np.uint8))
    data, uri = path.read_bytes(), path.relative_to(root / "photos").as_posix()
    fixed = {
        "width": 40,
        "height": 40,
        "bytes": len(data),
        "source": "photos",
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    split = "train" if number < 16 else "test"
    role = "pool" if split == "train" else "evaluation"
    return fixed | {"key": f"photos/{uri}", "uri": uri, "role": role, "split": split, "label": label}


@pytest.fixture
def workspace(tmp_path):
    def make(labelled: bool = True, **changes) -> Context:
        rows = [image_row(tmp_path, n, ("dark", "light")[n % 2] if labelled else None) for n in range(24)]
        write_manifest(tmp_path / files.MANIFEST, pa.Table.from_pylist(rows, schema=SCHEMA))
        torch.manual_seed(0)
        save_backbone(tmp_path / files.weights("S"), create_model("vit_tiny", img_size=32, patch_size=8, depth=1))
        content = read_yaml(PARAMS)
        content["ingest"]["sources"] = [{"name": "photos", "uri": "photos", "role": "pool"}]
        content["evaluate"] = EVALUATE | {"linear": LINEAR} | changes
        settings = Settings(store="store", device="cpu", threads=1)
        return Context(tmp_path, Params.model_validate(content), settings)

    return make


def test_metrics_and_pictures_are_written_and_repeat(workspace):
    context = workspace()
    evaluate.run(context, "S")
    metrics, picture = context.path(files.evaluation("S")), context.path(files.picture("S"))
    first = metrics.read_bytes(), picture.read_bytes()
    photos = json.loads(first[0])["datasets"]["photos"]
    assert (photos["train"], photos["test"], photos["chance"]) == (16, 8, 0.5)
    assert photos["protocols"]["knn"]["pixels"].keys() >= {"accuracy", "low", "high", "k10", "k20", "k100", "k200"}
    context.store.delete("features")
    evaluate.run(context, "S")
    assert (metrics.read_bytes(), picture.read_bytes()) == first


def test_a_folder_without_labels_gets_pictures_and_a_report(workspace, capsys):
    context = workspace(labelled=False)
    evaluate.run(context, "S")
    assert "no labelled set" in capsys.readouterr().out
    assert json.loads(context.path(files.evaluation("S")).read_text())["labelled_sets"] == 0
    assert context.path(files.picture("S")).stat().st_size > 1000
    report.run(context)
    page = context.path(files.REPORT).read_text(encoding="utf-8")
    assert "No source has labels that can be evaluated" in page
    assert "data:image/webp" in page


def test_nothing_is_computed_for_a_set_that_cannot_be_evaluated(workspace):
    context = workspace(labelled=False, datasets=["photos"])
    with pytest.raises(DataError, match="'photos' has no labelled image; labelled: none"):
        evaluate.run(context, "S")
    assert context.store.list("features") == []
    assert not context.path(files.evaluation("S")).exists()
