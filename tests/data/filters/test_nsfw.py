from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from dinov2.errors import ConfigError
from tests.data.filters.conftest import encoded

SIZE = 8


class Brightness(torch.nn.Module):
    """(1, 3, S, S) in 0 … 1 to (1, 2): how dark and how bright it is."""

    def forward(self, x_bchw: torch.Tensor) -> torch.Tensor:
        bright = x_bchw.mean((1, 2, 3), keepdim=False)
        return torch.stack([1 - bright, bright], 1)


class Nothing(torch.nn.Module):
    """Gives a number that is none."""

    def forward(self, x_bchw: torch.Tensor) -> torch.Tensor:
        return x_bchw.mean((1, 2, 3)) * float("nan")


class Map(torch.nn.Module):
    """Gives no scores but an image."""

    def forward(self, x_bchw: torch.Tensor) -> torch.Tensor:
        return x_bchw[:, :1]


def write_onnx(path: Path) -> None:
    """`Brightness`, the second output alone, for images of `SIZE`."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, [1, 1])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
    channels = helper.make_tensor("channels", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["each"], keepdims=0),
        helper.make_node("ReduceMean", ["each", "channels"], ["score"], keepdims=1),
    ]
    graph = helper.make_graph(nodes, "brightness", [image], [score], [axes, channels])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    torch.jit.script(Brightness()).save(str(tmp_path / "bright.pt"))
    torch.jit.script(Map()).save(str(tmp_path / "map.pt"))
    torch.jit.script(Nothing()).save(str(tmp_path / "nothing.pt"))
    write_onnx(tmp_path / "bright.onnx")
    (tmp_path / "text.pt").write_text("no model")
    (tmp_path / "text.onnx").write_text("no model")
    return tmp_path


def bright(level: int) -> np.ndarray:
    return np.full((40, 60, 3), level, np.uint8)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(("model", "output"), [("bright.pt", 1), ("bright.onnx", 0)])
def test_images_that_score_above_the_threshold_go(model: str, output: int, take_in: Callable) -> None:
    files = {f"{level}.png": encoded(bright(level), "PNG") for level in (10, 127, 140, 250)}
    options = {"model": model, "size": SIZE, "output": output, "normalise": "unit", "threshold": 0.5}
    found = take_in(files, {"kind": "nsfw", **options})
    assert set(found.rows) == {"web/10.png", "web/127.png"}
    assert found.rejects["web/250.png"] == ("nsfw", "scored 0.980, allowed is 0.5")
    assert found.filters == {"nsfw": {"rejected": 2}}


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("normalise", "expected"),
    [("unit", 204 / 255), ("half", 2 * 204 / 255 - 1), ("imagenet", np.mean(
        (204 / 255 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]))],
)  # fmt: skip
@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax"])
def test_scores_are_those_of_the_mathematics(
    normalise: str, expected: float, activation: str, create: Callable
) -> None:
    options = {"output": 1, "normalise": normalise, "activation": activation}
    own = create(kind="nsfw", model="bright.pt", size=SIZE, threshold=-9, **options)
    outputs = np.array([1 - expected, expected])
    score = {
        "none": outputs[1],
        "sigmoid": 1 / (1 + np.exp(-outputs[1])),
        "softmax": np.exp(outputs[1]) / np.exp(outputs).sum(),
    }[activation]
    assert own.by_pixels(bright(204)) == f"scored {score:.3f}, allowed is -9"


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "gone.pt"}, r"'gone\.pt': no such file in"),
        ({"model": "text.pt"}, r"'text\.pt': neither TorchScript nor \(with suffix \.onnx\) ONNX: "),
        ({"model": "text.onnx"}, r"'text\.onnx': neither TorchScript nor \(with suffix \.onnx\) ONNX: "),
        ({"model": "map.pt"}, r"'map\.pt': gives an output of shape \(1, 1, 8, 8\) for one image; \(1, classes\)"),
        ({"model": "bright.pt", "output": 2}, r"'bright\.pt': gives .* \(1, 2\) .* more than output: 2 classes"),
        ({"model": "bright.onnx", "size": 9}, r"'bright\.onnx': does not take 1×3×9×9 float32: "),
    ],
)
def test_a_file_that_cannot_judge_is_named_before_any_image_is_read(options: dict, said: str, create: Callable) -> None:
    with pytest.raises(ConfigError, match=rf"^ingest\.filters\.0\.model: {said}") as caught:
        create(**{"kind": "nsfw", "threshold": 0.5, "size": SIZE, **options})
    assert "\n" not in str(caught.value)


def test_another_file_of_the_same_name_is_another_look(models: Path, take_in: Callable) -> None:
    files = {"a.png": encoded(bright(140), "PNG"), "b.png": encoded(bright(20), "PNG")}
    options = {"kind": "nsfw", "model": "own.pt", "size": SIZE, "normalise": "unit", "threshold": 0.5}
    (models / "own.pt").write_bytes((models / "bright.pt").read_bytes())
    assert set(take_in(files, options).rows) == {"web/a.png"}
    torch.jit.script(torch.nn.Sequential(Brightness(), torch.nn.Hardsigmoid())).save(str(models / "own.pt"))
    assert set(take_in(files, {**options, "threshold": 0.65}).rows) == {"web/a.png"}
    torch.jit.script(torch.nn.Sequential(Brightness(), torch.nn.Threshold(2.0, 0.0))).save(str(models / "own.pt"))
    assert set(take_in(files, options).rows) == {"web/a.png", "web/b.png"}


@pytest.mark.usefixtures("models")
def test_a_score_that_is_no_number_lets_nothing_pass(create: Callable) -> None:
    own = create(kind="nsfw", model="nothing.pt", size=SIZE, threshold=0.5)
    assert own.by_pixels(bright(0)) == "scored nan, allowed is 0.5"
