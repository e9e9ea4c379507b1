"""Registered models that take moments to make: backbones without any training, really evaluated and registered."""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import torch
import yaml

from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.models import create_model, save_backbone
from dinov2.settings import Settings
from dinov2.stages import evaluate, files, register
from dinov2.stages.context import Context
from dinov2.stages.params import Params
from tests.flows.conftest import REPOSITORY, Workspace

MODEL = "dinov2-S"
BLIND, SEEING, BLIND_TOO = "1", "2", "3"
"""Versions: what a blind one says of an image has nothing to do with the image."""


def register_versions(workspace: Workspace) -> None:
    """Three versions of one model, evaluated on images of this workspace."""
    context = with_images(workspace)
    for seed, sees in enumerate((False, True, False)):
        register_version(context, seed, sees)


def register_version(context: Context, seed: int, sees: bool) -> None:
    """A version of the model `S`, evaluated on the images of a workspace."""
    save(context.path(files.weights("S")), seed, sees)
    evaluate.run(context, "S")
    register.run(context, "S")


def with_images(workspace: Workspace) -> Context:
    """Have a workspace with sixty labelled images, their manifest, rules of promotion, and little to evaluate."""
    root = workspace.root
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["ingest"]["sources"] = [{"name": "photos", "uri": "photos", "role": "pool"}]
    linear = {"iterations": 30, "batch": 16}
    content["evaluate"] = {"models": ["S"], "resolution": 32, "pca_resolution": 48, "pca_images": 3, "linear": linear}
    workspace.write("params.yaml", yaml.safe_dump(content, sort_keys=False))
    workspace.write("rules.yaml", (REPOSITORY / "rules.yaml").read_text())
    context = Context(root, Params.model_validate(content), Settings(device="cpu", threads=1))
    rows = [_image(root, number) for number in range(60)]
    write_manifest(context.path(files.MANIFEST), pa.Table.from_pylist(rows, SCHEMA))
    return context


def save(path: Path, seed: int, sees: bool) -> None:
    """Write the weights of a tiny backbone as it is before training."""
    torch.manual_seed(seed)
    model = create_model("vit_tiny", img_size=32, patch_size=8, depth=1, layerscale=1.0)
    if not sees:
        torch.nn.init.zeros_(model.patch_embed.proj.weight)
    save_backbone(path, model)


def _image(root: Path, number: int) -> dict[str, Any]:
    """A dark or a light image and its row of the manifest."""
    label, split = ("dark", "light")[number % 2], "train" if number < 40 else "test"
    path = root / "photos" / label / f"{number:02}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    random, light = np.random.default_rng(number), 150 if number % 2 else 0
    pixels = (random.integers(0, 40, (40, 40, 3)) + light).astype(np.uint8)
    x, y, blue, green, red = (int(n) for n in random.integers((12, 12, 0, 0, 0), (28, 28, 100, 100, 100)))
    cv2.circle(pixels, (x, y), 10, (light + blue, light + green, light + red), cv2.FILLED)
    cv2.imwrite(str(path), pixels)
    data, uri = path.read_bytes(), path.relative_to(root / "photos").as_posix()
    size = {"width": 40, "height": 40, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    role = "pool" if split == "train" else "evaluation"
    return size | {"key": f"photos/{uri}", "uri": uri, "source": "photos", "role": role, "split": split, "label": label}
