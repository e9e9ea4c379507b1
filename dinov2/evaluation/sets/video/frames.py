"""Frames out of a clip, evenly spaced."""

from pathlib import Path

import cv2
import numpy as np

from dinov2.data.images import Pixels, decode_rgb
from dinov2.errors import DataError
from dinov2.evaluation.sets.listing import IMAGES
from dinov2.evaluation.sets.task import Clip

COUNT = 8
"""As published (DINOv2, section 7.2)."""


class UndecodableError(DataError):
    """No frame can be had of a clip: it is skipped, named and counted by whoever asks for many."""


def evenly(total: int, count: int) -> list[int]:
    """The middle frames of `count` equal stretches of `total` frames; a clip of fewer frames repeats some."""
    return [int((2 * part + 1) * total / (2 * count)) for part in range(count)]


def read_frames(clip: Clip, count: int = COUNT, shortest: int | None = None) -> list[Pixels]:
    """`count` frames (H, W, 3) uint8 RGB of a clip, in order.

    A file is decoded by OpenCV's FFmpeg from its beginning, since in many of them seeking lands beside the frame asked
    for. Files that announce more frames than they hold are read again with the true number.

    Args:
        clip: a file, or a folder of frames.
        count: how many frames.
        shortest: see `decode_rgb`; for folders of frames.

    Raises:
        UndecodableError: it is empty, damaged or of a kind that cannot be decoded.
    """
    if clip.path.is_dir():
        return _of_folder(clip, count, shortest)
    announced = _announced(clip)
    frames, held = _of_file(clip.path, evenly(announced, count))
    if len(frames) < count and held:
        frames, _ = _of_file(clip.path, evenly(held, count))
    if len(frames) < count:
        raise UndecodableError(f"{clip.path}: no frame in it can be decoded; it announces {announced}")
    return frames


def attempt(clip: Clip, count: int = COUNT, shortest: int | None = None) -> list[Pixels] | UndecodableError:
    """As `read_frames`; why a clip cannot be decoded is given back, for whoever goes on with the others."""
    try:
        return read_frames(clip, count, shortest)
    except UndecodableError as error:
        return error


def _announced(clip: Clip) -> int:
    """What the file says, or a count of its frames where it says nothing."""
    video = cv2.VideoCapture(str(clip.path), cv2.CAP_FFMPEG)
    try:
        if not video.isOpened():
            raise UndecodableError(f"{clip.path}: no video that FFmpeg opens")
        announced = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        if announced <= 0:
            announced = 0
            while video.grab():
                announced += 1
        return announced
    finally:
        video.release()


def _of_file(path: Path, wanted: list[int]) -> tuple[list[Pixels], int]:
    """The frames of these numbers, in rising order, and how many frames were passed on the way."""
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found: list[Pixels] = []
    passed = 0
    try:
        while len(found) < len(wanted) and video.grab():
            if passed == wanted[len(found)]:
                whole, pixels = video.retrieve()
                if not whole:
                    break
                repeated = wanted.count(passed)
                found += [np.ascontiguousarray(pixels[:, :, ::-1])] * repeated
            passed += 1
        return found, passed
    finally:
        video.release()


def _of_folder(clip: Clip, count: int, shortest: int | None) -> list[Pixels]:
    paths = sorted(path for path in clip.path.iterdir() if path.suffix.lower() in IMAGES)
    if not paths:
        raise UndecodableError(f"{clip.path}: a folder without images")
    try:
        return [decode_rgb(paths[number].read_bytes(), shortest) for number in evenly(len(paths), count)]
    except (DataError, OSError) as error:
        raise UndecodableError(f"{clip.path}: {error}") from None
