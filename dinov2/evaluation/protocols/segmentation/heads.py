"""Linear heads on patches behind a batch normalisation, side by side, one for each learning rate."""

import torch
from torch import Tensor, nn

INITIAL_STD = 0.01


class Heads(nn.Module):
    """R times BatchNorm and a linear layer on the same features, as the release's head of segmentation.

    All share the normalisation itself. Its gain and shift are each head's own, multiplied into its weights: the R
    heads are one product of matrices, and what normalises has no gradient.

    Args:
        width: C, of the features.
        classes: K.
        heads: R.
        generator: of the initial weights, which are the same for all heads.
    """

    def __init__(self, width: int, classes: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)
        start = torch.empty(width, classes).normal_(std=INITIAL_STD, generator=generator)
        self.weight = nn.ParameterList(start.clone() for _ in range(heads))
        self.bias = nn.ParameterList(torch.zeros(classes) for _ in range(heads))
        self.gain = nn.ParameterList(torch.ones(width) for _ in range(heads))
        self.shift = nn.ParameterList(torch.zeros(width) for _ in range(heads))

    def forward(self, normal_bhwc: Tensor) -> Tensor:
        """(B, h, w, R, K) logits of features that are normalised already."""
        folded = [gain[:, None] * weight for gain, weight in zip(self.gain, self.weight, strict=True)]
        shifted = [
            shift @ weight + bias for shift, weight, bias in zip(self.shift, self.weight, self.bias, strict=True)
        ]
        logits = normal_bhwc @ torch.cat(folded, dim=1) + torch.cat(shifted)
        return logits.unflatten(3, (len(folded), -1))

    @torch.no_grad()
    def normalised(self, x_bhwc: Tensor) -> Tensor:
        """Features normalised by their own mean and variance in training, by the running ones otherwise."""
        return self.norm(x_bhwc.flatten(0, 2)).view_as(x_bhwc)

    def of(self, head: int) -> list[nn.Parameter]:
        """The parameters of one head."""
        return [each[head] for each in (self.weight, self.bias, self.gain, self.shift)]
