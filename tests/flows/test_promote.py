"""Promotion through `make up`: compared for real, approved as the page does it, and seen in the registry."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml

from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.models import create_model, save_backbone
from dinov2.registry.promotion.contenders import aliases
from dinov2.settings import Settings
from dinov2.stages import evaluate, files, register
from dinov2.stages.context import Context
from dinov2.stages.params import Params
from tests.flows.conftest import REPOSITORY, Workspace, wait_for
from tests.flows.serving import ENDS, Up, up

MODEL = "dinov2-S"
BLIND, SEEING, BLIND_TOO, SEEING_TOO = "1", "2", "3", "4"
"""Versions: what a blind one says of an image has nothing to do with the image."""


def image_row(root: Path, number: int) -> dict[str, Any]:
    label, split = ("dark", "light")[number % 2], "train" if number < 40 else "test"
    path = root / "photos" / label / f"{number:02}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 60, (40, 40, 3))
    cv2.imwrite(str(path), (noise + (150 if number % 2 else 0)).astype(np.uint8))
    data, uri = path.read_bytes(), path.relative_to(root / "photos").as_posix()
    size = {"width": 40, "height": 40, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    role = "pool" if split == "train" else "evaluation"
    return size | {"key": f"photos/{uri}", "uri": uri, "source": "photos", "role": role, "split": split, "label": label}


def register_versions(workspace: Workspace) -> None:
    """Four versions of one model, evaluated on images of this workspace."""
    root = workspace.root
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["ingest"]["sources"] = [{"name": "photos", "uri": "photos", "role": "pool"}]
    linear = {"iterations": 30, "batch": 16}
    content["evaluate"] = {"models": ["S"], "resolution": 32, "pca_resolution": 48, "pca_images": 3, "linear": linear}
    workspace.write("params.yaml", yaml.safe_dump(content, sort_keys=False))
    workspace.write("rules.yaml", (REPOSITORY / "rules.yaml").read_text())
    context = Context(root, Params.model_validate(content), Settings(device="cpu", threads=1))
    write_manifest(context.path(files.MANIFEST), pa.Table.from_pylist([image_row(root, n) for n in range(60)], SCHEMA))
    for seed, sees in enumerate((False, True, False, True)):
        torch.manual_seed(seed)
        model = create_model("vit_tiny", img_size=32, patch_size=8, depth=1, layerscale=1.0)
        if not sees:
            torch.nn.init.zeros_(model.patch_embed.proj.weight)
        save_backbone(context.path(files.weights("S")), model)
        evaluate.run(context, "S")
        register.run(context, "S")


class Promotions:
    """What a user does about promotions on the page of a run, and what comes of it in the registry."""

    def __init__(self, running: Up) -> None:
        """Of servers that run."""
        self.up = running

    def start(self, candidate: str) -> str:
        """Fill in the form; the run."""
        return self.up.create("promote/promote", model=MODEL, candidate=candidate)

    def wait_for_form(self, run: str) -> None:
        """Wait until the run waits for an answer."""
        wait_for(lambda: self.up.state(run) in ("PAUSED", *ENDS), seconds=300)
        assert self.up.state(run) == "PAUSED", self.up.run(run)["state"]
        key = self.up.run(run)["state"]["state_details"]["run_input_keyset"]["description"]
        wait_for(lambda: self.up.status(f"/flow_runs/{run}/input/{key}") == 200)

    def answer(self, run: str, **given: Any) -> str:
        """Fill in the form of a run that waits; whether the server takes it."""
        return str(self.up.ask(f"/flow_runs/{run}/resume", {"run_input": given})["status"])

    def shown(self, run: str) -> str:
        """What the person sees who is asked."""
        key = self.up.run(run)["state"]["state_details"]["run_input_keyset"]["description"]
        return str(self.up.ask(f"/flow_runs/{run}/input/{key}"))

    def aliases(self) -> dict[str, str]:
        """The model's aliases but `candidate`."""
        found = aliases(MODEL, Settings(), self.up.workspace.root)
        return {name: version for name, version in found.items() if name != "candidate"}


@pytest.fixture
def promotions(workspace: Workspace) -> Iterator[Promotions]:
    register_versions(workspace)
    with up(workspace, DINOV2_DEVICE="cpu", DINOV2_THREADS="1") as running:
        yield Promotions(running)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_person_decides_with_the_comparison_in_front_and_the_alias_moves(promotions: Promotions) -> None:
    running = promotions.up
    # No champion yet: a person is asked all the same, and an answer without a name is none.
    first = promotions.start(BLIND)
    promotions.wait_for_form(first)
    assert "none yet" in promotions.shown(first)
    assert promotions.answer(first, approve=True, reason="the first") == "REJECT"
    assert promotions.answer(first, approve=True, reason="  ", name="Ann") == "REJECT"
    assert running.state(first) == "PAUSED"
    assert promotions.answer(first, approve=True, reason="the first", name="Ann Lee") == "ACCEPT"
    assert running.wait_for_end(first)["message"] == f"{MODEL} version {BLIND}: promoted"
    assert promotions.aliases() == {"champion": BLIND}

    # It waits in no process: the worker may die meanwhile.
    better = promotions.start(SEEING)
    promotions.wait_for_form(better)
    running.kill("worker")
    page = promotions.shown(better)
    assert "photos.knn.accuracy | 100.0 | 50.0 | +50.0" in page
    assert promotions.answer(better, approve=True, reason="it sees", name="Bo") == "ACCEPT"
    assert running.wait_for_end(better)["message"] == f"{MODEL} version {SEEING}: promoted"
    assert promotions.aliases() == {"champion": SEEING, "previous_champion": BLIND}

    # A broken rule: nobody is asked.
    worse = running.wait_for_end(promotions.start(BLIND_TOO), seconds=300)
    assert worse["type"] == "FAILED"
    assert "breaks rules.yaml: *.knn.accuracy: −50.0 points" in worse["message"]

    # A person may refuse what the rules allow.
    equal = promotions.start(SEEING_TOO)
    promotions.wait_for_form(equal)
    assert promotions.answer(equal, approve=False, reason="no better", name="Ann Lee") == "ACCEPT"
    assert running.wait_for_end(equal)["message"] == f"{MODEL} version {SEEING_TOO}: refused"
    assert promotions.aliases() == {"champion": SEEING, "previous_champion": BLIND}

    code, said = running.workspace.run("-m", "dinov2.cli", "rollback", MODEL, "--reason", "fog", "--who", "Bo")
    assert (code, said.strip()) == (0, f"{MODEL}: champion was version {SEEING}, is version {BLIND}")
    assert promotions.aliases()["champion"] == BLIND
    code, said = running.workspace.run("-m", "dinov2.cli", "rollback", MODEL, "--who", "Bo")
    assert code == 2
    assert "has been rolled back already" in said
