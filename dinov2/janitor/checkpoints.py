"""Checkpoints that no run goes on from: of runs that are done, and of parameters that were given up."""

from collections.abc import Iterator
from functools import partial

from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.owned import old_and_owned
from dinov2.janitor.stored import Blob, blobs, unchanged
from dinov2.launch.claims import CLAIMS
from dinov2.storage import Store
from dinov2.training.checkpoints import FOLDER
from dinov2.training.checkpoints.retention import COMPLETE, Shelf

KIND = "checkpoints"


def find(search: Search) -> Iterator[Leftover]:
    """Those of this workspace's runs that neither it nor a clone would continue; milestones stay for good."""
    store, milestones = search.context.checkpoints, search.context.settings.checkpoint_milestones
    for folder, found, written in old_and_owned(search, KIND, blobs(store, FOLDER)):
        if not search.all_known(KIND):
            continue
        shelf, digest = Shelf(store, folder, keep=1, milestones=milestones), folder.removeprefix(f"{FOLDER}/")
        steps = {step: own for step, own in _by_step(found).items() if not shelf.due(step)}
        if steps and digest not in search.wanted.digests:
            kept = ", milestones stay" if len(steps) < len(_by_step(found)) else ""
            why = f"no run here goes on from step {max(steps)}; untouched for {search.ago(written)}{kept}"
            size = sum(blob.size for own in steps.values() for blob in own)
            yield Leftover(KIND, shelf.folder, why, size, partial(_remove, store, shelf, sorted(steps), written))


def _by_step(found: list[Blob]) -> dict[int, list[Blob]]:
    """Blobs of a run by the checkpoint that they are of."""
    steps: dict[int, list[Blob]] = {}
    for blob in found:
        step = blob.name.removeprefix(f"{FOLDER}/").partition("/")[2].partition("/")[0].removesuffix(COMPLETE)
        if step.isdecimal():
            steps.setdefault(int(step), []).append(blob)
    return steps


def _remove(store: Store, shelf: Shelf, steps: list[int], written: float) -> None:
    unchanged(store, shelf.folder, written)
    for step in steps:
        shelf.remove(step)
    if all(blob.name.startswith(f"{shelf.folder}/{CLAIMS}/") for blob in blobs(store, shelf.folder)):
        store.delete(shelf.folder)
