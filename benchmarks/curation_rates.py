"""What curation does beside searching, in items a second, each step next to the least that could do it.

    python -m benchmarks.curation_rates PHOTOGRAPHS                                # a few minutes on 2 cores
    python -m benchmarks.curation_rates PHOTOGRAPHS --items 1000000 --steps check gather decide components

On photographs, with one thread: `look` at them, look with two filters, describe them, `pack` them. On so many items,
made from a seed: `list` files that are known, in a tar archive; `check` vectors and find what is new; `gather` vectors
into one file; `decide` which images stay; `components` of as many pairs. Rates are by the clock and by processor time.
A ratio is our time over that of the baseline, which the same process runs just before or after: by the clock, then by
processor time.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import torch

from benchmarks.curation_images import image_rates
from benchmarks.curation_tables import TABLES
from benchmarks.rate import HEAD, Rate
from dinov2.errors import told_in_one_line

IMAGES = "images"


def main() -> None:
    """Measure what is asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, metavar="PHOTOGRAPHS", help="a folder of images")
    parser.add_argument("--items", type=int, nargs="+", default=[30_000, 100_000, 300_000], help="%(default)s")
    parser.add_argument("--steps", nargs="+", choices=[IMAGES, *TABLES], default=[IMAGES, *TABLES])
    parser.add_argument("--json", action="store_true", help="the figures again, as the last line")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rates = []
    for rate in measured(options):
        print(rate.line(), file=sys.stderr, flush=True)
        rates.append(rate)
    print("\n".join([HEAD, *(rate.line() for rate in rates)]))
    if options.json:
        print(json.dumps([rate.figures() for rate in rates]))


def measured(options: argparse.Namespace) -> Iterator[Rate]:
    """The rates that are asked for, one after the other."""
    if IMAGES in options.steps:
        with tempfile.TemporaryDirectory() as folder:
            yield from image_rates(options.photographs.resolve(), Path(folder))
    for step in (each for each in TABLES if each in options.steps):
        for items in options.items:
            with tempfile.TemporaryDirectory() as folder:
                yield TABLES[step](items, Path(folder) / step)


if __name__ == "__main__":
    with told_in_one_line():
        main()
