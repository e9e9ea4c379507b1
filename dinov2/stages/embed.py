"""Stage embed: a vector of every image for finding its copies, and one for finding its like."""

from dinov2.curation.config import DescriptorConfig
from dinov2.curation.descriptors import Descriptor
from dinov2.curation.embed import Embedder
from dinov2.stages.context import Context
from dinov2.stages.curation_job import in_advance
from dinov2.stages.descriptors import descriptor_of
from dinov2.stages.files import EMBEDDINGS, MANIFEST
from dinov2.storage import write_json


def run(context: Context) -> None:
    """Vectors go to the store; data/embeddings.json says what made them, and of how many images they are."""
    configs = _configs(context)
    # Those that learn do so before the work is shared out.
    descriptors = {use: descriptor_of(context, config) for use, config in configs.items()}
    in_advance(context, "embed")
    images = _embedder(context)(context.made(MANIFEST), _distinct(descriptors))
    facts = {use: _facts(configs[use], descriptor, images) for use, descriptor in descriptors.items()}
    write_json(context.path(EMBEDDINGS), facts)


def fill(context: Context, index: int, indexes: int) -> None:
    """Embed the share that one of the `indexes` of a job has of the images."""
    descriptors = {use: descriptor_of(context, config) for use, config in _configs(context).items()}
    _embedder(context).fill(context.made(MANIFEST), _distinct(descriptors), index, indexes)


def _configs(context: Context) -> dict[str, DescriptorConfig]:
    config = context.params.embed
    return {"copy": config.copy_, "retrieval": config.retrieval}


def _distinct(descriptors: dict[str, Descriptor]) -> list[Descriptor]:
    return list({descriptor.digest: descriptor for descriptor in descriptors.values()}.values())


def _embedder(context: Context) -> Embedder:
    size, threads = context.params.embed.shard_size, context.settings.threads_each
    return Embedder(context.reader, context.store, context.scratch, size, threads)


def _facts(config: DescriptorConfig, descriptor: Descriptor, images: int) -> dict[str, object]:
    return {
        "kind": config.kind,
        "descriptor": descriptor.digest,
        "dim": descriptor.dim,
        "images": images,
        "copies_above": descriptor.copies_above,
        "leaks_above": descriptor.leaks_above,
    }
