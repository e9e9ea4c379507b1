"""A picture of a diff: where the embeddings of the images lie, and which sources they come from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dinov2.curation.diff.changes import Count
from dinov2.curation.diff.drift import Drift
from dinov2.storage import atomic_path

BINS = 48
SOURCES = 12
"""Sources that have bars: those with most images."""
ADDED, REMOVED, KEPT = "#d55e00", "#0072b2", "#bbbbbb"
"""Told apart by colour-blind people as well (Okabe and Ito 2008)."""
WHOLE = (0.2, 99.8)
"""Percentiles of the images that the panels show."""


def draw(path: Path, counts: Sequence[Count], drift: Drift | None) -> None:
    """Write a PNG: densities of both manifests, what is between them, and bars of the sources.

    Args:
        path: the file.
        counts: groups of images; those by source are drawn.
        drift: None leaves the densities out.
    """
    sources = sorted((each for each in counts if each["by"] == "source"), key=lambda each: -each["old"] - each["new"])
    height = 1.2 + 0.32 * min(len(sources), SOURCES)
    figure = Figure((12, height + (4 if drift else 0)), layout="constrained", dpi=110)
    if drift:
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(4, height)).flat
        _densities(above.subplots(1, 3, sharex=True, sharey=True), drift)
    else:
        below = figure.subfigures()
    _bars(below.subplots(), sources[:SOURCES])
    with atomic_path(path) as draft:
        figure.savefig(draft, format="png", metadata={"Software": None})


def _densities(panels: Sequence[Axes], drift: Drift) -> None:
    """Shares of the images in each cell of the plane of most variance: of the old, of the new, new less old."""
    both = np.concatenate([drift.old, drift.new])
    (left, bottom), (right, top) = np.percentile(both, WHOLE, axis=0)
    extent = (left, max(right, left + 1e-6), bottom, max(top, bottom + 1e-6))
    old, new = (_density(points, extent) for points in (drift.old, drift.new))
    most = max(old.max(), new.max(), 1e-9)
    apart = max(float(np.abs(new - old).max()), 1e-9)
    shown = ((old, "old", "Greys", (0, most)), (new, "new", "Greys", (0, most)))
    for panel, (cells, title, colours, (low, high)) in zip(
        panels, (*shown, (new - old, "new less old", "RdBu_r", (-apart, apart))), strict=True
    ):
        panel.imshow(cells.T, origin="lower", extent=extent, cmap=colours, vmin=low, vmax=high, aspect="auto")
        panel.set_title(title)
        panel.set_xticks([])
        panel.set_yticks([])
    for points, colour, name in (
        (drift.new[drift.added], ADDED, "added"),
        (drift.old[drift.removed], REMOVED, "removed"),
    ):
        panels[2].plot(*points[:1000].T, ".", color=colour, markersize=2, label=f"{name}, up to 1000")
    panels[2].set_xlim(*extent[:2])
    panels[2].set_ylim(*extent[2:])
    panels[2].legend(loc="upper right", fontsize=8, markerscale=4)


def _density(points: np.ndarray, extent: tuple[float, float, float, float]) -> np.ndarray:
    cells, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=BINS, range=(extent[:2], extent[2:]))
    return cells / max(len(points), 1)


def _bars(panel: Axes, sources: Sequence[Count]) -> None:
    """For each source images kept and added to the right, removed to the left."""
    names = [each["name"] for each in reversed(sources)]
    kept = np.array([each["kept"] + each["changed"] for each in reversed(sources)])
    added, removed = (np.array([each[change] for each in reversed(sources)]) for change in ("added", "removed"))
    places = range(len(names))
    panel.barh(places, kept, color=KEPT, label="kept")
    panel.barh(places, added, left=kept, color=ADDED, label="added")
    panel.barh(places, -removed, color=REMOVED, label="removed")
    panel.set_yticks(places, names)
    panel.axvline(0, color="black", linewidth=0.8)
    panel.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    panel.set_xlabel("images")
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.legend(loc="lower right", fontsize=8)
