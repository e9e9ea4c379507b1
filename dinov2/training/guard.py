"""Steps that must not be taken: a loss or a gradient is not finite."""

import sys
from collections.abc import Callable
from itertools import chain

import torch
import torch.distributed as dist
from torch import Tensor

from dinov2.errors import UserError


def sound(values: Tensor) -> bool:
    """Whether all values are finite, on every process."""
    flag = torch.isfinite(values).all().float()
    if dist.get_world_size() > 1:
        dist.all_reduce(flag, op=dist.ReduceOp.MIN)
    return bool(flag.item())


class Guard:
    """Counts the steps that were skipped.

    Args:
        name: of the run, for people.
        most: steps in a row that may be skipped.
    """

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most
        self.skipped = self.in_a_row = 0

    def passed(self) -> None:
        """Note a step that was taken."""
        self.in_a_row = 0

    def skip(self, step: int, values: dict[str, Tensor], images: Callable[[], list[str]]) -> None:
        """Note a step that was not taken.

        Args:
            step: its number, from 1.
            values: losses and norms, some of them not finite.
            images: gives the keys of this process's images.

        Raises:
            UserError: one too many in a row; names the values and the images of all processes. All raise together.
        """
        self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
        said = ", ".join(f"{name} {value.item():.4g}" for name, value in values.items())
        if self.in_a_row <= self.most:
            if dist.get_rank() == 0:
                line = f"{self.name}: step {step} skipped, {self.in_a_row} in a row of at most {self.most}: {said}"
                print(line, file=sys.stderr, flush=True)
            return
        keys: list[list[str]] = [[]] * dist.get_world_size()
        dist.all_gather_object(keys, images())
        raise UserError(
            f"{self.name}: step {step}: a loss or gradient is not finite, and {self.in_a_row} steps in a row have not "
            f"been taken: {said}. The images of this step: {', '.join(chain.from_iterable(keys))}"
        )

    def state(self) -> dict[str, Tensor]:
        """What changes from step to step."""
        return {"skipped": torch.tensor(self.skipped), "in_a_row": torch.tensor(self.in_a_row)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.skipped, self.in_a_row = int(state["skipped"]), int(state["in_a_row"])
