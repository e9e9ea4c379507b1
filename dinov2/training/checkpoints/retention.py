"""Which checkpoints a run has in the store, and which of them it keeps."""

import re

from dinov2.storage import Store

COMPLETE = ".complete"


class Shelf:
    """The folder of a run's checkpoints: for each a folder NNNNNNNN and, written last, a marker NNNNNNNN.complete.

    Args:
        store: where the folder lives.
        folder: its name.
        keep: so many of the newest are kept, at least 1.
        milestones: every so many steps one is kept for good; 0 keeps none.
    """

    def __init__(self, store: Store, folder: str, keep: int, milestones: int) -> None:
        self.store, self.folder = store, folder
        self.keep, self.milestones = keep, milestones
        self.url = store.url_of(folder)

    def name(self, step: int) -> str:
        """The folder of a checkpoint."""
        return f"{self.folder}/{step:08}"

    def marker(self, step: int) -> str:
        """The file whose presence says that a checkpoint is complete."""
        return f"{self.name(step)}{COMPLETE}"

    def steps(self) -> list[int]:
        """Steps with a complete checkpoint, oldest first."""
        return sorted(step for step, complete in self._found().items() if complete)

    def due(self, step: int) -> bool:
        """Whether a milestone falls on this step."""
        return self.milestones > 0 and step % self.milestones == 0

    def remove(self, step: int) -> None:
        """Remove a checkpoint if it is there, its marker first."""
        self.store.delete(self.marker(step))
        self.store.delete(self.name(step))

    def prune(self, step: int) -> None:
        """After `step` is complete, keep the newest and the milestones.

        Removed with the old are those that were cut short, and later ones than `step`: had they been whole, training
        would have gone on from them.
        """
        found = self._found()
        complete = sorted(other for other in found if found[other] and other <= step)
        kept = {*complete[-self.keep :], *filter(self.due, complete)}
        for other in found.keys() - kept:
            self.remove(other)

    def _found(self) -> dict[int, bool]:
        """The steps of all checkpoints, and whether each is complete."""
        found: dict[int, bool] = {}
        for name in self.store.list(self.folder):
            if match := re.match(rf"(\d+)(/|\{COMPLETE}$)", name.removeprefix(f"{self.folder}/")):
                step = int(match[1])
                found[step] = found.get(step, False) or match[2] == COMPLETE
        return found
