"""How many GPUs a stage holds, by its settings, on this machine and on a cluster."""

from pathlib import Path

import pytest
import torch
import yaml

from dinov2.runs.gpus import gpus_of
from dinov2.settings import Settings
from dinov2.stages import STAGES


@pytest.fixture
def eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)


def held(settings: Settings, root: Path) -> dict[str, int]:
    return {stage: count for stage in STAGES if (count := gpus_of(stage, settings, root))}


@pytest.mark.usefixtures("eight_gpus")
def test_on_this_machine_processes_have_a_gpu_each_as_far_as_there_are(tmp_path: Path) -> None:
    one = dict.fromkeys(["embed", "deduplicate", "retrieve", "pretrain", "highres", "distill", "evaluate"], 1)
    assert held(Settings(), tmp_path) == one
    apart, together = ("embed", "deduplicate", "evaluate"), ("retrieve", "pretrain", "highres", "distill")
    several = dict.fromkeys(apart, 3) | dict.fromkeys(together, 4)
    assert held(Settings(processes=4, jobs=3), tmp_path) == several
    assert gpus_of("distill@S", Settings(processes=16), tmp_path) == 8


def test_without_gpus_none_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert held(Settings(processes=4, jobs=3), tmp_path) == {}


@pytest.mark.usefixtures("eight_gpus")
def test_who_is_told_to_use_the_cpu_holds_none(tmp_path: Path) -> None:
    assert held(Settings(device="cpu"), tmp_path) == {}


def test_on_a_cluster_the_file_of_jobs_says_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    stages = {
        "pretrain": {"nodes": 4, "gpus": 8},
        "distill": {"gpus": 2, "processes": 1},
        "embed": {"gpus": 1, "indexes": 100, "parallelism": 16},
        "deduplicate": {"gpus": 1, "indexes": 5},
        "retrieve": {"gpus": 8, "indexes": 4},
        "pack": {"indexes": 3},
    }
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "jobs.yaml").write_text(yaml.safe_dump({"image": "image:1", "stages": stages}))
    expected = {"pretrain": 32, "distill": 2, "embed": 16, "deduplicate": 5, "retrieve": 8}
    assert held(Settings(launcher="kubernetes"), tmp_path) == expected
