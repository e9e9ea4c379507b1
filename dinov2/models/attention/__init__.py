"""Multi-head self-attention over packed sequences, never across images.

A backend is one file with `attend` and `why_not`, and one line in `backends.BACKENDS`.
"""

from dinov2.models.attention.backends import BACKENDS, attend
from dinov2.models.attention.choice import Choice, available, choose
from dinov2.models.attention.dense import dense_attention
from dinov2.models.attention.module import Attention, set_attention

__all__ = ["BACKENDS", "Attention", "Choice", "attend", "available", "choose", "dense_attention", "set_attention"]
