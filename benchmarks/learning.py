"""Accuracy against training time on your own labelled photographs, beside two controls.

    python -m benchmarks.learning --minutes 40 --pool FOLDER LABELLED_FOLDER [LABELLED_FOLDER ...]

Trains the network of params.yaml on the pool and on 70% of the labelled images, without their labels, with schedules
fitted to the time given, and now and then asks the 30% held out for their 20 nearest neighbours. The controls, in the
same run: the same architecture with random weights, and raw pixels. Writes learning.csv and learning.png.
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure

from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.ingest import ingest
from dinov2.data.loader import CropBatches, batches
from dinov2.data.manifest import read_manifest
from dinov2.data.sources import ImageReader
from dinov2.errors import told_in_one_line
from dinov2.evaluation.backbones import Backbone, ImagePixels, OwnBackbone, random_twin
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.datasets import Sets, labelled_sets
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.measured import MODEL
from dinov2.evaluation.statistics import value_of
from dinov2.evaluation.suite import HEADLINE, judge
from dinov2.evaluation.tasks import Setting
from dinov2.models import load_backbone
from dinov2.stages.params import load_params
from dinov2.storage import Store
from dinov2.training.config import TrainingConfig
from dinov2.training.crops import Parts
from dinov2.training.execution import Execution
from dinov2.training.sharding import process_group
from dinov2.training.step import train_step
from dinov2.training.trainee import build_objective, build_trainee, export, prepare

CPU = torch.device("cpu")
WARM_UP, TIMED = 5, 40
SEED = 0
Accuracies = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """The images, and how they are judged."""

    dataset: CropBatches
    sets: Sets
    reader: ImageReader
    setting: Setting
    folder: Path

    def accuracies(self, backbone: Backbone) -> Accuracies:
        """Top-1 of 20 nearest neighbours on each labelled set."""
        found = judge(self.sets.usable, backbone, self.reader, self.setting, ("knn",), {})
        return {each.dataset: value_of(each.answers[MODEL]["knn"].statistics[HEADLINE]) for each in found}


def build(pool: Path, labelled: list[Path], config: TrainingConfig, folder: Path) -> Bench:
    """Read all sources and split the labelled ones."""
    sources = [SourceConfig(name="pool", uri=str(pool.resolve()), role="pool")]
    sources += [SourceConfig(name=path.name.lower(), uri=str(path.resolve()), role="curated") for path in labelled]
    store = Store(str(folder / "store"))
    path = folder / "manifest.parquet"
    ingest(IngestConfig(sources=tuple(sources)), store, folder, folder / "scratch", path, folder / "rejects.parquet")
    manifest = read_manifest(path)
    reader = ImageReader(sources, store, folder)
    trained = manifest.filter([role != "evaluation" for role in manifest["role"].to_pylist()])
    dataset = CropBatches(trained, reader, config.crops, config.masks, config.model.patch_size, config.batch_size, SEED)
    setting = Setting(EvaluateConfig(resolution=config.crops.global_size), Extractor(store, 2), SEED, CPU)
    return Bench(dataset, labelled_sets(manifest, ()), reader, setting, folder)


def steps(config: TrainingConfig, bench: Bench, stop: int, every: int) -> Iterator[tuple[int, float, Path | None]]:
    """Train; yields (steps done, seconds spent training, the average's weights every so many steps)."""
    with process_group(CPU) as mesh:
        trainee = build_trainee("learning", config, SEED, None, prepare(config, CPU, mesh, Execution()))
        objective = build_objective(config)
        spent, started = 0.0, time.monotonic()
        for step, batch in enumerate(batches(bench.dataset, 0, stop, workers=1, pin=False)):
            parts = Parts([batch], CPU, distilling=False, first=0, size=config.group_size)
            train_step([trainee], trainee.average, objective, parts, config.schedules.at(step), step)
            spent += time.monotonic() - started
            weights = bench.folder / "average.safetensors" if (step + 1) % every == 0 or step + 1 == stop else None
            if weights:
                export(trainee, config, weights, None, 0)
            yield step + 1, spent, weights
            started = time.monotonic()


def main() -> None:
    """Measure the rate, fit the schedules to the time, train, and write table and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--points", type=int, default=12, help="measurements along the way")
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("labelled", type=Path, nargs="+")
    options = parser.parse_args()
    config = load_params(Path.cwd()).pretrain
    with tempfile.TemporaryDirectory() as folder:
        bench = build(options.pool, options.labelled, config, Path(folder))
        times = [spent for _, spent, _ in steps(config, bench, WARM_UP + TIMED, WARM_UP + TIMED)]
        rate = TIMED / (times[-1] - times[WARM_UP - 1])
        count = max(options.points, round(rate * options.minutes * 60))
        print(f"{rate * config.batch_size:.0f} images/s: {count} steps in {options.minutes:g} minutes", flush=True)
        fitted = config.model_copy(update={"epoch_length": count / config.epochs})
        controls = _controls(fitted, bench)
        rows = [{"minutes": 0.0, "images": 0} | controls["random weights"]]
        for step, spent, weights in steps(fitted, bench, count, max(1, count // options.points)):
            if weights:
                row = {"minutes": round(spent / 60, 2), "images": step * config.batch_size}
                rows.append(row | bench.accuracies(OwnBackbone(load_backbone(weights), CPU)))
                print(rows[-1], flush=True)
    _write(rows, controls)


def _controls(config: TrainingConfig, bench: Bench) -> dict[str, Accuracies]:
    size = config.crops.global_size
    twin = random_twin(config.model.build(size), SEED)
    backbones: dict[str, Backbone] = {
        "random weights": OwnBackbone(twin, CPU),
        "raw pixels": ImagePixels(config.model.patch_size, CPU),
    }
    found = {name: bench.accuracies(backbone) for name, backbone in backbones.items()}
    print(found, flush=True)
    return found


def _write(rows: list[dict[str, float]], controls: dict[str, Accuracies]) -> None:
    with Path("learning.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    names = list(controls["raw pixels"])
    figure = Figure(figsize=(5 * len(names), 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot([row["minutes"] for row in rows], [row[name] for row in rows], marker=".", label="DINOv2")
        for control, style in (("random weights", ":"), ("raw pixels", "--")):
            axes.axhline(controls[control][name], color="grey", linestyle=style, label=control)
        axes.set(title=name, xlabel="minutes of training", ylabel="20-NN accuracy", ylim=(0, None))
    axes.legend()
    figure.savefig("learning.png", dpi=120)
    print({name: round(rows[-1][name] / controls["random weights"][name], 2) for name in names}, "times random weights")


if __name__ == "__main__":
    with told_in_one_line():
        main()
