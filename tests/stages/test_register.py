"""A registered backbone: one version for its weights and figures, and the embeddings of the model itself."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.pyfunc.scoring_server import invocations

from dinov2.data.images import normalise
from dinov2.errors import ConfigError, DataError, UserError
from dinov2.launch.kubernetes.exchange import code_digest
from dinov2.models import create_model, load_backbone, save_backbone
from dinov2.registry.client import connect, tracking_uri
from dinov2.registry.fetch import fetch_weights
from dinov2.settings import Settings
from dinov2.stages import files, register
from dinov2.stages.context import Context
from dinov2.stages.params import load_params
from dinov2.storage import file_sha256, write_json, write_text

REPOSITORY = Path(__file__).resolve().parents[2]


def _score(accuracy: float) -> dict[str, float]:
    return {"accuracy": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.05}


def _metrics(accuracy: float) -> dict:
    scores = {"model": _score(accuracy), "random": _score(0.4), "pixels": _score(0.3)}
    sizes = {"classes": 4, "train": 40, "test": 20, "unseen_classes": 0, "unseen_images": 0, "chance": 0.25}
    return {"labelled_sets": 1, "skipped": {}, "datasets": {"flowers": {**sizes, "protocols": {"knn": scores}}}}


def _context(root: Path) -> Context:
    torch.manual_seed(0)
    save_backbone(root / "weights" / "S.safetensors", create_model("vit_tiny", patch_size=8, depth=1))
    write_json(root / "metrics" / "evaluate" / "S.json", _metrics(0.75))
    write_text(root / "reports" / "S.md", "| flowers | Nearest neighbours, k = 20 | accuracy | 75.0% (70.0–80.0) |\n\n")
    (root / "data").mkdir()
    (root / "data" / "manifest.parquet").write_bytes(b"a manifest")
    shutil.copy(REPOSITORY / "params.yaml", root)
    return Context(root, load_params(root), Settings())


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A workspace in which S is registered."""
    made = _context(tmp_path_factory.mktemp("workspace"))
    register.run(made, "S")
    return made


@pytest.fixture(scope="module")
def served(context: Context) -> mlflow.pyfunc.PyFuncModel:
    """The candidate, out of the registry."""
    mlflow.set_tracking_uri(tracking_uri(context.settings, context.root))
    mlflow.set_registry_uri(tracking_uri(context.settings, context.root))
    return mlflow.pyfunc.load_model("models:/dinov2-S@candidate")


def test_every_kind_of_input_gives_the_embedding_of_the_model_itself(
    context: Context, served: mlflow.pyfunc.PyFuncModel, tmp_path: Path
) -> None:
    resolution = context.params.evaluate.resolution
    side = round(resolution * 256 / 224)
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    start = (side - resolution) // 2
    centre = image[start : start + resolution, start : start + resolution]
    with torch.inference_mode():
        expected = load_backbone(context.root / "weights" / "S.safetensors")(normalise(centre[None])).numpy()
    data = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
    path = tmp_path / "ein schönes Bild.png"
    path.write_bytes(data)
    base64_text = base64.b64encode(data).decode()
    tables = [pd.DataFrame({"image": [cell]}) for cell in (image, image.tolist(), data, base64_text, str(path), path)]
    lists = [[data], [base64_text], [str(path)], pd.Series([image]), {"image": image[None]}, str(path), data]
    requests = [{"dataframe_split": {"columns": ["image"], "data": [[image.tolist()]]}}]
    requests += [{"inputs": [base64_text]}, {"instances": [str(path)]}, {"dataframe_records": [{"image": base64_text}]}]
    answers = [served.predict(each) for each in (*tables, *lists)]
    for found in answers + [_served_over_http(served, each) for each in requests]:
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)


def _served_over_http(model: mlflow.pyfunc.PyFuncModel, body: dict) -> np.ndarray:
    """What `mlflow models serve` answers: its own handling of a request, without a socket."""
    answer = invocations(json.dumps(body), "application/json", model, model.metadata.get_input_schema())
    assert answer.status == 200
    return np.array(json.loads(answer.response)["predictions"], np.float32)


