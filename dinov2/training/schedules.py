"""Values that change with the step, each a closed function of it, so that a resumed run needs no state for them."""

import math


def linear(step: int, duration: int, start: float, end: float) -> float:
    """A straight line from `start` at step 0 to `end` at step `duration` - 1; `end` from then on."""
    if step >= duration:
        return end
    return start + (end - start) * step / max(1, duration - 1)


def cosine(step: int, total: int, start: float, end: float, warmup: int = 0) -> float:
    """Linear rise from 0 to `start`, then half a cosine to `end`, then `end`.

    Args:
        step: counted from 0.
        total: steps of the whole schedule, warm-up included.
        start: value when the warm-up ends, and at step 0 if there is none.
        end: value from step `total` on.
        warmup: steps of the linear rise, the last of which has the value `start`.
    """
    if step < warmup:
        return linear(step, warmup, 0.0, start)
    if step >= total:
        return end
    progress = (step - warmup) / (total - warmup)
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * progress))
