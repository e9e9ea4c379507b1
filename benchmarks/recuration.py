"""What curating again costs once a pool has grown, next to curating it from nothing.

    python -m benchmarks.recuration POOL [--curated FOLDER] [--grown 0.05] [--copy-weights FILE] [--json]

The files of POOL but for the last share of them, in an order that their names do not decide, are curated; then the rest
is put beside them and all is curated again, in the same store and in an empty one. The two must be equal byte for byte.
"""

import argparse
import hashlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from dinov2.config import read_yaml
from dinov2.data.entries import is_candidate
from dinov2.errors import DataError, told_in_one_line
from dinov2.stages import deduplicate, embed, files, ingest, pack, retrieve
from dinov2.stages.context import Context, open_workspace

STAGES = {"ingest": ingest, "embed": embed, "deduplicate": deduplicate, "retrieve": retrieve, "pack": pack}
PARAMS = Path(__file__).parents[1] / "params.yaml"


def curate(context: Context) -> dict[str, float]:
    """Seconds of each stage."""
    spent = {}
    for name, stage in STAGES.items():
        started = time.perf_counter()
        stage.run(context)
        spent[name] = time.perf_counter() - started
    return spent


def prepare(root: Path, options: argparse.Namespace) -> list[Path]:
    """A workspace without images; the files of the pool in the order that they are to come in."""
    content = read_yaml(PARAMS)
    sources = [{"name": "pool", "uri": "pool", "role": "pool"}]
    if options.curated:
        sources.append({"name": "curated", "uri": str(options.curated.resolve()), "role": "curated"})
    content["ingest"] = {"sources": sources}
    if options.copy_weights:
        content["embed"]["copy"] = {"kind": "trained", "weights": str(options.copy_weights.resolve())}
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    (root / "dvc.yaml").touch()
    (root / "pool").mkdir()
    found = [path for path in options.pool.rglob("*") if path.is_file() and is_candidate(path.name)]
    return sorted(found, key=lambda path: hashlib.sha256(path.name.encode()).hexdigest())


def bring(root: Path, images: list[Path]) -> None:
    """Put these files into the pool."""
    for path in images:
        shutil.copy(path, root / "pool")


def measure(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds by stage: the first time, grown, and all of it anew."""
    images = prepare(root, options)
    first = round(len(images) * (1 - options.grown))
    os.chdir(root)
    os.environ |= {"DINOV2_STORE": "store", "DINOV2_SCRATCH": "scratch"}
    bring(root, images[:first])
    figures: dict[str, Any] = {"images": len(images), "new": len(images) - first, "first": curate(open_workspace())}
    bring(root, images[first:])
    figures["grown"] = curate(open_workspace())
    grown = (root / files.CURATED).read_bytes()
    os.environ["DINOV2_STORE"] = "empty"
    figures["anew"] = curate(open_workspace())
    if grown != (root / files.CURATED).read_bytes():
        raise DataError(f"{files.CURATED}: the grown pool's is not that of the same pool curated anew")
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path, metavar="POOL", help="a folder of images")
    parser.add_argument("--curated", type=Path, metavar="FOLDER", help="images that retrieve from the pool")
    parser.add_argument("--grown", type=float, default=0.05, help="share of the pool that comes later")
    parser.add_argument("--copy-weights", type=Path, metavar="FILE", help="a `trained` descriptor; default: hash")
    parser.add_argument("--json", action="store_true", help="the figures again, as the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options)
    print(f"{figures['images']} images, {figures['new']} of them new; seconds")
    print(f"{'stage':<12}{'first':>9}{'grown':>9}{'anew':>9}{'grown / anew':>14}")
    for name in (*STAGES, "all"):
        row = [
            sum(figures[run].values()) if name == "all" else figures[run][name] for run in ("first", "grown", "anew")
        ]
        print(f"{name:<12}{row[0]:>9.2f}{row[1]:>9.2f}{row[2]:>9.2f}{row[1] / row[2]:>14.2f}")
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    with told_in_one_line():
        main()
