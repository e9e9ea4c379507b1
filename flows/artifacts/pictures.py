"""Pictures as artifacts: within the page itself, as data, so that they show whatever else is served and to whom."""

import base64
import csv
import io
from math import isfinite
from pathlib import Path

from PIL import Image
from prefect.client.schemas.actions import ArtifactCreate

from dinov2.stages import files
from flows.artifacts.markdown import text
from flows.artifacts.post import key, markdown

WIDTH, QUALITY = 1200, 80
CURVED = ("pretrain", "highres", "distill")


def pictures(root: Path, stage: str) -> list[ArtifactCreate]:
    """The pictures of a stage.

    Args:
        root: the workspace.
        stage: as `dvc repro` takes it.
    """
    name, _, item = stage.partition("@")
    found = []
    if name == "evaluate" and (path := root / files.picture(item)).is_file():
        what = "Photographs, and below them patch features of the model and of random weights in colour"
        found.append(picture(key(stage, "pca"), reduced(path), "image/jpeg", f"{what} (PCA)"))
    if name in CURVED and (path := root / files.curve(item or name)).is_file():
        found.append(picture(key(stage, "loss"), loss_curve(path), "image/png", "The loss over the iterations"))
    return found


def picture(key: str, content: bytes, kind: str, description: str) -> ArtifactCreate:
    """A page with a picture.

    Args:
        key: of the artifact.
        content: a file, best of not much more than 100 kB.
        kind: its media type.
        description: what it shows.
    """
    data = base64.b64encode(content).decode()
    return markdown(key, f"![{text(description)}](data:{kind};base64,{data})", description)


def reduced(path: Path) -> bytes:
    """A picture as a JPEG, 1200 pixels wide at most."""
    with Image.open(path) as image:
        smaller = image.convert("RGB")
        smaller.thumbnail((WIDTH, WIDTH * image.height // image.width + 1))
    content = io.BytesIO()
    smaller.save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()


def loss_curve(path: Path) -> bytes:
    """The column `loss` over `iteration` of a CSV file, as a PNG."""
    from matplotlib.figure import Figure  # the better part of a second, in every run that draws nothing

    with path.open(newline="", encoding="utf-8") as file:
        points = [(float(row["iteration"]), float(row["loss"])) for row in csv.DictReader(file) if row["loss"]]
    figure = Figure((8, 3.6), layout="constrained", dpi=100)
    axes = figure.subplots()
    axes.plot(*zip(*[point for point in points if isfinite(point[1])] or [(0.0, 0.0)], strict=True), linewidth=1.2)
    axes.set(xlabel="iteration", ylabel="loss", title=path.stem)
    axes.grid(alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
