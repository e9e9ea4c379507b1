"""A training run small enough for a second: a narrow network on a dozen generated photographs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.random import default_rng
from torch.distributed.device_mesh import DeviceMesh

from dinov2.data.config import SourceConfig
from dinov2.data.sources import ImageReader
from dinov2.storage import Store, file_sha256
from dinov2.training.config import TrainingConfig
from dinov2.training.sharding import process_group
from dinov2.training.work import Place, Work

COUNT = 12


@pytest.fixture
def alone() -> Iterator[DeviceMesh]:
    """A process group of this process, and its mesh."""
    with process_group(torch.device("cpu")) as mesh:
        yield mesh


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of smooth random images."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(COUNT):
        noise = default_rng(number).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:02}.png"), cv2.resize(noise, (64, 48), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture
def images(photographs: Path) -> pa.Table:
    """The manifest's columns that training reads."""
    names = [f"{number:02}.png" for number in range(COUNT)]
    digests = [file_sha256(photographs / name) for name in names]
    return pa.table({"key": names, "source": ["pool"] * COUNT, "uri": names, "sha256": digests})


@pytest.fixture
def config() -> TrainingConfig:
    """Six steps of a narrow network with stochastic depth, so that all randomness is in play."""
    return TrainingConfig.model_validate(
        {
            "model": {
                "arch": "vit_tiny",
                "embed_dim": 32,
                "depth": 2,
                "num_heads": 2,
                "patch_size": 8,
                "drop_path": 0.5,
            },
            "heads": {"prototypes": 24, "hidden": 32, "dino_bottleneck": 8, "ibot_bottleneck": 8},
            "crops": {"global_size": 32, "local_size": 16, "local_count": 2},
            "optimiser": {"base_lr": 0.01, "warmup_epochs": 1, "frozen_last_layer_epochs": 0.5},
            "batch_size": 4,
            "group_size": 2,
            "epochs": 6,
            "epoch_length": 1,
        }
    )


@pytest.fixture
def place(photographs: Path, tmp_path: Path) -> Callable[..., Place]:
    """Where to run: a store of the test's own."""

    def make(**changes: Any) -> Place:
        store = Store(str(tmp_path / "store"))
        reader = ImageReader([SourceConfig(name="pool", uri=str(photographs), role="pool")], store, tmp_path)
        here = {
            "store": store,
            "reader": reader,
            "device": torch.device("cpu"),
            "workers": 0,
            "checkpoint_seconds": 1e9,
        }
        return Place(**(here | changes))

    return make


@pytest.fixture
def work(config: TrainingConfig, images: pa.Table, tmp_path: Path) -> Callable[..., Work]:
    """What to do: `config` on `images`, results under the name given."""

    def make(name: str, **changes: Any) -> Work:
        told = {
            "name": name,
            "config": config,
            "seed": 3,
            "images": images,
            "images_digest": name,
            "backbone": tmp_path / f"{name}.safetensors",
            "training": tmp_path / f"{name}.training.safetensors",
        }
        return Work(**(told | changes))

    return make
