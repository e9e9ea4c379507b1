"""Images laid out so that those a model finds alike lie together."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from PIL import Image
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from dinov2.data.images import Pixels
from dinov2.errors import DataError
from dinov2.evaluation.pictures.palette import palette
from dinov2.evaluation.pictures.pca import principal
from dinov2.evaluation.pictures.picture import Picture
from dinov2.evaluation.pictures.tiles import framed, straight

MOST = 2000
FEWEST = 5
COMPONENTS = 50
PERPLEXITY = 30.0
ALIKE = 1e-6
"""Features of unit length that differ less are the same but for rounding; t-SNE would divide by how they differ."""
SIDE, THUMBNAIL, MARGIN = 720, 56, 32
NAMED = 16
"""With more classes than these, colours say little and have no legend."""


def plane(features_nd: np.ndarray, seed: int) -> np.ndarray:
    """(N, 2) float32: t-SNE (van der Maaten and Hinton 2008) of features of length 1, on their 50 principal components.

    It begins at the first two of these, so that groups keep their places relative to each other. Where a model sees no
    difference between the images, all are at one place.

    Args:
        features_nd: of 5 to 2000 images.
        seed: of what is left to chance.

    Raises:
        DataError: there are fewer or more.
    """
    count = len(features_nd)
    if not FEWEST <= count <= MOST:
        raise DataError(f"a map of {count} images; allowed: {FEWEST} to {MOST}")
    lengths_n1 = np.linalg.norm(features_nd.astype(np.float64), axis=1, keepdims=True)
    units_nd = features_nd / np.maximum(lengths_n1, 1e-12)
    mean_d, components_kd = principal(units_nd, min(COMPONENTS, features_nd.shape[1]))
    offsets_nk = (units_nd - mean_d) @ components_kd.T
    if np.abs(offsets_nk).max() < ALIKE:
        return np.zeros((count, 2), np.float32)
    layout = TSNE(2, perplexity=min(PERPLEXITY, (count - 1) / 3), init="pca", random_state=seed)
    with threadpool_limits(1):  # sums over threads would differ from run to run
        return layout.fit_transform(offsets_nk)


def map_picture(
    plane_n2: np.ndarray, labels_n: np.ndarray, classes: Sequence[str], photographs: Mapping[int, Pixels]
) -> Picture:
    """A point for each image in the colour of its class, and photographs where there is room.

    Args:
        plane_n2: see `plane`.
        labels_n: (N,) numbers of classes.
        classes: their names.
        photographs: some of the images by their number, of any size.
    """
    colours = palette(len(classes))
    low, high = plane_n2.min(axis=0), plane_n2.max(axis=0)
    places_n2 = MARGIN + (SIDE - 2 * MARGIN) * (plane_n2 - low) / np.maximum(high - low, 1e-12)
    canvas = np.zeros((SIDE, SIDE, 4), np.uint8)
    for (across, down), label in zip(places_n2.round().astype(int).tolist(), labels_n.tolist(), strict=True):
        cv2.circle(canvas, (across, down), 4, (*colours[label], 255), -1, cv2.LINE_AA)
    picture = straight(canvas)
    taken: list[np.ndarray] = []
    for number, photograph in photographs.items():
        place = places_n2[number]
        if all(np.abs(place - other).max() >= THUMBNAIL + 2 for other in taken):
            tile = framed(photograph, colours[labels_n[number]], THUMBNAIL)
            left, top = (place - (tile.shape[1] / 2, tile.shape[0] / 2)).round().astype(int).tolist()
            picture.paste(Image.fromarray(tile), (left, top))
            taken.append(place)
    return Picture(
        name="map",
        title="A map of the images",
        caption=f"{len(plane_n2)} images, laid out by t-SNE of their features: what the model finds alike lies "
        "together. Frames and points have the colour of the class. Distances between far groups mean little.",
        alternative="A scatter of points and small photographs, in which alike images lie together",
        rows={"map": picture},
        abreast=True,
        legend=dict(zip(classes, colours, strict=True)) if len(classes) <= NAMED else {},
    )
