"""Stage evaluate@MODEL: what a model's features are worth, beside its controls, and what they look like."""

import sys

from dinov2.data.manifest import read_manifest
from dinov2.evaluation.controls import random_twin
from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.encoder import check_resolution
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.pictures import patch_features, photographs, pictured, sheet
from dinov2.evaluation.suite import encoders, evaluate, protocols
from dinov2.models import load_backbone
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.storage import atomic_path, write_json


def run(context: Context, item: str) -> None:
    """Write the metrics of model `item` on every labelled set, and a sheet of pictures of its features."""
    config, seed, device = context.params.evaluate, context.params.seed, context.device
    manifest = read_manifest(context.path(files.MANIFEST))
    sets = labelled_sets(manifest, config.datasets)
    model = load_backbone(context.path(files.weights(item)))
    check_resolution(model, config.resolution, "evaluate.resolution")
    check_resolution(model, config.pca_resolution, "evaluate.pca_resolution")
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


def headlines(found: dict) -> list[str]:
    """A line for each set and protocol, or one that says that there is none."""
    if not found["datasets"]:
        return ["no labelled set to evaluate on; pictures only"]
    return [
        f"{name} {protocol} " + ", ".join(f"{kind} {100 * score['accuracy']:.1f}" for kind, score in scores.items())
        for name, facts in found["datasets"].items()
        for protocol, scores in facts["protocols"].items()
    ]
