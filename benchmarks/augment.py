"""Decoding and multi-crop augmentation: images per second of one core, against the same recipe written in Pillow.

    python -m benchmarks.augment [--images FOLDER_OR_TAR]

Photographs (JPEG; by default those of the built-in sample) are laid side by side at their own resolution until a
picture of 500×400 or 1600×1200 pixels is full, so that large files have as much detail as a camera's. Counts CPU time
of rounds that take turns, in one process and one thread.
"""

import argparse
import io
import math
import tarfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from numpy.random import Generator, default_rng
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from dinov2.data.augment import ASPECT, ATTEMPTS, BLUR_SIGMA, CropsConfig, multi_crop
from dinov2.data.images import decode_rgb
from dinov2.data.sample.photographs import photograph

SIZES = ((500, 400), (1600, 1200))
BUILT_IN = ("astronaut.png", "chelsea.png", "china.jpg", "coffee.png", "flower.jpg", "motorcycle_left.png")
SUFFIXES = (".jpg", ".jpeg")
PICTURES, TAKEN, QUALITY = 16, 200, 90
ROUNDS = 9
Way = Callable[[bytes, CropsConfig, Generator], object]


def ours(data: bytes, config: CropsConfig, rng: Generator) -> object:
    """What a loading process does with one image."""
    return multi_crop(decode_rgb(data, config.shortest), config, rng)


def in_pillow(data: bytes, config: CropsConfig, rng: Generator) -> object:
    """The same recipe; the operations are those that torchvision calls on a Pillow image."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    first, second, local = config.blur_probability
    size, scale = config.global_size, config.global_scale
    pair = [
        pillow_crop(image, size, scale, config, first, 0.0, rng),
        pillow_crop(image, size, scale, config, second, config.solarise_probability, rng),
    ]
    size, scale = config.local_size, config.local_scale
    small = [pillow_crop(image, size, scale, config, local, 0.0, rng) for _ in range(config.local_count)]
    return [np.stack([np.asarray(crop) for crop in crops]) for crops in (pair, small)]


def pillow_crop(
    image: Image.Image,
    size: int,
    scale: tuple[float, float],
    config: CropsConfig,
    blur: float,
    solarise: float,
    rng: Generator,
) -> Image.Image:
    """One crop."""
    crop = image.resize((size, size), Image.Resampling.BICUBIC, box=pillow_box(image, scale, rng))
    if rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < config.jitter_probability:
        crop = pillow_jitter(crop, config.jitter, rng)
    if rng.random() < config.grey_probability:
        crop = crop.convert("L").convert("RGB")
    if rng.random() < blur:
        crop = crop.filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR_SIGMA)))
    if rng.random() < solarise:
        crop = ImageOps.solarize(crop)
    return crop


def pillow_box(image: Image.Image, scale: tuple[float, float], rng: Generator) -> tuple[int, int, int, int]:
    """Left, top, right and bottom; the whole image when nothing fits, which at these sizes does not happen."""
    for _ in range(ATTEMPTS):
        area = image.width * image.height * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if w <= image.width and h <= image.height:
            left, top = int(rng.integers(image.width - w + 1)), int(rng.integers(image.height - h + 1))
            return left, top, left + w, top + h
    return 0, 0, image.width, image.height


def pillow_jitter(image: Image.Image, strength: tuple[float, float, float, float], rng: Generator) -> Image.Image:
    """Brightness, contrast, saturation and hue in random order."""
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for number in rng.permutation(4):
        if number == 3:
            image = pillow_hue(image, rng.uniform(-strength[3], strength[3]))
        else:
            image = kinds[number](image).enhance(rng.uniform(1 - strength[number], 1 + strength[number]))
    return image


def pillow_hue(image: Image.Image, turn: float) -> Image.Image:
    """Turn the hue channel by a share of the circle."""
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue) + np.uint8(round(turn * 256) % 256)
    return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")


def photographs(place: Path | None) -> Iterator[Image.Image]:
    """The built-in photographs, or JPEGs of a folder or tar archive."""
    if place is None:
        yield from (Image.fromarray(photograph(name)) for name in BUILT_IN)
    elif place.is_dir():
        files = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
        yield from (Image.open(path).convert("RGB") for path in files)
    else:
        with tarfile.open(place) as archive:
            for member in archive:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    yield Image.open(archive.extractfile(member)).convert("RGB")  # type: ignore[arg-type]


def mosaics(parts: Iterator[Image.Image], width: int, height: int) -> Iterator[bytes]:
    """JPEGs of the size asked for, filled row by row."""
    while True:
        picture, top = Image.new("RGB", (width, height)), 0
        while top < height:
            left, row = 0, height
            while left < width:
                part = next(parts)
                picture.paste(part, (left, top))
                left, row = left + part.width, min(row, part.height)
            top += row
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=QUALITY)
        yield file.getvalue()


def seconds(way: Way, files: list[bytes], seed: int) -> float:
    """CPU seconds of one image."""
    config, rng = CropsConfig(), default_rng(seed)
    started = time.process_time()
    for data in files:
        way(data, config, rng)
    return (time.process_time() - started) / len(files)


def main() -> None:
    """Measure and print one line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, metavar="FOLDER_OR_TAR")
    parts = list(islice(photographs(parser.parse_args().images), TAKEN))
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    for width, height in SIZES:
        files = list(islice(mosaics(cycle(parts), width, height), PICTURES))
        pairs = [[seconds(way, files, seed) for way in (ours, in_pillow)] for seed in range(ROUNDS + 1)][1:]
        mine, theirs = (median(column) for column in zip(*pairs, strict=True))
        ratios = [slow / fast for fast, slow in pairs]
        print(
            f"{width}×{height}, {sum(map(len, files)) / len(files) / 1e3:.0f} kB: {1 / mine:.0f} images/s, in Pillow "
            f"{1 / theirs:.0f}; {median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
