"""Stage evaluate@MODEL: what a model's features are worth, beside its controls, and what they look like."""

import sys
from typing import Any

from dinov2.data.manifest import read_manifest
from dinov2.evaluation.controls import random_twin
from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.pictures import patch_features, photographs, pictured, sheet
from dinov2.evaluation.suite import encoders, evaluate, protocols
from dinov2.models import load_backbone
from dinov2.registry.tracking import tracked
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.whole_job import run_whole
from dinov2.storage import atomic_path, digest, file_sha256, write_json


def run(context: Context, item: str) -> None:
    """Write the metrics of model `item` on every labelled set, and a sheet of pictures of its features."""
    run_whole(context, "evaluate", item)


def reads(item: str) -> tuple[str, ...]:
    """Files that `here` reads."""
    return files.MANIFEST, files.weights(item)


def writes(item: str) -> tuple[str, ...]:
    """Files that `here` writes."""
    return files.picture(item), files.evaluation(item)


def here(context: Context, item: str) -> None:
    """As `run`, in this process."""
    config, seed, device = context.params.evaluate, context.params.seed, context.device
    manifest = read_manifest(context.path(files.MANIFEST))
    sets = labelled_sets(manifest, config.datasets)
    model = load_backbone(context.path(files.weights(item)))
    for name, why in sets.skipped.items():
        print(f"evaluate: {name} {why}", file=sys.stderr)

    extractor = Extractor(context.reader, context.store, context.settings.threads_each)
    found = evaluate(sets, encoders(model, config.resolution, seed, device), protocols(config, seed, device), extractor)
    rows = pictured(sets.usable, manifest, config.pca_images)
    images = photographs(context.reader, rows, config.pca_resolution)
    features = {
        item: patch_features(model, images, device, item),
        "random weights": patch_features(random_twin(model, seed), images, device, "random weights"),
    }
    with atomic_path(context.path(files.picture(item))) as draft:
        draft.write_bytes(sheet(images, features))
    write_json(context.path(files.evaluation(item)), found)
    for line in headlines(found):
        print(f"{item}: {line}")
    _track(context, item, found)


def _track(context: Context, item: str, found: dict[str, Any]) -> None:
    """A run in MLflow with the accuracies and the pictures."""
    parameters = context.params.evaluate.model_dump(mode="json") | {"seed": context.params.seed}
    read = {"weights": files.weights(item), "manifest": files.MANIFEST}
    inputs = {name: file_sha256(context.path(path)) for name, path in read.items()}
    work = digest("evaluate", item, parameters, inputs)
    with tracked(context.settings, context.root, f"evaluate {item}", work, parameters, inputs) as run:
        run.summary(
            {
                f"{name}.{protocol}.{kind}": score["accuracy"]
                for name, facts in found["datasets"].items()
                for protocol, scores in facts["protocols"].items()
                for kind, score in scores.items()
            }
        )
        run.picture(context.path(files.picture(item)))


def headlines(found: dict[str, Any]) -> list[str]:
    """A line for each set and protocol, or one that says that there is none."""
    if not found["datasets"]:
        return ["no labelled set to evaluate on; pictures only"]
    return [
        f"{name} {protocol} " + ", ".join(f"{kind} {100 * score['accuracy']:.1f}" for kind, score in scores.items())
        for name, facts in found["datasets"].items()
        for protocol, scores in facts["protocols"].items()
    ]
