"""What makes copies alike and everything else spread out (Pizzi et al. 2022, SSCD, sections 3 and 4)."""

import torch
from torch import Tensor


def infonce(z_nd: Tensor, positive_nn: Tensor, related_nn: Tensor, temperature: float) -> Tensor:
    """InfoNCE with several positives to a view, as mixed images have them (SSCD, section 3.4).

    For every view the mean over its positives of -log(e^s / (e^s + sum of e^s' over its negatives)), where s are
    cosines over the temperature; then the mean over views.

    Args:
        z_nd: unit vectors of N views.
        positive_nn: bool, symmetric: views that show one image. At least one in each row; never a view with itself.
        related_nn: bool: views that are no negatives of each other: the positives, a view itself, and those that share
            so little of an image that they need not be alike.
        temperature: smaller ones look at the hardest negatives only.
    """
    logits_nn = z_nd @ z_nd.T / temperature
    negatives_n1 = logits_nn.masked_fill(related_nn, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses_nn = torch.logaddexp(logits_nn, negatives_n1) - logits_nn
    weights_nn = positive_nn / positive_nn.sum(dim=1, keepdim=True)
    return (losses_nn * weights_nn).sum(dim=1).mean()


def entropy(z_nd: Tensor, related_nn: Tensor, eps: float = 1e-4) -> Tensor:
    """Differential entropy, negated: -mean log distance to the nearest negative (Kozachenko and Leonenko 1987).

    Args:
        z_nd: unit vectors of N views.
        related_nn: bool, as for `infonce`.
        eps: added to a distance.
    """
    with torch.no_grad():
        nearest_n = (z_nd @ z_nd.T).masked_fill(related_nn, -torch.inf).argmax(dim=1)
    distance_n = (z_nd - z_nd[nearest_n]).square().sum(dim=1).add(eps**2).sqrt()
    return -distance_n.log().mean()
