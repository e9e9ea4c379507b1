"""How long patch tokens are: a few far longer ones on plain ground are artefacts, which registers cure."""

import numpy as np

from dinov2.evaluation.pictures.picture import Picture
from dinov2.evaluation.pictures.tiles import heat, strip


def norm_picture(images: np.ndarray, norms_nhw: np.ndarray) -> Picture:
    """Photographs, and the norm of each patch token, on one scale (Darcet et al. 2023, figures 2 and 4).

    Args:
        images: (N, S, S, 3) uint8.
        norms_nhw: see `LastBlock.norms`.
    """
    low, middle, high = (float(each) for each in np.percentile(norms_nhw, (0, 50, 100)))
    return Picture(
        name="norms",
        title="Length of the patch tokens",
        caption="The norm of each patch token as it leaves the last block, from the shortest, dark, to the longest, "
        "light. Large models put what they need to remember into a few patches of plain ground, which are then far "
        "longer than the others and bad at saying what is there; registers take that over.",
        alternative="Photographs, and maps of the norm of their patch tokens",
        rows={"photographs": strip(list(images)), "norms": strip([heat(each, low, high) for each in norms_nhw])},
        note=f"from {low:.3g} to {high:.3g}, the longest {high / max(middle, 1e-12):.1f} times the median",
    )
