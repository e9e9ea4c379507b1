"""Loss scaling for fp16, whose small gradients would be rounded to zero (Micikevicius et al. 2018, section 3.2)."""

import torch
from torch import Tensor

FIRST, LEAST = 2.0**16, 1.0
PATIENCE = 2000
"""Sound steps after which twice the scale is tried."""


class LossScale:
    """The factor on the loss, halved when gradients overflow and doubled when they have not for long.

    Args:
        enabled: False keeps it at 1, as bf16 and fp32 need.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.factor = FIRST if enabled else 1.0
        self.sound_steps = 0

    def update(self, sound: bool) -> bool:
        """Note whether a step's gradients were finite; True if they were not, and a smaller scale may be the cure."""
        if not self.enabled:
            return False
        self.sound_steps = self.sound_steps + 1 if sound else 0
        if not sound and self.factor > LEAST:
            self.factor /= 2
            return True
        if self.sound_steps == PATIENCE:
            self.factor, self.sound_steps = self.factor * 2, 0
        return False

    def state(self) -> dict[str, Tensor]:
        """What changes from step to step."""
        return {"factor": torch.tensor(self.factor), "sound_steps": torch.tensor(self.sound_steps)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.factor, self.sound_steps = float(state["factor"]), int(state["sound_steps"])
