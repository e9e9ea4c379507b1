"""What stages after embed share: vectors of images as local files, and a place to work on them."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dinov2.curation.keep import Keep
from dinov2.curation.search import has_gpus
from dinov2.curation.spool import spool
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.tables import database
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.storage import digest

SHARE = 0.25
"""Of the memory of a step that tables may take; searches are not under way then, but keep their buffers."""

ALGORITHMS = 1
"""To be raised when what curation keeps is computed in another way: what earlier code kept is not read then."""


@dataclass(frozen=True)
class Embedding:
    """What `embed` left about one use of descriptors.

    Attributes:
        descriptor: digest.
        dim: length of a vector.
        copies_above: cosine above which two training images are copies.
        leaks_above: cosine above which a training image is a copy of an evaluation image.
    """

    descriptor: str
    dim: int
    copies_above: float
    leaks_above: float


def embedding(context: Context, use: str) -> Embedding:
    """The descriptor of a use, "copy" or "retrieval".

    Raises:
        ConfigError: embed has not run.
    """
    found = json.loads(context.made(files.EMBEDDINGS).read_text(encoding="utf-8"))[use]
    return Embedding(**{name: found[name] for name in Embedding.__dataclass_fields__})


def described(context: Context, by: Embedding, manifest: Path, where: str) -> Described:
    """The different images of a manifest's rows, chosen by a condition in SQL, with their vectors."""
    return spool(
        by.descriptor, by.dim, manifest, context.store, context.scratch, where, threads=context.settings.threads_each
    )


def leave(*images: Described) -> None:
    """Remove the local files of these images' vectors; they are gathered again when they are needed again."""
    for folder in {each.images.parent for each in images}:  # equal sets share one
        shutil.rmtree(folder)


@contextmanager
def workplace(context: Context, memory_gib: float) -> Iterator[Workplace]:
    """Where a step works."""
    keep, gpus = Keep(context.store, digest("curation", ALGORITHMS)), context.device.type == "cuda"
    if gpus and not has_gpus():
        print("this faiss sees no GPUs: neighbours are searched for on CPUs", file=sys.stderr, flush=True)
    with database(context.scratch, memory_gib * SHARE, context.settings.threads_each) as connection:
        yield Workplace(context.scratch, keep, connection, gpus and has_gpus())
