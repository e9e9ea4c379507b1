"""Where stages after embed work."""

from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from dinov2.curation.vectors import Held
from dinov2.curation.workplace import Described
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.stages.described import leave, workplace
from dinov2.stages.params import load_params

ROOT = Path(__file__).parents[2]


def test_sets_of_the_same_images_are_left_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    sets = [Described(Held(np.zeros((1, 2))), tmp_path / name / "images.parquet", name) for name in "aab"]
    leave(*sets)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("device", "seen", "gpus"), [("cuda", 0, False), ("cuda", 2, True), ("cpu", 2, False)])
def test_gpus_are_searched_on_where_torch_and_faiss_see_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    device: str,
    seen: int,
    gpus: bool,
) -> None:
    monkeypatch.setattr(Context, "device", torch.device(device))
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: seen, raising=False)
    context = Context(tmp_path, load_params(ROOT), Settings(store="store", threads=1))
    with workplace(context, 2.0) as place:
        assert place.gpus is gpus
    said = "this faiss sees no GPUs: neighbours are searched for on CPUs" in capsys.readouterr().err
    assert said == (device == "cuda" and not seen)
