"""Attention on a CPU in bf16: plain matrix products against the fused kernel, forward and backward.

python -m benchmarks.attention
"""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from dinov2.models.attention import dense_attention

SHAPES = ((256, 10), (128, 37), (64, 65), (16, 257))
ROUNDS = 15


def seconds(attention: Callable[[Tensor, Tensor, Tensor], Tensor], images: int, tokens: int) -> float:
    """One forward and backward pass over 3 heads of 64."""
    qkv = torch.randn(3, images, 3, tokens, 64, dtype=torch.bfloat16, requires_grad=True)
    started = time.perf_counter()
    attention(*qkv).sum().backward()
    return time.perf_counter() - started


def main() -> None:
    """Time both, interleaved, and print the ratio of the medians for each shape."""
    for images, tokens in SHAPES:
        pairs = [
            (seconds(scaled_dot_product_attention, images, tokens), seconds(dense_attention, images, tokens))
            for _ in range(ROUNDS)
        ]
        fused, dense = (median(column) for column in zip(*pairs[2:], strict=True))
        print(
            f"{images} images of {tokens} tokens: dense is {fused / dense:.1f} times as fast as fused ({dense:.4f} s)"
        )


if __name__ == "__main__":
    main()
