"""`dinov2 evaluate --model X --dataset DIR`, on small folders of real files."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from dinov2 import cli
from dinov2.errors import ConfigError, DataError
from dinov2.models import create_model, save_backbone
from dinov2.stages.one_off import evaluate
from dinov2.stages.told import Asked

SHORT = {
    "resolution": 32,
    "linear": {"iterations": 20, "batch": 16},
    "logistic": {"values": 2},
    "fewshot": {"shots": [1], "draws": 1},
    "segmentation": {"resolution": 32, "iterations": 20, "batch": 2, "rates": [0.01]},
}
MODEL = "random:vit_tiny_patch16"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """No workspace, one thread."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOV2_DEVICE", "cpu")
    monkeypatch.setenv("DINOV2_THREADS", "1")
    monkeypatch.delenv("DINOV2_STORE", raising=False)
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(SHORT))


@pytest.fixture
def photos(tmp_path):
    """Folders of two classes, 20 images each, and a set of masks."""
    for name in ("one", "two"):
        for number in range(40):
            noise = np.random.default_rng(number).integers(0, 100, (40, 48, 3))
            path = tmp_path / name / ("dark", "light")[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), (noise + 100 * (number % 2)).astype(np.uint8))
    for number in range(12):
        for kind, image in (
            ("images", np.full((32, 48, 3), 20 * number, np.uint8)),
            ("masks", np.eye(32, 48, dtype=np.uint8)),
        ):
            path = tmp_path / "scenes" / kind / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image)
    (tmp_path / "scenes" / "classes.txt").write_text("0: ground\n1: line\n")
    return tmp_path


def run(*options: str):
    return CliRunner().invoke(cli.app, ["evaluate", *options])


def test_a_table_of_model_and_controls_is_printed_and_features_stay_beside(photos):
    found = run("--model", MODEL, "--dataset", "one", "--protocol", "knn,linear", "--config", "short.yaml")
    assert found.exit_code == 0, found.output
    header, *lines = found.stdout.splitlines()
    assert header.split() == [
        "dataset", "protocol", "metric", "value", "random", "pixels", "published", "verdict", "images"
    ]  # fmt: skip
    assert [line.split()[:3] for line in lines[:4]] == [
        ["one", protocol, metric] for protocol in ("knn", "linear") for metric in ("accuracy", "class_accuracy")
    ]
    assert lines[5].startswith("one: 2 classes; ")
    assert lines[6].startswith("one, model: features ")
    assert lines[-1] == ""
    assert list((photos / ".store" / "features").glob("*.safetensors"))


@pytest.mark.usefixtures("photos")
def test_json_is_all_that_stands_on_standard_output():
    found = run(
        "--model",
        MODEL,
        "--dataset",
        "one",
        "--dataset",
        "two",
        "--protocol",
        "knn",
        "--config",
        "short.yaml",
        "--json",
    )
    assert found.exit_code == 0, found.output
    (line,) = found.stdout.splitlines()
    told = json.loads(line)
    assert told["model"] == MODEL
    assert {row["dataset"] for row in told["rows"]} == {"one", "two", "mean"}
    by_set = {row["dataset"]: row["value"] for row in told["rows"] if row["metric"] == "accuracy"}
    assert by_set["mean"] == pytest.approx((by_set["one"] + by_set["two"]) / 2)
    assert set(told["seconds"]["one"]) == {"model", "random", "pixels"}
    assert told["config"]["linear"]["iterations"] == 20


