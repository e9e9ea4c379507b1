"""Patch features as colours: principal components shared by a group of images."""

import cv2
import numpy as np

from dinov2.evaluation.pictures.picture import Picture
from dinov2.evaluation.pictures.tiles import side_of, strip

BACKGROUND = 0.09
"""Grey level, in [0, 1], of what the first component leaves out."""
EMPTY = round(255 * BACKGROUND)
OUTLIERS = (1.0, 99.0)
"""Percentiles of the foreground that become the darkest and the lightest of each colour."""


def pca_picture(images: np.ndarray, patches_nhwd: np.ndarray) -> Picture:
    """Photographs, and under each the patch features of a model.

    Args:
        images: (N, S, S, 3) uint8.
        patches_nhwd: see `colours`.
    """
    drawn = colours(patches_nhwd, side_of(len(images)))
    empty = int((drawn == EMPTY).all(axis=(1, 2, 3)).sum())
    return Picture(
        name="pca",
        title="What the features see",
        caption="The features of every patch, drawn in colour: the first principal component of all images together "
        "divides subject from background, the next three are red, green and blue. Where training worked, the same "
        "parts of different things share a colour.",
        alternative="Photographs, and patch features in colour",
        rows={"photographs": strip(list(images)), "features": strip(list(drawn))},
        note=f"{empty} of {len(images)} photographs are background to it, all over" if empty else "",
    )


def principal(samples_nd: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and the first `count` principal components (count, D), in float64.

    A component's sign is free; here its entry of largest size is positive, so that equal samples give equal colours.
    """
    samples_nd = samples_nd.astype(np.float64)
    mean_d = samples_nd.mean(axis=0)
    centred_nd = samples_nd - mean_d
    _, vectors_dd = np.linalg.eigh(centred_nd.T @ centred_nd)  # in rising order of variance
    components_kd = vectors_dd.T[::-1][:count]
    largest_k = np.abs(components_kd).argmax(axis=1)
    return mean_d, components_kd * np.sign(components_kd[np.arange(count), largest_k])[:, None]


def colours(patches_nhwd: np.ndarray, side: int) -> np.ndarray:
    """Draw the patch features of N images in one basis, (N, side, side, 3) uint8 RGB.

    Two steps (DINOv2, section 7.5, figure 1): the first component of all patches divides foreground from background;
    the first three components of the foreground alone become red, green and blue. The maps are enlarged smoothly
    before they are cut, so that outlines do not follow the patches.

    Args:
        patches_nhwd: patch tokens of N images on their grid of H × W; D is at least 3.
        side: side of a picture, in pixels.
    """
    count, height, width, depth = patches_nhwd.shape
    score_nhw = subject(patches_nhwd)
    flat_pd, foreground_p = patches_nhwd.reshape(-1, depth), score_nhw.ravel() > 0
    if not foreground_p.any():  # all patches are equal: there is nothing to draw
        return np.full((count, side, side, 3), EMPTY, np.uint8)
    mean_d, three_kd = principal(flat_pd[foreground_p], 3)
    values_pk = (flat_pd - mean_d) @ three_kd.T
    low_k, high_k = np.percentile(values_pk[foreground_p], OUTLIERS, axis=0)
    values_nhwk = ((values_pk - low_k) / np.maximum(high_k - low_k, 1e-12)).reshape(count, height, width, 3)
    return np.stack([_draw(value, score, side) for value, score in zip(values_nhwk, score_nhw, strict=True)])


def subject(patches_nhwd: np.ndarray) -> np.ndarray:
    """(N, H, W): the first component of all patches, positive where the subject is."""
    flat_pd = patches_nhwd.reshape(-1, patches_nhwd.shape[-1])
    mean_d, first_1d = principal(flat_pd, 1)
    return _subject_positive(((flat_pd - mean_d) @ first_1d[0]).reshape(patches_nhwd.shape[:3]))


def _subject_positive(score_nhw: np.ndarray) -> np.ndarray:
    """Turn the first component so that foreground is positive: photographers put the subject inside the frame."""
    inner = np.zeros(score_nhw.shape[1:], dtype=bool)
    inner[1:-1, 1:-1] = True
    return score_nhw if score_nhw[:, inner].mean() >= score_nhw[:, ~inner].mean() else -score_nhw


def _draw(value_hwk: np.ndarray, score_hw: np.ndarray, side: int) -> np.ndarray:
    value = cv2.resize(value_hwk, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    score = cv2.resize(score_hw, (side, side), interpolation=cv2.INTER_CUBIC)
    return (255 * np.where(score[..., None] > 0, value, BACKGROUND)).round().astype(np.uint8)
