"""Checkpoints in the store.

    training/DIGEST/
        00000200/            torch.distributed.checkpoint: one file a rank and an index
        00000200/history.json   the rows of the loss curve so far
        00000200.complete    written last: a folder without it is a save that was cut short

A run is named by the digest of all that determines it, so that starting it again finds its own checkpoints.
"""

import json
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from dinov2.storage import Store
from dinov2.training.history import History
from dinov2.training.trainee import Trainee

KEEP = 2
COMPLETE = ".complete"


class Checkpoints:
    """The checkpoints of one run.

    Args:
        store: where they live.
        digest: names the run.
    """

    def __init__(self, store: Store, digest: str) -> None:
        self.store, self.folder = store, f"training/{digest}"

    def steps(self) -> list[int]:
        """Steps with a whole checkpoint, oldest first."""
        names = self.store.list(self.folder)
        return sorted(int(name.rsplit("/", 1)[1].removesuffix(COMPLETE)) for name in names if name.endswith(COMPLETE))

    def save(self, step: int, trainee: Trainee, history: History) -> None:
        """Write the state after `step` steps; all ranks must call. Older ones than the newest two are removed."""
        name = self._name(step)
        rank, curve = dist.get_rank(), history.state()
        if rank == 0:
            self.store.delete(name)
        dist.barrier()
        dcp.save(trainee.state(), checkpoint_id=self.store.url_of(name))
        if rank == 0:
            self.store.write(f"{name}/history.json", json.dumps(curve).encode())
            self.store.write(f"{name}{COMPLETE}", b"")
            for old in self.steps()[:-KEEP]:
                self.store.delete(f"{self._name(old)}{COMPLETE}")
                self.store.delete(self._name(old))
        dist.barrier()

    def load_newest(self, trainee: Trainee, history: History) -> int:
        """Continue from the newest checkpoint: the number of steps it had done, 0 if there is none."""
        steps = self.steps()
        if not steps:
            return 0
        name = self._name(steps[-1])
        state: dict[str, Any] = trainee.state()
        dcp.load(state, checkpoint_id=self.store.url_of(name))
        trainee.load(state)
        history.load(json.loads(self.store.read(f"{name}/history.json")))
        return steps[-1]

    def _name(self, step: int) -> str:
        return f"{self.folder}/{step:08}"
