"""What a caller sees of a Job, from `pods` (what one pod says) over `phase`, `log` and `deaths` to `follow`."""

from dinov2.launch.kubernetes.follow.follow import JobGoneError, Manner, follow, why_failed
from dinov2.launch.kubernetes.follow.say import Voice

__all__ = ["JobGoneError", "Manner", "Voice", "follow", "why_failed"]
