"""Stage register@MODEL: a version of the backbone in the model registry, with its figures and its card."""

import hashlib
import json
from typing import Any

from dinov2.launch.kubernetes.exchange import code_digest
from dinov2.models import load_backbone
from dinov2.registry.card import model_card
from dinov2.registry.commit import current_commit
from dinov2.registry.figures import figures
from dinov2.registry.logged import Entry, Images
from dinov2.registry.versions import register
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.storage import digest, file_sha256, write_json


def run(context: Context, item: str) -> None:
    """Register model `item` and write the receipt."""
    weights = context.path(files.weights(item))
    metrics = json.loads(context.path(files.evaluation(item)).read_text(encoding="utf-8"))
    resolution = context.params.evaluate.resolution
    name = f"{context.params.register_.prefix}-{item}"
    model = load_backbone(weights)
    facts = {
        "name": name,
        "model": item,
        "architecture": model.architecture(),
        "parameters": sum(tensor.numel() for tensor in model.parameters()),
        "embed_dim": model.embed_dim,
        "resolution": resolution,
        "weights_sha256": file_sha256(weights),
        "manifest_sha256": file_sha256(context.path(files.MANIFEST)),
        "metrics": metrics,
    }
    entry = Entry(
        name=name,
        digest=digest(facts),
        weights=weights,
        embed_dim=model.embed_dim,
        resolution=resolution,
        headline=_headline(facts),
        card=model_card(facts, context.path(files.results(item)).read_text(encoding="utf-8")),
        tags={
            "dinov2.weights_sha256": facts["weights_sha256"],
            "dinov2.manifest_sha256": facts["manifest_sha256"],
            "dinov2.commit": current_commit(context.root),
            "dinov2.code": code_digest(),
            "dinov2.model": item,
            "dinov2.architecture": json.dumps(facts["architecture"], sort_keys=True),
        },
        figures=figures(metrics),
        images=_images(context, facts["manifest_sha256"]),
    )
    version = register(entry, context.settings, context.root)
    write_json(context.path(files.receipt(item)), facts)
    print(f"{name} version {version.version}, alias candidate")


def _images(context: Context, sha256: str) -> Images:
    """The manifest, under the name that DVC's cache and remotes have for this revision of it too."""
    with context.path(files.MANIFEST).open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return Images(files.MANIFEST, sha256, md5.hexdigest())


def _headline(facts: dict[str, Any]) -> str:
    best = [
        f"{name} {protocol} {100 * scores['model']['accuracy']:.1f}%"
        for name, found in sorted(facts["metrics"]["datasets"].items())
        for protocol, scores in sorted(found["protocols"].items())
    ]
    return f"{facts['parameters']:,} parameters; " + ("; ".join(best) or "no labelled set to evaluate on")
