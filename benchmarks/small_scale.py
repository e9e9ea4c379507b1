"""What each deviation of the sample preset from the published setting is worth, one at a time.

    python -m benchmarks.small_scale --steps 250 --pool FOLDER LABELLED_FOLDER [LABELLED_FOLDER ...]

Trains the network of params.yaml for a few steps as it is, then again with one thing put back to its published value,
and prints the 20-nearest-neighbour accuracy of each on the images held out, as a ratio to that of the preset.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.learning import CPU, Accuracies, Bench, build, steps
from dinov2.errors import told_in_one_line
from dinov2.evaluation.backbones import OwnBackbone
from dinov2.models import load_backbone
from dinov2.stages.params import load_params
from dinov2.training.config import TrainingConfig

PUBLISHED: dict[str, dict[str, Any]] = {
    "the preset": {},
    "teacher temperature 0.04 to 0.07": {"objective": {"teacher_temperature": (0.04, 0.07)}},
    "initial weights of deviation 0.02": {"initialisation": "published"},
    "LayerScale 1e-5": {"model": {"layerscale": 1e-5}},
    "iBOT weight 1": {"objective": {"ibot_weight": 1.0}},
    "EMA momentum from 0.994": {"optimiser": {"teacher_momentum": (0.994, 1.0)}},
    "patch projection at 0.2 of the rate": {"optimiser": {"patch_embed_lr": 0.2}},
    "scales of crops": {"crops": {"global_scale": (0.32, 1.0), "local_scale": (0.05, 0.32)}},
    "blur": {"crops": {"blur_probability": (0.0, 0.9, 0.5)}},
    "base rate 2e-4": {"optimiser": {"base_lr": 2e-4}},
}


def changed(config: TrainingConfig, changes: dict[str, Any]) -> TrainingConfig:
    """`config` with some values replaced, a section at a time."""
    content = config.model_dump()
    for section, values in changes.items():
        content[section] = content[section] | values if isinstance(values, dict) else values
    return TrainingConfig.model_validate(content)


def trained(config: TrainingConfig, bench: Bench, count: int) -> Accuracies:
    """Accuracies after `count` steps, the schedules fitted to them."""
    fitted = config.model_copy(update={"epoch_length": count / config.epochs})
    for _, _, weights in steps(fitted, bench, count, count):
        if weights:
            return bench.accuracies(OwnBackbone(load_backbone(weights), CPU))
    raise AssertionError("the last step leaves weights")


def main() -> None:
    """Train every variant and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("labelled", type=Path, nargs="+")
    options = parser.parse_args()
    preset = load_params(Path.cwd()).pretrain
    baseline: Accuracies = {}
    for name, changes in PUBLISHED.items():
        config = changed(preset, changes)
        with tempfile.TemporaryDirectory() as folder:
            found = trained(config, build(options.pool, options.labelled, config, Path(folder)), options.steps)
        baseline = baseline or found
        told = ", ".join(f"{each} {found[each]:.3f} ({found[each] / baseline[each]:.2f})" for each in found)
        print(f"{name}: {told}", flush=True)


if __name__ == "__main__":
    with told_in_one_line():
        main()
