"""Depth of every pixel, from frozen patches, by a linear layer or by a DPT head."""

from dinov2.evaluation.protocols.depth.config import DepthConfig
from dinov2.evaluation.protocols.depth.protocol import DepthEstimation

__all__ = ["DepthConfig", "DepthEstimation"]
