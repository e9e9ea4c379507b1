"""Stage deduplicate: copies out of the training images."""

from collections.abc import Iterator
from contextlib import contextmanager

from dinov2.curation.deduplicate import TRAINING, Thresholds, deduplicate
from dinov2.curation.deduplicate import fill as fill_share
from dinov2.curation.workplace import Described, Workplace
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.curation_job import in_advance
from dinov2.stages.described import Embedding, described, embedding, leave, workplace
from dinov2.storage import write_json

HELD_OUT = "role = 'evaluation'"


def run(context: Context) -> None:
    """Write the rows of the manifest that are kept, those that are not with the reason, and counts."""
    in_advance(context, "deduplicate")
    config, manifest = context.params.deduplicate, context.path(files.MANIFEST)
    outputs = context.path(files.UNIQUE), context.path(files.DUPLICATES)
    with _sets(context) as (training, held_out, above, place):
        counts = deduplicate(manifest, training, held_out, config, above, place, *outputs)
    leave(training, held_out)
    write_json(context.path(files.metrics("deduplicate")), counts)
    print(f"{counts['kept']} of {counts['images']} training images kept")


def fill(context: Context, index: int, indexes: int) -> None:
    """Do the share that one of the `indexes` of a job has in the searches."""
    with _sets(context) as (training, held_out, above, place):
        fill_share(training, held_out, context.params.deduplicate, above, place, index, indexes)


@contextmanager
def _sets(context: Context) -> Iterator[tuple[Described, Described, Thresholds, Workplace]]:
    by, manifest = embedding(context, "copy"), context.path(files.MANIFEST)
    training, held_out = (described(context, by, manifest, where) for where in (TRAINING, HELD_OUT))
    with workplace(context, context.params.deduplicate.search.memory_gib) as place:
        yield training, held_out, _thresholds(context, by), place


def _thresholds(context: Context, by: Embedding) -> Thresholds:
    """Those of params.yaml; where it has none, those of the descriptor."""
    config = context.params.deduplicate
    copies, leaks = config.self_threshold, config.relative_threshold
    return Thresholds(by.copies_above if copies is None else copies, by.leaks_above if leaks is None else leaks)
