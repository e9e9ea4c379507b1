"""`dinov2 evaluate --model X --dataset DIR` where a set, a model or an option is not as it should be."""

import json
import sys

import cv2
import numpy as np
import pytest
import yaml

from dinov2 import cli
from dinov2.errors import EXIT_USER_ERROR
from tests.evaluation.sets.making import clip, image, mask, text

MODEL = "random:vit_tiny_patch16"
DENSE = {"resolution": 32, "iterations": 4, "batch": 2, "rates": [0.01]}
SHORT = {
    "resolution": 32,
    "segmentation": DENSE,
    "depth": {**DENSE, "bins": 16},
    "video": {"iterations": 10, "batch": 4},
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """No workspace, one thread."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOV2_DEVICE", "cpu")
    monkeypatch.setenv("DINOV2_THREADS", "1")
    monkeypatch.delenv("DINOV2_STORE", raising=False)
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(SHORT))


@pytest.fixture
def run(monkeypatch, capsys):
    """The command as a shell runs it: its exit code, standard output and the last line of standard error."""

    def command(dataset, *options, model=MODEL):
        asked = ("evaluate", "--model", model, "--dataset", dataset, "--config", "short.yaml", *options)
        monkeypatch.setattr(sys, "argv", ["dinov2", *asked])
        with pytest.raises(SystemExit) as left:
            cli.main()
        told = capsys.readouterr()
        return left.value.code or 0, told.out, (told.err.splitlines() or [""])[-1]

    return command


def classes(root):
    for number in range(12):
        image(root / ("dark", "light")[number % 2] / f"{number}.png", 40, 48, seed=number)


def scenes(root):
    for number in range(10):
        image(root / "images" / f"{number:03}.png", 32, 48, seed=number)
        mask(root / "masks" / f"{number:03}.png", np.eye(32, 48, dtype=np.uint8))
    text(root / "classes.txt", "0: ground", "1: line")


def rooms(root, millimetres=1500):
    for number in range(20):
        image(root / "rgb" / f"{number:03}.png", 32, 48, seed=number)
        mask(root / "depth" / f"{number:03}.png", np.full((32, 48), millimetres, np.uint16))


def places(root):
    for number in range(4):
        image(root / "query" / f"{number}.png", seed=number)
        image(root / "ref" / f"{number}.png", seed=number)


def clips(root):
    for number in range(12):
        clip(root / ("dark", "light")[number % 2] / f"{number}.avi", 10)


def wrong_label(root):
    classes(root)
    text(root / "labels.csv", "file,label", "dark/0.png,light")


def absent_image(root):
    classes(root)
    (root / "dark" / "2.png").unlink()
    (root / "dark" / "2.png").symlink_to("gone.png")


def damaged_image(root):
    classes(root)
    whole = (root / "dark" / "2.png").read_bytes()
    (root / "dark" / "2.png").write_bytes(whole[: len(whole) // 2])


def bomb(root):
    classes(root)
    huge = np.zeros((1, 1, 3), np.uint8)
    data = bytearray(cv2.imencode(".bmp", huge)[1].tobytes())
    data[18:26] = np.array([60_000, 60_000], np.int32).tobytes()
    (root / "dark" / "2.bmp").write_bytes(data)


def small_mask(root):
    scenes(root)
    mask(root / "masks" / "009.png", np.eye(30, 48, dtype=np.uint8))


def void_masks(root):
    scenes(root)
    for number in range(10):
        mask(root / "masks" / f"{number:03}.png", np.full((32, 48), 255, np.uint8))


def turned_map(root):
    rooms(root)
    mask(root / "depth" / "018.png", np.full((48, 32), 1500, np.uint16))


def empty_tests(root):
    rooms(root)
    for number in range(16, 20):
        mask(root / "depth" / f"{number:03}.png", np.zeros((32, 48), np.uint16))


def no_queries(root):
    places(root)
    text(root / "ground_truth.csv", "query,positives")


def no_copies(root):
    places(root)
    text(root / "ground_truth.csv", "query,db_image,edit", "query/0.png,,")


def broken_clips(root):
    clips(root)
    for path in root.glob("*/*.avi"):
        path.write_bytes(b"no video")


@pytest.mark.parametrize(
    ("make", "protocol", "message"),
    [
        (wrong_label, "knn", "labels.csv, line 2: dark/0.png is labelled 'light' and lies in the folder of 'dark'"),
        (absent_image, "knn", "dark/2.png: a link to gone.png, which is not there"),
        (damaged_image, "knn", "dark/2.png: cannot decode an image of "),
        (bomb, "knn", "could be decompression bomb"),
        (small_mask, "segmentation", "masks/009.png: 48×30 pixels; its image "),
        (void_masks, "segmentation", "set: segmentation: no pixel drawn from 8 training images has a class"),
        (lambda root: rooms(root, 0), "depth", "set: depth: no map of 15 training images has a reading"),
        (empty_tests, "depth", "set: depth: no image has a pixel with a truth to judge by"),
        (turned_map, "depth", "depth/018.png: 32×48 pixels; its image "),
        (no_queries, "retrieval", "ground_truth.csv: no query in it"),
        (no_copies, "copies", "ground_truth.csv: none of the 1 queries has anything to be found"),
        (broken_clips, "video", "set: none of 10 clips can be decoded, such as "),
    ],
)
def test_what_is_wrong_with_a_set_is_one_line_that_names_it(tmp_path, run, make, protocol, message):
    make(tmp_path / "set")
    code, out, line = run("set", "--protocol", protocol, "--json")
    assert (code, out) == (EXIT_USER_ERROR, "")
    assert line.startswith("error: ")
    assert message in line


def test_what_may_be_missing_is_left_out_and_counted(tmp_path, run):
    rooms(tmp_path / "rooms")
    mask(tmp_path / "rooms" / "depth" / "018.png", np.zeros((32, 48), np.uint16))
    clips(tmp_path / "clips")
    (tmp_path / "clips" / "dark" / "0.avi").write_bytes(b"no video")
    places(tmp_path / "places")
    text(tmp_path / "places" / "ground_truth.csv", "query,positives", "query/0.png,ref/0.png", "query/1.png,")
    more = ("--dataset", "clips", "--dataset", "places")
    code, out, _ = run("rooms", *more, "--protocol", "depth,video,retrieval", "--json")
    assert code == 0
    rows = {row["dataset"]: row for row in reversed(json.loads(out)["rows"])}
    assert (rows["rooms"]["count"], rows["rooms"]["details"]["without_truth"]) == (3, 1)
    assert rows["clips"]["details"]["undecodable_train"] + rows["clips"]["details"]["undecodable_test"] == 1
    assert (rows["places"]["count"], rows["places"]["details"]["left_out_all"]) == (1, 1)


def test_a_class_without_training_images_counts_as_errors_and_is_told(tmp_path, run):
    for name, images in {"train/a": 4, "train/b": 4, "val/a": 3, "val/c": 2}.items():
        for number in range(images):
            image(tmp_path / "set" / name / f"{number}.png", 40, 48, seed=number)
    code, out, _ = run("set", "--protocol", "knn", "--json")
    told = json.loads(out)
    assert code == 0
    assert "2 test images, of 1 classes without training images, count as errors" in told["sets"]["set"]
    assert told["rows"][0]["value"] <= 3 / 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--report", "set"), "--report 'set'; allowed: a file that ends in .html"),
        (("--report", "short.yaml/page.html"), "--report short.yaml/page.html: short.yaml: File exists"),
        (("--config", "set"), "set: Is a directory"),
        (("--model", "set"), "model 'set'; allowed: a .safetensors or .pth file, random:NAME"),
        (("--dataset", "short.yaml"), "short.yaml: no such folder"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_anything_is_computed(tmp_path, run, options, message):
    classes(tmp_path / "set")
    code, out, line = run("set", "--protocol", "knn", *options)
    assert (code, out) == (EXIT_USER_ERROR, "")
    assert message in line
    assert not (tmp_path / ".store").exists()


def test_a_store_that_cannot_be_written_is_named(tmp_path, run, monkeypatch):
    classes(tmp_path / "set")
    monkeypatch.setenv("DINOV2_STORE", "short.yaml")
    code, out, line = run("set", "--protocol", "knn")
    assert (code, out) == (EXIT_USER_ERROR, "")
    assert "short.yaml/features" in line


def test_the_folder_one_is_in_has_a_name_too(tmp_path, run, monkeypatch):
    classes(tmp_path / "pets")
    monkeypatch.chdir(tmp_path / "pets")
    (tmp_path / "pets" / "short.yaml").write_text(yaml.safe_dump(SHORT))
    code, out, _ = run(".", "--protocol", "knn", "--json")
    assert code == 0
    assert {row["dataset"] for row in json.loads(out)["rows"]} == {"pets"}
