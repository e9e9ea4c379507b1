"""Weights out of a run's checkpoints, and into another run, in a workspace of real files."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.random import default_rng

from dinov2.data.config import SourceConfig
from dinov2.errors import ConfigError
from dinov2.models import load_backbone
from dinov2.models.weights import load_tensors
from dinov2.settings import Settings
from dinov2.stages import files, ingest, pack
from dinov2.stages.consolidate import CPU, consolidate
from dinov2.stages.context import Context
from dinov2.stages.params import load_params
from dinov2.stages.training_job import place_of, work_of
from dinov2.training.loop import train

ROOT = Path(__file__).parents[2]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A workspace with four images curated, and a pretraining of four short steps with a milestone every two."""
    (tmp_path / "photos").mkdir()
    for number in range(4):
        noise = default_rng(number).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), cv2.resize(noise, (64, 48)))
    params = load_params(ROOT)
    pretrain = params.pretrain
    small = {
        "model": pretrain.model.model_copy(update={"embed_dim": 32, "depth": 1, "num_heads": 1}),
        "heads": pretrain.heads.model_copy(update={"prototypes": 16, "hidden": 16}),
        "batch_size": 2,
        "group_size": 2,
        "epoch_length": 0.4,
    }
    sources = (SourceConfig(name="own", uri="photos", role="pool"),)
    own = {
        "ingest": params.ingest.model_copy(update={"sources": sources}),
        "pretrain": pretrain.model_copy(update=small),
    }
    settings = Settings(store="var/store", workers=0, checkpoint_milestones=2, checkpoint_keep=1)
    context = Context(tmp_path, params.model_copy(update=own), settings)
    ingest.run(context)
    shutil.copy(context.path(files.MANIFEST), context.path(files.CURATED))
    pack.run(context)
    return context


def test_a_milestone_and_the_end_of_a_run_become_files(context: Context) -> None:
    with pytest.raises(
        ConfigError, match="pretrain: no checkpoint of a run with these parameters and images; there is"
    ):
        consolidate(context, "pretrain", None, "out")
    work = work_of(context, "pretrain")
    train(work, place_of(context, CPU))
    backbone, training = consolidate(context, "pretrain", None, "out")
    assert backbone == context.path("out/pretrain-00000004.safetensors")
    assert backbone.read_bytes() == work.backbone.read_bytes()
    assert work.training is not None
    assert training.read_bytes() == work.training.read_bytes()
    measuring = replace(context, settings=context.settings.model_copy(update={"attention": "measure"}))
    earlier, _ = consolidate(measuring, "pretrain", 2, "out")
    assert earlier.name == "pretrain-00000002.safetensors"
    assert not torch.equal(load_backbone(earlier).pos_embed, load_backbone(backbone).pos_embed)
    with pytest.raises(ConfigError, match=r"no checkpoint of step 3 .*; there are those of steps 2, 4"):
        consolidate(context, "pretrain", 3, "out")


def test_a_run_goes_on_from_given_weights(context: Context) -> None:
    first = work_of(context, "pretrain")
    train(first, place_of(context, CPU))
    for given in (first.backbone, first.training):
        assert given is not None
        kept = shutil.copy(given, context.path("given.safetensors"))
        pretrain = context.params.pretrain.model_copy(update={"init_from": "given.safetensors"})
        still = pretrain.optimiser.model_copy(update={"base_lr": 1e-12, "min_lr": 0.0, "weight_decay": (0.0, 0.0)})
        pretrain = pretrain.model_copy(update={"optimiser": still})
        again = replace(context, params=context.params.model_copy(update={"pretrain": pretrain, "seed": 1}))
        work = work_of(again, "pretrain")
        assert work.digest != first.digest
        train(work, place_of(again, CPU))
        tensors, _ = load_tensors(Path(kept))
        prefix = "" if "pos_embed" in tensors else "teacher.backbone."
        for name, found in load_backbone(work.backbone).state_dict().items():
            torch.testing.assert_close(found, tensors[f"{prefix}{name}"], rtol=1e-3, atol=1e-3)
