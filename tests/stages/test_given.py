"""Registered models as descriptors: the version that a scan saw, and no other."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from dinov2.curation.config import BackboneConfig
from dinov2.errors import ConfigError, DataError, UserError
from dinov2.models import create_model, save_backbone
from dinov2.registry.client import connect
from dinov2.registry.logged import Entry, Images
from dinov2.registry.versions import register
from dinov2.settings import Settings
from dinov2.stages import files, scan
from dinov2.stages.context import Context
from dinov2.stages.descriptors import descriptor_of
from dinov2.stages.params import load_params
from dinov2.storage import file_sha256, write_json

ROOT = Path(__file__).parents[2]
URI = "models:/vit@champion"


def registered(root: Path, seed: int) -> Path:
    """Register random weights; gives their file."""
    torch.manual_seed(seed)
    path = root / f"{seed}.safetensors"
    save_backbone(path, create_model("vit_tiny", img_size=32, patch_size=8, depth=1, embed_dim=24, num_heads=1))
    tags = {"dinov2.weights_sha256": file_sha256(path)}
    images = Images("data/manifest.parquet", "0" * 64, "0" * 32)
    register(Entry("vit", str(seed), path, 24, 32, "random", "random", tags, {}, images), Settings(), root)
    return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose registry has two versions of a model."""
    root = tmp_path_factory.mktemp("workspace")
    for seed in (1, 2):
        registered(root, seed)
    return root


@pytest.fixture
def context(workspace: Path) -> Context:
    """The workspace, as before any scan; the champion is version 1."""
    shutil.rmtree(workspace / "var" / "scratch", ignore_errors=True)
    write_json(workspace / files.GIVEN, {})
    connect(Settings(), workspace).set_registered_model_alias("vit", "champion", "1")
    params = load_params(ROOT)
    retrieval = BackboneConfig(kind="backbone", weights=URI, resolution=32)
    params = params.model_copy(update={"embed": params.embed.model_copy(update={"retrieval": retrieval})})
    return Context(workspace, params, Settings(store="var/store", device="cpu"))


def test_the_descriptor_is_the_version_that_the_scan_saw(context: Context) -> None:
    config, image = context.params.embed.retrieval, np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    scan.run(context)
    noted = json.loads(context.path(files.GIVEN).read_text())
    assert noted == {URI: {"version": "models:/vit/1", "sha256": file_sha256(context.root / "1.safetensors")}}
    first = descriptor_of(context, config)
    given = BackboneConfig(kind="backbone", weights="1.safetensors", resolution=32)
    assert descriptor_of(context, given).digest == first.digest
    np.testing.assert_array_equal(descriptor_of(context, given).embed([image]), first.embed([image]))

    connect(context.settings, context.root).set_registered_model_alias("vit", "champion", "2")
    assert descriptor_of(context, config).digest == first.digest
    scan.run(context)
    assert json.loads(context.path(files.GIVEN).read_text())[URI]["version"] == "models:/vit/2"
    assert descriptor_of(context, config).digest != first.digest


def test_what_was_fetched_once_is_not_fetched_again_unless_it_is_damaged(context: Context) -> None:
    scan.run(context)
    digest = descriptor_of(context, context.params.embed.retrieval).digest
    (fetched,) = (context.scratch / "weights").iterdir()
    away = Context(context.root, context.params, context.settings.model_copy(update={"tracking": "http://localhost:9"}))
    assert descriptor_of(away, context.params.embed.retrieval).digest == digest
    fetched.write_bytes(fetched.read_bytes()[:-1])
    assert descriptor_of(context, context.params.embed.retrieval).digest == digest


def test_a_model_that_no_scan_saw_is_named_with_the_remedy(context: Context) -> None:
    with pytest.raises(
        ConfigError,
        match=rf"embed\.retrieval\.weights: '{URI}': data/weights\.json does not know it; run `dinov2 scan`",
    ):
        descriptor_of(context, context.params.embed.retrieval)


def test_weights_other_than_the_scan_saw_are_refused_and_not_kept(context: Context) -> None:
    write_json(context.path(files.GIVEN), {URI: {"version": "models:/vit/1", "sha256": "0" * 64}})
    with pytest.raises(DataError, match=rf"{URI}: the weights of models:/vit/1 have sha256 \w+, .* says 0000"):
        descriptor_of(context, context.params.embed.retrieval)
    assert not list((context.scratch / "weights").iterdir())


@pytest.mark.parametrize("uri", ["models:/vit@none", "models:/other/1", "models:/vit"])
def test_a_scan_says_which_model_there_is_not(context: Context, uri: str) -> None:
    retrieval = BackboneConfig(kind="backbone", weights=uri)
    embed = context.params.embed.model_copy(update={"retrieval": retrieval})
    params = context.params.model_copy(update={"embed": embed})
    with pytest.raises(UserError, match=f"{uri}'?: "):
        scan.run(Context(context.root, params, context.settings))
