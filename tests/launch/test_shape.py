"""Where and in how many processes a stage's jobs run."""

from pathlib import Path

import pytest

import dinov2.launch
from dinov2.launch import Job, Shape, launch, shape
from dinov2.settings import Settings

JOBS = """
image: registry.example/dinov2
stages:
  pretrain: {nodes: 2, gpus: 4}
  embed:
    indexes: 8
    volumes: [{name: photographs, persistentVolumeClaim: {claimName: photographs}}]
    volume_mounts: [{name: photographs, mountPath: /photographs}]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s/jobs.yaml").write_text(JOBS)
    return tmp_path


def test_the_local_launcher_goes_by_the_settings(root: Path) -> None:
    assert shape("pretrain", Settings(processes=3, jobs=2), root) == Shape(2, 3, elsewhere=False)


def test_the_other_launcher_goes_by_its_file(root: Path) -> None:
    settings = Settings(launcher="kubernetes", processes=3, jobs=2)
    assert shape("pretrain", settings, root) == Shape(1, 8, elsewhere=True)
    assert shape("embed", settings, root) == Shape(8, 1, elsewhere=True, mounts=(Path("/photographs"),))


def test_stages_that_its_file_does_not_list_stay_here(root: Path) -> None:
    settings = Settings(launcher="kubernetes", processes=3, jobs=2)
    assert shape("pack", settings, root) == Shape(2, 3, elsewhere=False)


def test_a_job_goes_where_its_stage_does(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[tuple[str, str]] = []
    for name in dinov2.launch.LAUNCHERS:
        monkeypatch.setitem(dinov2.launch.LAUNCHERS, name, lambda job, *_, name=name: went.append((job.name, name)))
    settings = Settings(launcher="kubernetes")
    for job in (
        Job("S", "m", (), (), (), stage="pretrain"),
        Job("embed", "m", (), (), ()),
        Job("pack", "m", (), (), ()),
    ):
        launch(job, settings, root)
    assert went == [("S", "kubernetes"), ("embed", "kubernetes"), ("pack", "local")]
