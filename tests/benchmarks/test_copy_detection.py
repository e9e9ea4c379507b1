"""The benchmark of copy detection against scikit-learn, by hand, and on sets made here."""

import csv
import json
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmarks.copy_detection import main, measure
from benchmarks.copy_files import COLUMNS, open_set
from benchmarks.copy_scores import copy_scores
from dinov2.curation.descriptors.pdq import PdqDescriptor
from dinov2.errors import ConfigError, DataError


def _reference(scores: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    truth = np.zeros(scores.shape, bool)
    truth[tuple(np.array(pairs).T)] = True
    return average_precision_score(truth.ravel(), scores.ravel())


@pytest.mark.parametrize("digits", [8, 1])
def test_micro_ap_is_scikit_learns_over_all_pairs_with_ties_too(digits: int) -> None:
    random = np.random.default_rng(0)
    # A database of unit axes makes the vectors of the queries their scores.
    scores = random.random((600, 20)).round(digits).astype(np.float32)
    pairs = [(query, int(random.integers(20))) for query in range(0, 600, 3)] + [(0, 1), (0, 2)]
    for query, image in pairs:
        scores[query, image] += 0.3
    found = copy_scores(scores, np.eye(20, dtype=np.float32), sorted(set(pairs)), ["crop"] * 600, 0.9)
    assert found["micro_ap"] == pytest.approx(_reference(scores, sorted(set(pairs))), abs=1e-9)


def test_scores_by_hand() -> None:
    # Of four queries the third is a copy of nothing; the second finds its image, but not before another.
    scores = np.array([[0.9, 0.1], [0.8, 0.7], [0.2, 0.75], [0.3, 0.6]], np.float32)
    edits = ["text", "crop", "none", "crop"]
    found = copy_scores(scores, np.eye(2, dtype=np.float32), [(0, 0), (1, 1), (3, 1)], edits, 0.65)
    assert found["micro_ap"] == pytest.approx((1 + 2 / 4 + 3 / 5) / 3)
    assert found["recall_at_1"] == pytest.approx(2 / 3)
    assert found["threshold_at_p90"] == pytest.approx(0.9)
    assert (found["precision"], found["recall"], found["false_positives"]) == (2 / 4, 2 / 3, 1.0)
    assert found["edits"] == {
        "crop": {"queries": 2, "recall_at_1": 0.5, "recall": 0.5, "recall_at_p90": 0.0},
        "text": {"queries": 1, "recall_at_1": 1.0, "recall": 1.0, "recall_at_p90": 1.0},
    }


def _picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(256, size=(9, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def copy_set(tmp_path: Path) -> Path:
    """Four images, a small copy of each of the first two, and a stranger."""
    place = tmp_path / "set"
    for folder in ("db", "query"):
        (place / folder).mkdir(parents=True)
    for seed in range(4):
        cv2.imwrite(str(place / f"db/{seed}.png"), _picture(seed))
    for seed in (0, 1, 9):
        cv2.imwrite(
            str(place / f"query/{seed}.png"), cv2.resize(_picture(seed), (80, 60), interpolation=cv2.INTER_AREA)
        )
    rows = [("query/0.png", "db/0.png", "small"), ("query/1.png", "db/1.png", "small"), ("query/9.png", "", "none")]
    _write(place, [COLUMNS, *rows])
    return place


def _write(place: Path, rows: list[tuple[str, ...]]) -> None:
    with (place / "ground_truth.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_a_folder_and_a_wrapped_archive_of_it_give_the_same_scores(copy_set: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(copy_set, "wrapping/set")
    found = [measure(open_set(place), PdqDescriptor(), 1) for place in (copy_set, tmp_path / "set.tar")]
    for each in found:
        del each["cpu_ms_per_image"]
    assert found[0] == found[1]
    assert (found[0]["micro_ap"], found[0]["recall"], found[0]["false_positives"]) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("query", "image", "edit")], "no column 'db_image'"),
        ([COLUMNS, ("query/7.png", "", "none")], "line 2: query 'query/7.png': no such file"),
        ([COLUMNS, ("query/0.png", "db/7.png", "x")], "line 2: db_image 'db/7.png': no such image"),
        ([COLUMNS, ("query/0.png", "", "none")], "nothing to find"),
    ],
)
def test_a_wrong_ground_truth_is_told(copy_set: Path, rows: list[tuple[str, ...]], fault: str) -> None:
    _write(copy_set, rows)
    with pytest.raises(DataError, match=fault):
        open_set(copy_set)


def test_a_place_without_the_layout_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.tar").write_bytes(b"no archive")
    for place, fault in (("", "no ground_truth.csv"), ("absent", "no such folder"), ("broken.tar", "not a whole tar")):
        with pytest.raises(DataError, match=fault):
            open_set(tmp_path / place)


def test_the_command_ends_with_one_line_of_json(
    copy_set: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["copy_detection", str(copy_set), "--descriptor", "pdq", "--json"])
    main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["micro_ap"] == 1.0


def test_a_descriptor_that_there_is_not_is_told(copy_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["copy_detection", str(copy_set), "--descriptor", "absent"])
    with pytest.raises(ConfigError, match="'absent': no such file; allowed: hash, pdq, gist, trained or a file"):
        main()