def test_a_file_is_evaluated_and_sets_of_several_kinds_each_by_what_fits(photos, capsys):
    torch.manual_seed(0)
    save_backbone(photos / "own.safetensors", create_model("vit_tiny", img_size=32, patch_size=8, depth=2))
    evaluate(Asked("own.safetensors", ["one", "scenes"], ["knn,segmentation"], None, "short.yaml"), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert {(row["dataset"], row["protocol"]) for row in told["rows"]} == {("one", "knn"), ("scenes", "segmentation")}


def test_a_workspace_keeps_features_in_its_own_store(photos, monkeypatch, capsys):
    (photos / "params.yaml").write_text("seed: 0\n")
    evaluate(Asked(MODEL, ["one"], ["knn"], None, "short.yaml"))
    assert list((photos / "var/store/features").glob("*.safetensors"))
    monkeypatch.setenv("DINOV2_STORE", "elsewhere")
    evaluate(Asked(MODEL, ["one"], ["knn"], None, "short.yaml"))
    assert list((photos / "elsewhere/features").glob("*.safetensors"))
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"protocols": ["depth"]}, ConfigError, "--protocol 'depth': fits none of one .*; allowed: knn"),
        ({"model": "random:vit_enormous"}, ConfigError, "model random:vit_enormous; allowed: one of"),
        ({"model": "gone.pth"}, DataError, "gone.pth: no such"),
        ({"datasets": ["gone"]}, DataError, "gone: no such folder"),
        ({"datasets": ["one", "./one"]}, ConfigError, "--dataset: 2 folders are called 'one'; each needs its own name"),
        ({"datasets": ["one", "mean"]}, ConfigError, "--dataset: a folder is called 'mean', as the mean over sets is"),
        ({"against": MODEL}, ConfigError, "--against random:vit_tiny_patch16: is --model itself"),
        ({"layout": "heap"}, DataError, "layout 'heap'; allowed: cityscapes"),
        ({"config": "gone.yaml"}, ConfigError, "gone.yaml: no such file"),
        ({"model": MODEL, "config": "wrong.yaml"}, ConfigError, "wrong.yaml: linear.iteration: no such parameter"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_is_allowed(photos, options, error, message):
    (photos / "wrong.yaml").write_text("linear: {iteration: 3}\n")
    (photos / "two").rename(photos / "mean")
    given = {"model": MODEL, "datasets": ["one"], "config": "short.yaml"} | options
    with pytest.raises(error, match=message):
        evaluate(Asked(**given))
    assert not (photos / ".store").exists()


@pytest.mark.usefixtures("photos")
def test_each_set_needs_a_protocol_that_fits():
    with pytest.raises(ConfigError, match="--protocol knn: none fits scenes; allowed there: segmentation"):
        evaluate(Asked(MODEL, ["one", "scenes"], ["knn"], None, "short.yaml"))


@pytest.mark.parametrize("options", [(), ("S", "--json"), ("--model", MODEL), ("--dataset", "one")])
def test_either_a_model_of_the_workspace_or_a_model_and_a_dataset(options):
    found = run(*options)
    assert isinstance(found.exception, ConfigError)
    assert "give one MODEL of the workspace, or --model and --dataset" in str(found.exception)


def test_a_model_of_the_workspace_is_evaluated_by_the_stage(monkeypatch):
    ran = []
    monkeypatch.setattr(
        cli, "import_module", lambda name: SimpleNamespace(run=lambda _, item: ran.append((name, item)))
    )
    monkeypatch.setattr("dinov2.stages.context.open_workspace", lambda: None)
    assert run("S").exit_code == 0
    assert ran == [("dinov2.stages.evaluate", "S")]


@pytest.mark.usefixtures("photos")
def test_of_several_sets_the_mean_is_compared_too(capsys):
    evaluate(Asked("pixels:8", ["one", "two"], ["knn"], None, "short.yaml", against=MODEL), as_json=True)
    rows = json.loads(capsys.readouterr().out)["against"]["rows"]
    by_set = {row["dataset"]: row["difference"]["value"] for row in rows if row["metric"] == "accuracy"}
    assert by_set["mean"] == pytest.approx((by_set["one"] + by_set["two"]) / 2)


def test_another_model_stands_beside_on_the_same_images_and_in_the_same_pictures(photos, capsys):
    asked = Asked(
        "pixels:8", ["one", "scenes"], ["knn,segmentation"], None, "short.yaml", against=MODEL, report="out/page.html"
    )
    evaluate(asked, as_json=True)
    told = json.loads(capsys.readouterr().out)
    values = {(row["dataset"], row["metric"]): row["value"] for row in told["rows"]}
    assert told["against"]["model"] == MODEL
    for row in told["against"]["rows"]:
        assert row["ours"] == values[row["dataset"], row["metric"]]
        assert row["difference"]["value"] == pytest.approx(row["ours"] - row["theirs"])
        assert row["difference"]["verdict"] == "cannot tell"  # of so few images
    page = (photos / "out" / "page.html").read_text()
    assert page.count("data:image") > 2
    assert f"Segmentation, linear, {MODEL}" in page
    assert page.count("difference") >= 2
    evaluate(asked)
    lines = capsys.readouterr().out.splitlines()
    assert f"pixels:8  {MODEL}  difference" in next(line for line in lines if "difference" in line)
