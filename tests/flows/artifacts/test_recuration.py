"""The pages of a re-curation and of the janitor."""

import csv
import json
from pathlib import Path

from PIL import Image

from dinov2.janitor.leftover import Leftover
from dinov2.janitor.tidy import Tidied
from dinov2.storage import write_json
from flows.artifacts.recuration import COLUMNS, read_difference, recuration
from flows.janitor import page

ROWS = [
    ("all", "all", 100, 120, 30, 10, 0, 90),
    ("source", "web", 60, 80, 30, 10, 0, 50),
    ("why", "retrieved by sample", 60, 80, 30, 10, 0, 50),
]


def compared(folder: Path, drift: dict[str, float] | None) -> None:
    """What `dinov2 diff` writes."""
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("by", "name", *COLUMNS), *ROWS])
    summary = {"drift": drift} | ({} if drift else {"no_drift_because": "other descriptors, a and b"})
    write_json(folder / "summary.json", summary)
    Image.new("RGB", (2000, 500)).save(folder / "drift.png")


def test_changes_drift_and_picture_are_shown(tmp_path: Path) -> None:
    compared(tmp_path, {"frechet": 0.123456789, "mmd2_p": 0.001})
    text, changes, picture = recuration("new", tmp_path, read_difference("runs/old", tmp_path), [])
    assert "# new: the rules of data quality hold" in str(text.data)
    assert "`runs/old`" in str(text.data)
    assert "| web | 60 | 80 | 30 | 10 | 0 | 50 |" in str(text.data)
    assert "retrieved by sample" not in str(text.data), "only in the table beside it"
    assert "0.123457" in str(text.data)
    assert [row["name"] for row in json.loads(str(changes.data))] == ["all", "web", "retrieved by sample"]
    assert "data:image/jpeg;base64," in str(picture.data)


def test_broken_rules_come_first(tmp_path: Path) -> None:
    (text,) = recuration("new", tmp_path, None, ["rejects: source web: 3 of 4 files"])
    assert str(text.data).index("rejects: source web") < str(text.data).index("the first one")
    assert "rules of data quality that are broken: 1" in str(text.description)


def test_a_drift_that_was_not_measured_says_why(tmp_path: Path) -> None:
    compared(tmp_path, None)
    text, *_ = recuration("new", tmp_path, read_difference("runs/old", tmp_path), [])
    assert "not measured: other descriptors, a and b" in str(text.data)


def test_the_janitor_tells_what_it_removed_and_what_it_could_not(tmp_path: Path) -> None:
    gone, stuck = (Leftover("clone", f"var/runs/{n}", "untouched | for long", 2_500_000, lambda: None) for n in "ab")
    told = Tidied([gone, stuck], [gone], ["clone var/runs/b: not removed"], ["checkpoints: left alone"])
    write_json(tmp_path / "told.json", told.as_json())
    shown = str(page(tmp_path / "told.json").data)
    assert "1 of 2 leftovers removed, 2.5 MB of 5 MB" in shown
    assert "| clone | var/runs/a | 2.5 | untouched \\| for long | removed |" in shown
    assert "| clone | var/runs/b | 2.5 | untouched \\| for long | there |" in shown
    assert "checkpoints: left alone" in shown
