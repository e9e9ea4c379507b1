"""The projection head from tokens to prototype logits."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize
from torch.nn.init import trunc_normal_

from dinov2.models.official import accept_official


class Prototypes(nn.Module):
    """A linear layer without bias whose rows have a direction `weight_v` and a trainable length `weight_g`.

    Rows start at length 1, so that a logit of a unit vector is a cosine.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(out_dim, 1))
        self.weight_v = nn.Parameter(torch.empty(out_dim, in_dim))
        trunc_normal_(self.weight_v, std=0.02)

    def weight(self) -> Tensor:
        """The rows at their lengths, (out, in)."""
        # The kernel behind torch.nn.utils.weight_norm: as plain operations this is among a step's slowest parts.
        return torch._weight_norm(self.weight_v, self.weight_g, 0)

    def forward(self, x_nd: Tensor) -> Tensor:
        """(n, in) to (n, out)."""
        return linear(x_nd, self.weight())


class DINOHead(nn.Module):
    """MLP, L2 normalisation, prototypes (Caron et al. 2021, appendix C), without BatchNorm.

    Args:
        in_dim: width of a token.
        out_dim: number of prototypes.
        hidden_dim: width of the hidden layers.
        bottleneck_dim: width before the prototypes.
        nlayers: linear layers of the MLP, at least 1.
    """

    def __init__(
        self, in_dim: int, out_dim: int, hidden_dim: int = 2048, bottleneck_dim: int = 256, nlayers: int = 3
    ) -> None:
        super().__init__()
        widths = [in_dim, *[hidden_dim] * (nlayers - 1), bottleneck_dim]
        layers: list[nn.Module] = []
        for number in range(nlayers):
            layer = nn.Linear(widths[number], widths[number + 1])
            trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
            layers += [layer] if number == nlayers - 1 else [layer, nn.GELU()]
        self.mlp = nn.Sequential(*layers)
        self.last_layer = Prototypes(bottleneck_dim, out_dim)
        self.register_load_state_dict_pre_hook(accept_official)

    def forward(self, x_nd: Tensor) -> Tensor:
        """Tokens (n, D) to logits (n, prototypes)."""
        return linear(*self.project(x_nd))

    def project(self, x_nd: Tensor) -> tuple[Tensor, Tensor]:
        """The two factors of the logits, which are far smaller than their product.

        Returns:
            Unit vectors (n, bottleneck) of tokens (n, D), and the prototypes (K, bottleneck).
        """
        x_nd = self.mlp(x_nd)
        # 1e-12 is zero in fp16, and a zero vector would give NaN.
        eps = 1e-6 if x_nd.dtype == torch.float16 else 1e-12
        return normalize(x_nd, dim=-1, eps=eps), self.last_layer.weight()
