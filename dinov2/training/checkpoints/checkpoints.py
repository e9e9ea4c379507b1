"""Checkpoints in the store: written in the background, checked before they are used.

    training/DIGEST/
        00000200/                torch.distributed.checkpoint:
            __0_0.distcp         one file a rank
            .metadata            and an index
            extra.json           what is not a tensor
        00000200.complete        written last: size and SHA-256 of each file; a folder without it was cut short
        claims/OWNER             of each workspace that trains it, see `dinov2.launch.claims`

A run is named by the digest of all that determines it, so that starting it again finds its own checkpoints.
"""

import json
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

from dinov2.errors import DataError, UnreachableError, UserError
from dinov2.storage import Store
from dinov2.training.checkpoints.files import CHECKSUMS, Checksum, damage, read, write
from dinov2.training.checkpoints.ranks import Ranks, in_one_line, waited_in_vain
from dinov2.training.checkpoints.retention import Shelf

FOLDER = "training"
COPY = StagingOptions(
    use_pinned_memory=False, use_shared_memory=False, use_async_staging=False, use_non_blocking_copy=False
)


def complete(store: Store, digest: str) -> list[int]:
    """Steps with a complete checkpoint of a run, oldest first."""
    return _shelf(store, digest).steps()


def folder_of(digest: str) -> str:
    """The folder of the store with the checkpoints of a run."""
    return f"{FOLDER}/{digest}"


def _shelf(store: Store, digest: str, keep: int = 1, milestones: int = 0) -> Shelf:
    return Shelf(store, folder_of(digest), keep, milestones)


class Checkpoints:
    """The checkpoints of one run. All ranks must make one; it has a process group and a thread of its own.

    Call `wait` or `settle` before the process group is destroyed.

    Args:
        store: where they live.
        digest: names the run.
        keep: so many of the newest are kept, at least 1.
        milestones: every so many steps one is kept for good; 0 keeps none.
    """

    def __init__(self, store: Store, digest: str, keep: int = 2, milestones: int = 0) -> None:
        self.store, self.shelf = store, _shelf(store, digest, keep, milestones)
        self._ranks = Ranks()
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._saving: tuple[int, Future[None]] | None = None

    def steps(self) -> list[int]:
        """Steps with a complete checkpoint, oldest first."""
        return self.shelf.steps()

    def due(self, step: int) -> bool:
        """Whether a milestone falls on this step."""
        return self.shelf.due(step)

    def save(self, step: int, state: dict[str, Any], extra: dict[str, Any]) -> None:
        """Copy the state to host memory and write it in the background; all ranks must call.

        Waits first for the save under way. If that one could not be written, says so on stderr: this one tries again.

        Args:
            step: so many steps were done.
            state: tensors, sharded or not, in nested dictionaries; free to change once this returns.
            extra: JSON; rank 0's counts.
        """
        self.settle()
        content = json.dumps(extra).encode()
        # Not dcp.async_save: checksums and marker follow in the same thread, and need the ranks together too.
        staged = DefaultStager(COPY).stage(state)
        self._saving = step, self._thread.submit(self._write, step, staged, content)

    def wait(self) -> None:
        """Wait until the save under way is on the store; all ranks must call.

        Raises:
            UserError: it could not be written.
            UnreachableError: it could not, since the store stays away.
        """
        if failure := self._outcome():
            raise failure

    def settle(self) -> None:
        """Wait as `wait` does, but only say on stderr what could not be written: training can do without."""
        failure = self._outcome()
        if failure and self._ranks.rank == 0:
            print(f"{failure}; the next save tries again", file=sys.stderr, flush=True)

    def load_newest(self, state: dict[str, Any], only: int | None = None) -> tuple[int, dict[str, Any]] | None:
        """Load the newest checkpoint that is whole into `state`, in place; all ranks must call.

        It may be of another number of ranks. A damaged one is named on stderr, and the one before it used.

        Args:
            state: as `save` was given.
            only: load the checkpoint of this step or none.

        Returns:
            The steps it had done and its `extra`; None if there is no complete checkpoint.

        Raises:
            DataError: there are checkpoints but all are damaged, that of step `only` is damaged or not there, or the
                newest whole one does not fit `state`.
            UserError: the store cannot be listed.
            UnreachableError: the store stays away.
        """
        self.wait()
        try:
            steps = self._ranks.first(self.steps)
        except (UserError, UnreachableError) as error:
            raise type(error)(f"{self.shelf.url}: cannot be listed: {error}") from error
        for step in reversed([step for step in steps if only in (None, step)]):
            name = self.shelf.name(step)
            problem = damage(self.store, name, self.shelf.marker(step), self._ranks)
            if problem is None:
                return step, read(self.store, name, state, self._ranks)
            if self._ranks.rank == 0:
                print(f"{self.store.url_of(name)}: damaged, not used: {problem}", file=sys.stderr, flush=True)
        if only is not None:
            raise DataError(f"{self.shelf.url}: no whole checkpoint of step {only}")
        if steps:
            raise DataError(
                f"{self.shelf.url}: all checkpoints of this run are damaged (steps {', '.join(map(str, steps))}); "
                "remove the folder to start from the beginning"
            )
        return None

    def _outcome(self) -> UserError | UnreachableError | None:
        """Wait for the save under way; what kept it from being written."""
        if self._saving is None:
            return None
        (step, future), self._saving = self._saving, None
        error = future.exception()
        if error is None:
            return None
        url = self.store.url_of(self.shelf.name(step))
        kind = UnreachableError if waited_in_vain(error) else UserError
        failure = kind(f"{url}: this checkpoint could not be written: {in_one_line(error)}")
        failure.__cause__ = error
        return failure

    def _write(self, step: int, staged: Any, extra: bytes) -> None:
        """What all ranks do in the background; if one fails, all raise at the same point."""
        ranks = self._ranks
        ranks.first(lambda: self.shelf.remove(step))
        files = write(self.store, self.shelf.name(step), staged, extra, ranks)
        ranks.first(lambda: self._complete(step, files))

    def _complete(self, step: int, files: dict[str, Checksum]) -> None:
        self.store.write(self.shelf.marker(step), CHECKSUMS.dump_json(files))
        try:
            self.shelf.prune(step)
        except Exception as error:  # this checkpoint is whole nevertheless, and the next one removes what is left
            text = f"old checkpoints could not be removed: {in_one_line(error)}"
            print(f"{self.shelf.url}: {text}", file=sys.stderr, flush=True)
