"""The command `dinov2 compare` with two versions in a real registry, and manifests of this workspace and of a run."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
from ruamel.yaml import YAML

from dinov2.config import read_yaml
from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.errors import ConfigError, DataError, UserError
from dinov2.evaluation.config import SetConfig
from dinov2.models import create_model, save_backbone
from dinov2.registry.client import connect
from dinov2.settings import Settings
from dinov2.stages import evaluate, files, one_off, register
from dinov2.stages.compare import compare
from dinov2.stages.context import Context
from dinov2.stages.params import Params
from dinov2.stages.told import Asked
from dinov2.storage import write_json

ROOT = Path(__file__).parents[2]
EVALUATE = {"models": ["S"], "resolution": 32, "pca_resolution": 48, "pca_images": 3}
LINEAR = {"iterations": 30, "batch": 16}


def image_row(root: Path, number: int) -> dict:
    label, split = ("dark", "light")[number % 2], "train" if number < 16 else "test"
    path = root / "photos" / label / f"{number:02}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 60, (40, 40, 3))
    cv2.imwrite(str(path), (noise + (150 if number % 2 else 0)).astype(np.uint8))
    data, uri = path.read_bytes(), path.relative_to(root / "photos").as_posix()
    size = {"width": 40, "height": 40, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    role = "pool" if split == "train" else "evaluation"
    return size | {"key": f"photos/{uri}", "uri": uri, "source": "photos", "role": role, "split": split, "label": label}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A workspace that git and DVC know, in which two backbones of random weights are registered as dinov2-S."""
    root = tmp_path_factory.mktemp("workspace")
    content = read_yaml(ROOT / "params.yaml")
    content["ingest"]["sources"] = [{"name": "photos", "uri": "photos", "role": "pool"}]
    content["evaluate"] = EVALUATE | {"linear": LINEAR}
    YAML().dump(content, root / "params.yaml")
    (root / "rules.yaml").write_text("promotion: {}\n")
    context = Context(root, Params.model_validate(content), Settings(store="store", device="cpu", threads=1))
    write_manifest(context.path(files.MANIFEST), pa.Table.from_pylist([image_row(root, n) for n in range(24)], SCHEMA))
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = create_model("vit_tiny", img_size=32, patch_size=8, depth=1, layerscale=1.0)
        save_backbone(context.path(files.weights("S")), model)
        evaluate.run(context, "S")
        register.run(context, "S")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    return context


def compared(context: Context, candidate: str, champion: str | None = None) -> dict:
    compare(context, f"models:/dinov2-S/{candidate}", champion and f"models:/dinov2-S/{champion}", "out.json")
    return json.loads(context.path("out.json").read_text())


def test_accuracies_are_those_that_the_versions_were_registered_with(context: Context, capsys) -> None:
    found = compared(context, "2", "1")
    assert [figure["name"] for figure in found["figures"]] == ["photos.knn.accuracy", "photos.linear.accuracy"]
    client = connect(context.settings, context.root)
    for who, version in (("candidate", "2"), ("champion", "1")):
        run = client.get_run(client.get_model_version("dinov2-S", version).run_id)
        for figure in found["figures"]:
            assert figure[who] == pytest.approx(run.data.metrics[figure["name"]], abs=1e-6)
        assert found[who]["figures"] == [figure["name"] for figure in found["figures"]]
    for figure in found["figures"]:
        assert figure["gain"] == pytest.approx(figure["candidate"] - figure["champion"])
        assert figure["low"] <= figure["gain"] <= figure["high"]
    said = capsys.readouterr().out
    assert "models:/dinov2-S/2 against models:/dinov2-S/1" in said
    assert "rules.yaml: " in said


def test_without_a_champion_the_candidate_stands_alone(context: Context) -> None:
    found = compared(context, "1")
    assert found["champion"] is None
    assert [figure["gain"] for figure in found["figures"]] == [None, None]


def test_the_champion_is_compared_with_when_no_other_is_named_and_never_with_itself(context: Context) -> None:
    client = connect(context.settings, context.root)
    client.set_registered_model_alias("dinov2-S", "champion", "1")
    try:
        assert compared(context, "2")["champion"]["version"] == "1"
        with pytest.raises(ConfigError, match="dinov2-S version 1 is the champion"):
            compared(context, "1")
    finally:
        client.delete_registered_model_alias("dinov2-S", "champion")


def test_another_manifest_than_the_versions_is_refused_and_so_are_unknown_versions(context: Context) -> None:
    kept = context.path(files.MANIFEST).read_bytes()
    write_manifest(context.path(files.MANIFEST), pa.Table.from_pylist([image_row(context.root, 0)], SCHEMA))
    try:
        with pytest.raises(DataError, match=r"dinov2-S/2 was evaluated on a manifest of sha256 .* no recorded run"):
            compared(context, "2", "1")
    finally:
        context.path(files.MANIFEST).write_bytes(kept)
    with pytest.raises(UserError, match="models:/dinov2-S/7"):
        compared(context, "7")


def test_a_registered_version_is_evaluated_on_any_folder(context: Context, monkeypatch, capsys) -> None:
    monkeypatch.chdir(context.root)
    monkeypatch.setenv("DINOV2_THREADS", "1")
    (context.root / "short.yaml").write_text("resolution: 32\n")
    found = []
    for model in ("models:/dinov2-S/2", files.weights("S")):  # which that version was made of
        one_off.evaluate(Asked(model, ["photos"], ["knn"], None, "short.yaml"), as_json=True)
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["digest"] == found[1]["digest"]
    assert found[0]["rows"] == found[1]["rows"]


def test_a_set_that_has_changed_since_the_candidate_was_evaluated_is_refused(context: Context, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"a")
    config = context.params.evaluate.model_copy(update={"sets": (SetConfig(name="street", path=str(tmp_path)),)})
    changed = replace(context, params=context.params.model_copy(update={"evaluate": config}))
    write_json(context.path(files.SETS), {"street": "0" * 64})
    with pytest.raises(
        DataError, match=rf"was evaluated on another street: data/sets\.json of .* has 000.*{tmp_path} is"
    ):
        compare(changed, "models:/dinov2-S/2", None, None)
    context.path(files.SETS).unlink()
    with pytest.raises(ConfigError, match="'street': data/sets\\.json does not know it"):
        compare(changed, "models:/dinov2-S/2", None, None)


def test_images_and_parameters_are_those_of_the_run_that_made_the_candidate(context: Context) -> None:
    expected = compared(context, "2", "1")["figures"]
    subprocess.run([sys.executable, "-m", "dvc", "add", "-q", files.MANIFEST], cwd=context.root, check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "add", "params.yaml", f"{files.MANIFEST}.dvc", ".dvc"], cwd=context.root, check=True)
    subprocess.run(["git", *author, "commit", "-qm", "run"], cwd=context.root, check=True)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=context.root, text=True).strip()
    client = connect(context.settings, context.root)
    for key, value in (("dinov2.run", "one"), ("dinov2.commit", commit)):
        client.set_model_version_tag("dinov2-S", "2", key, value)
    context.path(files.MANIFEST).unlink()
    context.path("params.yaml").write_text("of another run\n")
    found = compared(context, "2", "1")
    assert (found["candidate"]["run"], found["candidate"]["commit"]) == ("one", commit)
    assert found["figures"] == expected
