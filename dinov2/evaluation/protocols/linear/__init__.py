"""The linear probe: linear layers on frozen features, all learning rates and all readings of them trained at once."""

from dinov2.evaluation.protocols.linear.config import LinearConfig
from dinov2.evaluation.protocols.linear.probe import LinearClassifier, LinearProbe, Reading, choose, held_out

__all__ = ["LinearClassifier", "LinearConfig", "LinearProbe", "Reading", "choose", "held_out"]
