"""Semantic segmentation by a linear layer on frozen patches."""

from dinov2.evaluation.protocols.segmentation.config import SegmentationConfig
from dinov2.evaluation.protocols.segmentation.protocol import Segmentation

__all__ = ["Segmentation", "SegmentationConfig"]
