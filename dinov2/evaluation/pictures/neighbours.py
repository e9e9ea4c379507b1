"""The images that a model finds most alike."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from dinov2.data.images import Pixels
from dinov2.evaluation.features import Item
from dinov2.evaluation.nearest import nearest_in
from dinov2.evaluation.pictures.photographs import pixels_of
from dinov2.evaluation.pictures.picture import Picture
from dinov2.evaluation.pictures.tiles import framed, side_of, strip

RIGHT, WRONG = (0, 114, 178), (213, 94, 0)
"""Told apart by colour-blind people as well (Okabe and Ito 2008)."""


NEAREST = 4
"""Shown for each query: with it five tiles, which are legible on a phone."""

Right = Callable[[int, np.ndarray], np.ndarray]
"""(k,) bool: for a query by its number, whether each of these images of the database is what it asks for."""


def nearest_picture(
    queries: Sequence[Item],
    queries_qd: np.ndarray,
    database: Sequence[Item],
    database_nd: np.ndarray,
    chosen: Sequence[int],
    right: Right,
    device: torch.device,
) -> Picture:
    """Some queries, and the images of a database that are nearest to them by cosine.

    Args:
        queries: Q images.
        queries_qd: their features.
        database: N images.
        database_nd: their features.
        chosen: numbers of the queries to show.
        right: see `Right`.
        device: that compares.
    """
    asked = torch.from_numpy(queries_qd[chosen]).to(device)
    _, index = nearest_in(torch.from_numpy(database_nd), asked, min(NEAREST, len(database)))
    index_qk = index.cpu().numpy()
    right_qk = np.stack([right(query, found) for query, found in zip(chosen, index_qk, strict=True)])
    shown = [pixels_of(queries[query]) for query in chosen]
    return neighbour_picture(shown, index_qk, right_qk, lambda number: pixels_of(database[number]))


def neighbour_picture(
    queries: Sequence[Pixels], index_qk: np.ndarray, right_qk: np.ndarray, read: Callable[[int], Pixels]
) -> Picture:
    """Each query, and beside it the k images nearest to it, nearest first.

    Args:
        queries: Q images of any size.
        index_qk: (Q, k) numbers of images; nearest first.
        right_qk: (Q, k) bool, whether each is of the query's class, or of its place.
        read: the image of a number.
    """
    side = side_of(1 + index_qk.shape[1])
    rows = {}
    for number, (query, index_k, right_k) in enumerate(zip(queries, index_qk, right_qk, strict=True), 1):
        found = [
            framed(read(int(each)), RIGHT if right else WRONG, side)
            for each, right in zip(index_k, right_k, strict=True)
        ]
        rows[f"query {number}"] = strip([query, *found])
    return Picture(
        name="neighbours",
        title="What is found most alike",
        caption="On the left a query or test image, then those nearest to it by the model's features, nearest first.",
        alternative="Photographs, and beside each those nearest to it by the model's features",
        rows=rows,
        legend={"right": RIGHT, "wrong": WRONG},
        note=f"{int(right_qk.sum())} of {right_qk.size} right",
    )
