"""Which patches of one image are those of another."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from dinov2.data.images import Pixels
from dinov2.evaluation.pictures.pca import subject
from dinov2.evaluation.pictures.picture import GAP, Picture
from dinov2.evaluation.pictures.tiles import LARGEST, fit, straight

MATCHES = 16
"""Drawn for a pair of images."""
APART = 0.1
"""Matches that are drawn lie so far from each other in the first image, as a share of its side: lines stay apart."""


@dataclass(frozen=True)
class Matches:
    """M patches of one image and their counterparts in another, the most alike first.

    Attributes:
        first: (M, 2) int64 rows and columns.
        second: likewise in the other image.
        cosine: (M,).
    """

    first: np.ndarray
    second: np.ndarray
    cosine: np.ndarray


def mutual(first_hwd: np.ndarray, second_hwd: np.ndarray) -> Matches:
    """Patches of the subject that are each other's nearest by cosine.

    As in DINOv2, section 7.5, figure 10, where an assignment takes the place of mutual neighbours: what is subject the
    first principal component of both images tells. Grounds match each other too, but at no place in particular.

    Args:
        first_hwd: patch tokens of an image.
        second_hwd: of another, on a grid of the same size.
    """
    pair = np.stack([first_hwd, second_hwd])
    grids = [np.argwhere(score > 0) for score in subject(pair)]
    units = [_units(each[tuple(grid.T)]) for each, grid in zip(pair, grids, strict=True)]
    if not all(map(len, units)):
        return Matches(*(np.zeros((0, 2), np.int64),) * 2, np.zeros(0))
    cosine_mn = units[0] @ units[1].T
    there_m, back_n = cosine_mn.argmax(axis=1), cosine_mn.argmax(axis=0)
    ours = np.flatnonzero(back_n[there_m] == np.arange(len(there_m)))
    cosine = cosine_mn[ours, there_m[ours]]
    order = np.argsort(-cosine, kind="stable")
    return Matches(grids[0][ours[order]], grids[1][there_m[ours[order]]], cosine[order])


def _units(tokens_pd: np.ndarray) -> np.ndarray:
    tokens_pd = tokens_pd.astype(np.float64)
    return tokens_pd / np.maximum(np.linalg.norm(tokens_pd, axis=1, keepdims=True), 1e-12)


def correspondence_picture(images: np.ndarray, patches_nhwd: np.ndarray, pairs: Sequence[tuple[int, int]]) -> Picture:
    """Pairs of photographs with lines between the patches that are each other's nearest.

    Args:
        images: (N, S, S, 3) uint8.
        patches_nhwd: their patch tokens.
        pairs: numbers of two images each.
    """
    found = [mutual(patches_nhwd[first], patches_nhwd[second]) for first, second in pairs]
    rows = {
        f"pair {number}": _drawn(images[first], images[second], matches, patches_nhwd.shape[1:3])
        for number, ((first, second), matches) in enumerate(zip(pairs, found, strict=True), 1)
    }
    return Picture(
        name="correspondence",
        title="The same parts of two images",
        caption=f"Lines join patches of two images that are each other's nearest by cosine, the {MATCHES} most alike "
        "that lie apart. Where training worked they join the same parts of different things.",
        alternative="Pairs of photographs with lines between patches that are alike",
        rows=rows,
        abreast=True,
        note=f"{' and '.join(str(len(each.cosine)) for each in found)} patches of the subjects match",
    )


def apart(matches: Matches, least: float) -> list[int]:
    """Numbers of at most `MATCHES` matches, the most alike first, that lie `least` patches apart in the first image."""
    chosen: list[int] = []
    for number, place in enumerate(matches.first):
        if len(chosen) < MATCHES and (np.linalg.norm(matches.first[chosen] - place, axis=1) >= least).all():
            chosen.append(number)
    return chosen


def _drawn(first: Pixels, second: Pixels, matches: Matches, grid: tuple[int, ...]) -> Image.Image:
    side = 2 * LARGEST
    canvas = np.zeros((side, 2 * side + 4 * GAP, 4), np.uint8)
    right = side + 4 * GAP
    for left, image in ((0, first), (right, second)):
        canvas[:, left : left + side, :3], canvas[:, left : left + side, 3] = fit(image, side), 255
    for number in apart(matches, APART * max(grid)):
        ours, theirs = (_centre(each[number], grid, side) for each in (matches.first, matches.second))
        colour = _colour(ours, side)
        ends = (ours, (theirs[0] + right, theirs[1]))
        cv2.line(canvas, *ends, (*colour, 255), 2, cv2.LINE_AA)
        for end in ends:
            cv2.circle(canvas, end, 7, (255, 255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(canvas, end, 5, (*colour, 255), -1, cv2.LINE_AA)
    return straight(canvas)


def _centre(place: np.ndarray, grid: tuple[int, ...], side: int) -> tuple[int, int]:
    """Across and down, in pixels."""
    return round((place[1] + 0.5) * side / grid[1]), round((place[0] + 0.5) * side / grid[0])


def _colour(place: tuple[int, int], side: int) -> tuple[int, int, int]:
    """By the direction from the centre: what lies together in the first image has one colour."""
    turn = float(np.arctan2(place[1] - side / 2, place[0] - side / 2)) / (2 * np.pi) % 1
    red, green, blue = colorsys.hsv_to_rgb(turn, 0.8, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
