"""Counted from the configuration, a step is as many operations as torch counts while it is computed."""

from typing import Any

import pytest
import torch
from torch.distributed.device_mesh import DeviceMesh
from torch.utils.flop_counter import FlopCounterMode

from dinov2.data.loader import Batch
from dinov2.data.masks import batch_masks
from dinov2.models import VisionTransformer
from dinov2.training.config import TrainingConfig
from dinov2.training.crops import Parts
from dinov2.training.execution import Execution
from dinov2.training.flops import backbone_of, forward_flops, step_flops
from dinov2.training.network import Network
from dinov2.training.step import train_step
from dinov2.training.trainee import build_network, build_objective, build_trainee, prepare

MODEL = {"arch": "vit_tiny", "embed_dim": 64, "depth": 3, "num_heads": 2, "patch_size": 8}
CPU = torch.device("cpu")


def _config(**changes: Any) -> TrainingConfig:
    told = {
        "model": MODEL,
        "heads": {"prototypes": 256, "hidden": 96, "dino_bottleneck": 48, "ibot_bottleneck": 32},
        "crops": {"global_size": 64, "local_size": 24, "local_count": 3},
        "optimiser": {"warmup_epochs": 1},
        "batch_size": 16,
        "group_size": 8,
        "epochs": 2,
        "epoch_length": 2,
    }
    return TrainingConfig.model_validate(told | changes)


def _counted(configs: list[TrainingConfig], mesh: DeviceMesh, frozen: Network | None = None) -> int:
    """What torch counts in a step of a real run, in products that are not fused."""
    first = configs[0]
    execution = Execution(attention="dense")
    trainees = [build_trainee("run", config, 0, None, prepare(config, CPU, mesh, execution)) for config in configs]
    teacher = trainees[0].average if frozen is None else prepare(first, CPU, mesh, execution)(frozen, False)
    count, side = first.batch_size, first.crops.global_size // first.model.patch_size
    sizes = ((2 * count, first.crops.global_size), (first.crops.local_count * count, first.crops.local_size))
    pixels = [torch.randint(256, (number, size, size, 3), dtype=torch.uint8) for number, size in sizes]
    masks = torch.from_numpy(batch_masks(first.masks, 2 * count, side, (0,), slice(0, 2 * count)))
    batch = Batch(*pixels, masks, torch.arange(count))
    parts = Parts([batch], CPU, distilling=frozen is not None, first=0, size=first.group_size)
    with FlopCounterMode(display=False) as counter:
        train_step(trainees, teacher, build_objective(first), parts, first.schedules.at(0), 0)
    return counter.get_total_flops()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": MODEL | {"drop_path": 0.4, "ffn": "swiglu", "registers": 4}},
        {"method": "ibot", "model": MODEL | {"drop_path": 0.4}, "heads": {"prototypes": 256, "hidden": 96}},
        {"crops": {"global_size": 64, "local_size": 24, "local_count": 0}, "masks": {"probability": 1.0}},
    ],
    ids=["plain", "stochastic depth, gates, registers", "as before DINOv2", "no local crops"],
)
def test_a_step_is_what_torch_counts(changes: dict[str, Any], alone: DeviceMesh) -> None:
    config = _config(**changes)
    assert step_flops([config]) == pytest.approx(_counted([config], alone), rel=0.02)


def test_so_is_one_of_two_students_and_a_larger_frozen_teacher(alone: DeviceMesh) -> None:
    small = _config()
    smaller = _config(model=MODEL | {"embed_dim": 32, "depth": 2})
    large = _config(model=MODEL | {"embed_dim": 128, "depth": 5})
    teacher = build_network(large).requires_grad_(False).eval()
    counted = _counted([small, smaller], alone, teacher)
    assert step_flops([small, smaller], backbone_of(large)) == pytest.approx(counted, rel=0.02)
    assert step_flops([small, smaller]) < 0.7 * counted, "the teacher's part is not lost in the tolerance"


def test_so_is_the_description_of_an_image() -> None:
    backbone = VisionTransformer(img_size=56, patch_size=14, embed_dim=96, depth=2, num_heads=3)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        for block in backbone.blocks:
            block.attn.backend = "dense"
        backbone(torch.zeros(5, 3, 84, 84))
    assert 5 * forward_flops(backbone, 84) == pytest.approx(counter.get_total_flops(), rel=1e-9)


def test_the_published_run_is_possible_in_the_time_that_was_published() -> None:
    """22 016 hours of an A100 for ViT-g/14 (Oquab et al. 2023, table of the carbon footprint), 312 TFLOP/s at most."""
    config = TrainingConfig.model_validate({"model": {"arch": "vit_giant2", "drop_path": 0.4}})
    assert 0.2 < config.iterations * step_flops([config]) / (22_016 * 3600) / 312e12 < 0.6
