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
from dinov2.errors import ConfigError, DataError
from dinov2.models import create_model, save_backbone
from dinov2.settings import Settings
from dinov2.stages import evaluate, files, judged, report, scan
from dinov2.stages.context import Context
from dinov2.stages.findings import judge
from dinov2.stages.judged import judging
from dinov2.stages.params import Params

PARAMS = Path(__file__).parents[2] / "params.yaml"
EVALUATE = {"models": ["S"], "resolution": 32, "pca_resolution": 48, "pca_images": 3}
LINEAR = {"iterations": 30, "batch": 16}
SEGMENTATION = {"resolution": 32, "iterations": 20, "batch": 2, "rates": [0.01]}
SCENES = {"name": "scenes", "path": "sets/street", "protocols": ["segmentation"]}


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


def scenes(root: Path) -> Path:
    """A set of masks: 24 images in the workspace, a bright square on each."""
    for number in range(24):
        image = np.random.default_rng(number).integers(0, 90, (32, 48, 3)).astype(np.uint8)
        mask, place = np.zeros((32, 48), np.uint8), number % 3 * 16
        mask[8:24, place : place + 16] = 1
        for kind, pixels in (("images", np.where(mask[..., None], image + 160, image)), ("masks", mask)):
            path = root / "sets" / "street" / kind / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)
    (root / "sets" / "street" / "classes.txt").write_text("0: ground\n1: square\n")
    return root / "sets" / "street"


@pytest.fixture
def workspace(tmp_path):
    def make(labelled: bool = True, **changes) -> Context:
        rows = [image_row(tmp_path, n, ("dark", "light")[n % 2] if labelled else None) for n in range(24)]
        write_manifest(tmp_path / files.MANIFEST, pa.Table.from_pylist(rows, schema=SCHEMA))
        torch.manual_seed(0)
        save_backbone(tmp_path / files.weights("S"), create_model("vit_tiny", img_size=32, patch_size=8, depth=1))
        content = read_yaml(PARAMS)
        content["ingest"]["sources"] = [{"name": "photos", "uri": "photos", "role": "pool"}]
        content["evaluate"] = EVALUATE | {"linear": LINEAR, "segmentation": SEGMENTATION} | changes
        settings = Settings(store="store", device="cpu", threads=1)
        context = Context(tmp_path, Params.model_validate(content), settings)
        scan.run(context)
        return context

    return make


def test_all_that_is_written_repeats_byte_for_byte(workspace):
    context = workspace()
    evaluate.run(context, "S")
    written = [context.path(name) for name in evaluate.writes("S")]
    first = [each.read_bytes() for each in written]
    photos = json.loads(context.path(files.evaluation("S")).read_text())["datasets"]["photos"]
    assert (photos["train"], photos["test"], photos["chance"]) == (16, 8, 0.5)
    assert photos["protocols"]["knn"]["pixels"].keys() >= {"accuracy", "low", "high", "k10", "k20", "k100", "k200"}
    context.store.delete("features")
    evaluate.run(context, "S")
    assert [each.read_bytes() for each in written] == first


def test_a_folder_without_labels_gets_pictures_and_a_report(workspace, capsys):
    context = workspace(labelled=False)
    evaluate.run(context, "S")
    assert "no labelled set" in capsys.readouterr().out
    assert json.loads(context.path(files.evaluation("S")).read_text())["labelled_sets"] == 0
    assert context.path(files.picture("S")).stat().st_size > 1000
    own = context.path(files.page("S")).read_text(encoding="utf-8")
    assert "the pictures below need no labels" in own
    assert own.count("data:image/webp") == 3
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


def test_a_set_in_a_folder_stands_beside_the_labelled_sources(workspace, tmp_path, capsys):
    scenes(tmp_path)
    context = workspace(sets=[SCENES])
    evaluate.run(context, "S")
    found = json.loads(context.path(files.evaluation("S")).read_text())
    assert found["datasets"].keys() == {"photos"}
    (numbers,) = found["numbers"]["scenes"].values()
    assert numbers["miou"].keys() == {"value", "low", "high", "random", "pixels"}
    lines = context.path(files.headlines("S")).read_text().splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == [
        "photos knn accuracy", "photos linear accuracy", "scenes segmentation miou"
    ]  # fmt: skip
    page = context.path(files.page("S")).read_text()
    assert all(shown in page for shown in ("mIoU", "2 classes of pixels; 18 training images, 5 test images"))
    assert "| scenes | Segmentation, linear | mIoU |" in context.path(files.results("S")).read_text()
    assert "S: scenes, random: features " in capsys.readouterr().out


def test_processes_that_share_out_the_features_leave_only_judging(workspace, tmp_path):
    scenes(tmp_path)
    context = workspace(sets=[SCENES])
    for index in range(2):
        evaluate.share(context, "S", index, 2)
    made = set(context.store.list("features"))
    judge(judging(context), judged.model_of(context, "S"), {})
    assert made
    assert set(context.store.list("features")) == made


def test_a_set_that_no_scan_saw_is_refused_before_anything_is_computed(workspace, tmp_path):
    scenes(tmp_path)
    context = workspace(sets=[SCENES])
    context.path(files.SETS).write_text("{}")
    with pytest.raises(ConfigError, match=r"evaluate.sets: 'scenes': data/sets.json does not know it; run `dinov2 sc"):
        evaluate.run(context, "S")
    assert context.store.list("features") == []


def test_a_protocol_that_does_not_fit_a_set_is_refused_before_anything_is_computed(workspace, tmp_path):
    scenes(tmp_path)
    context = workspace(sets=[SCENES | {"protocols": ["knn"]}])
    with pytest.raises(ConfigError, match=r"protocol 'knn': not for scenes.*allowed: segmentation, segmentation_ms"):
        evaluate.run(context, "S")
    assert context.store.list("features") == []
