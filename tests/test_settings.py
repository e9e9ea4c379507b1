from pathlib import Path

import pytest

from dinov2.errors import ConfigError
from dinov2.settings import load_settings, workspace


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_STORE", "s3://bucket/prefix")
    monkeypatch.setenv("DINOV2_WORKERS", "3")
    assert load_settings().store == "s3://bucket/prefix"
    assert load_settings().workers_each == 3


def test_a_wrong_setting_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_LAUNCHER", "slurm")
    with pytest.raises(ConfigError, match=r"DINOV2_LAUNCHER: 'slurm': .*'local'"):
        load_settings()


def test_cores_are_shared_out_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setenv("DINOV2_PROCESSES", "2")
    assert load_settings().threads_each == 4


def test_a_folder_that_is_no_workspace_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no params\.yaml here; run this in the root of a checkout"):
        workspace()


@pytest.mark.parametrize("name", ["DINOV2_STORE", "DINOV2_TRACKING", "DINOV2_ARTIFACTS", "DINOV2_CHECKPOINTS"])
def test_a_password_in_a_setting_is_refused_and_not_repeated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "https://me:hunter2@example.com/x")
    with pytest.raises(ConfigError, match=rf"^{name}: 'https://\*\*\*@example.com/x': its URL has a user") as told:
        load_settings()
    assert "hunter2" not in str(told.value)


def test_settings_of_a_child_are_those_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_STORE", "s3://bucket/prefix")
    monkeypatch.setenv("DINOV2_WORKERS", "3")
    child = load_settings({"DINOV2_WORKERS": "5", "DINOV2_RERUN": "1", "DINOV2_TOLD_TO_OTHERS": "x", "PATH": "/bin"})
    assert (child.store, child.workers, child.rerun) == ("s3://bucket/prefix", 5, True)
    with pytest.raises(ConfigError, match="DINOV2_WORKERS: 'many'"):
        load_settings({"DINOV2_WORKERS": "many"})