@pytest.mark.slow
def test_a_server_of_the_version_answers_with_embeddings(
    context: Context, served: mlflow.pyfunc.PyFuncModel, tmp_path: Path
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    data = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
    (tmp_path / "image.png").write_bytes(data)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/dinov2-S@candidate"]
    where = {"MLFLOW_TRACKING_URI": tracking_uri(context.settings, context.root)}
    where["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it starts uvicorn by name
    server = subprocess.Popen(
        [*command, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, **where},
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/ping", server)
        for cell in (base64.b64encode(data).decode(), str(tmp_path / "image.png"), image.tolist()):
            body = json.dumps({"dataframe_split": {"columns": ["image"], "data": [[cell]]}}).encode()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                found = np.array(json.load(response)["predictions"], np.float32)
            np.testing.assert_allclose(found, served.predict(pd.Series([image])), atol=1e-5)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait two minutes for a server to answer."""
    for _ in range(600):
        assert server.poll() is None
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def test_several_paths_under_one_name_are_several_images(served: mlflow.pyfunc.PyFuncModel, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{value}.png") for value in (0, 200)]
    for path, value in zip(paths, (0, 200), strict=True):
        cv2.imwrite(path, np.full((40, 50, 3), value, np.uint8))
    np.testing.assert_array_equal(served.predict({"image": paths}), served.predict(paths))


def test_many_images_keep_their_order(served: mlflow.pyfunc.PyFuncModel) -> None:
    images = [np.full((40, 50, 3), value, np.uint8) for value in range(70)]
    together = served.predict(pd.DataFrame({"image": images}))
    assert together.shape == (70, 192)
    np.testing.assert_allclose(together[69:], served.predict(pd.DataFrame({"image": images[69:]})), atol=1e-5)


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        (b"no image", "cannot decode an image"),
        ("/nowhere/image.png", "neither base64 nor a file"),
        ("/nowhere/größe.png", "neither base64 nor a file"),
        ("/nowhere/\0.png", "neither base64 nor a file"),
        (np.zeros((4, 4), np.uint8), r"wanted \(H, W, 3\) uint8"),
        (np.zeros((4, 4, 3), np.float32), r"type float32: wanted \(H, W, 3\) uint8"),
        ([[[0, 0, 300]]], r"pixels from 0 to 300: wanted"),
        ([[[0, 0, 3]], [[1, 2]]], r"nested lists of unequal lengths"),
    ],
)
def test_what_is_no_image_is_refused(served: mlflow.pyfunc.PyFuncModel, cell: object, fault: str) -> None:
    with pytest.raises(Exception, match=fault):
        served.predict(pd.DataFrame({"image": [cell]}))


def test_no_image_is_refused(served: mlflow.pyfunc.PyFuncModel) -> None:
    with pytest.raises(DataError, match="no image was given"):
        served.predict(pd.DataFrame({"image": []}))


def test_figures_with_their_intervals_are_the_models_and_the_runs_and_of_the_manifest(context: Context) -> None:
    client = connect(context.settings, context.root)
    version = client.get_model_version_by_alias("dinov2-S", "candidate")
    expected = {"accuracy": 0.75, "low": 0.7, "high": 0.8, "random": 0.4, "pixels": 0.3}
    figures = {f"flowers.knn.{name}": value for name, value in expected.items()} | {"flowers.chance": 0.25}
    run = client.get_run(version.run_id)
    assert run.data.metrics == pytest.approx(figures)
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    assert {metric.key: metric.value for metric in model.metrics} == pytest.approx(figures)
    sha256 = file_sha256(context.root / "data" / "manifest.parquet")
    assert {(metric.dataset_name, metric.dataset_digest) for metric in model.metrics} == {(files.MANIFEST, sha256[:36])}
    (read,) = run.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest, read.dataset.source_type) == (files.MANIFEST, sha256[:36], "dvc")
    md5 = hashlib.md5(b"a manifest").hexdigest()
    assert json.loads(read.dataset.source) == {"path": files.MANIFEST, "sha256": sha256, "md5": md5}


def test_the_version_has_a_signature_and_an_example_that_it_answers(served: mlflow.pyfunc.PyFuncModel) -> None:
    signature = served.metadata.signature
    assert len(signature.inputs) == 1
    assert signature.outputs.inputs[0].shape == (-1, 192)
    assert served.predict(served.input_example).shape == (1, 192)


def test_the_version_says_where_it_comes_from_and_holds_no_pickle(context: Context) -> None:
    client = connect(context.settings, context.root)
    version = client.get_model_version_by_alias("dinov2-S", "candidate")
    assert version.tags["dinov2.weights_sha256"] == file_sha256(context.root / "weights" / "S.safetensors")
    assert version.tags["dinov2.manifest_sha256"] == file_sha256(context.root / "data" / "manifest.parquet")
    assert version.tags["dinov2.commit"].startswith("none: ")
    architecture = load_backbone(context.root / "weights" / "S.safetensors").architecture()
    assert json.loads(version.tags["dinov2.architecture"]) == architecture
    assert version.tags["dinov2.model"] == "S"
    assert version.tags["dinov2.code"] == code_digest()
    assert "flowers knn 75.0%" in version.description
    kept = [path for path in (context.root / "var" / "mlflow-artifacts").rglob("*") if path.is_file()]
    assert not [path for path in kept if path.suffix in (".pkl", ".pickle", ".pt", ".pth")]
    assert not [path for path in kept if path.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05")]  # how pickles begin
    card = next(path for path in kept if path.name == "card.md").read_text()
    assert "| flowers | Nearest neighbours, k = 20 | accuracy | 75.0% (70.0–80.0) |\n\n## Use" in card


def test_a_version_comes_back_as_the_file_it_was_made_from(context: Context, tmp_path: Path) -> None:
    for uri in ("models:/dinov2-S/1", "models:/dinov2-S@candidate"):
        assert fetch_weights(uri, tmp_path / "S.safetensors", context.settings, context.root) == "dinov2-S version 1"
        assert (tmp_path / "S.safetensors").read_bytes() == (context.root / "weights" / "S.safetensors").read_bytes()
    for uri in ("dinov2-S/1", "models:/dinov2-S", "models:/dinov2-S@", "models:/dinov2-S/2", "models:/other@candidate"):
        with pytest.raises(UserError, match=f"{uri}'?: "):
            fetch_weights(uri, tmp_path / "none.safetensors", context.settings, context.root)
    with pytest.raises(ConfigError, match=r"S\.pth: the file to write must end in \.safetensors"):
        fetch_weights("models:/dinov2-S/1", tmp_path / "S.pth", context.settings, context.root)
    assert [path.name for path in tmp_path.iterdir()] == ["S.safetensors"]


def test_the_same_again_is_the_same_version_and_receipt_and_other_figures_make_a_new_candidate(tmp_path: Path) -> None:
    context = _context(tmp_path)
    client = connect(context.settings, context.root)
    receipts = []
    for accuracy, versions in ((0.75, [1]), (0.75, [1]), (0.8, [1, 2]), (0.75, [1, 2])):
        write_json(tmp_path / "metrics" / "evaluate" / "S.json", _metrics(accuracy))
        register.run(context, "S")
        receipts.append((tmp_path / "registry" / "S.json").read_bytes())
        found = client.search_model_versions("name = 'dinov2-S'")
        assert sorted(int(each.version) for each in found) == versions
    assert receipts[0] == receipts[1] == receipts[3] != receipts[2]
    assert int(client.get_model_version_by_alias("dinov2-S", "candidate").version) == 1
    receipt = json.loads(receipts[0])
    assert receipt["metrics"] == _metrics(0.75)
    assert receipt["manifest_sha256"] == file_sha256(tmp_path / "data" / "manifest.parquet")
