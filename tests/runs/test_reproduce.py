"""Weights are really made again, from what the run had, and compared."""

import fcntl
import shutil
from pathlib import Path

import pytest

from dinov2.errors import ConfigError
from dinov2.launch import JobFailedError
from dinov2.runs.clone import at
from dinov2.runs.reproduce import reproduce
from dinov2.runs.signed import signed
from dinov2.stages.context import Context

URI = "models:/dinov2-S/1"


@pytest.fixture
def context(recorded: Context) -> Context:
    """The recorded workspace, with other files and parameters than the run had."""
    shutil.rmtree(recorded.root / "var" / "runs" / "reproduce-dinov2-S-1", ignore_errors=True)
    (recorded.root / "input.txt").write_text("edited since\n")
    return recorded


def test_the_stage_that_made_the_weights_runs_again_with_checkpoints_of_its_own(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.write_text("something else\n")
    monkeypatch.setenv("EXTRA", str(other))
    assert not reproduce(context, URI)
    assert "different: weights/S.safetensors has sha256 " in capfd.readouterr().out
    root = context.root / "var" / "runs" / "reproduce-dinov2-S-1"
    store = context.root / "var" / "store"
    assert (root / "places.txt").read_text().split() == [str(store), f"{store}/reproductions/reproduce-dinov2-S-1"]
    assert (root / "ran.log").read_text() == "once more\n"

    monkeypatch.delenv("EXTRA")
    assert reproduce(context, URI)
    said = capfd.readouterr().out
    assert f"{URI}: the same: pretrain gave weights/S.safetensors again, byte for byte" in said
    assert "Running stage 'pretrain'" in said
    assert "Running stage 'ingest'" not in said
    assert not root.exists()


def test_with_all_that_it_needs_it_happens_in_a_store_of_its_own(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").write_text("something else\n")
    monkeypatch.setenv("EXTRA", str(tmp_path / "other"))
    assert not reproduce(context, URI, whole=True)
    root = context.root / "var" / "runs" / "reproduce-dinov2-S-1"
    own = f"{context.root}/var/store/reproductions/reproduce-dinov2-S-1"
    assert (root / "places.txt").read_text().split() == [own, own]
    monkeypatch.delenv("EXTRA")
    assert reproduce(context, URI, whole=True)
    said = capfd.readouterr().out
    assert "the same: ingest, pretrain gave data/manifest.parquet, weights/S.safetensors again" in said
    assert said.count("Running stage 'ingest'") == said.count("Running stage 'pretrain'") == 2


def test_a_stage_of_curation_alone_can_be_asked_for(context: Context, capfd: pytest.CaptureFixture[str]) -> None:
    assert reproduce(context, URI, "ingest")
    said = capfd.readouterr().out
    assert "the same: ingest gave data/manifest.parquet again" in said
    assert "Running stage 'pretrain'" not in said


def test_all_of_it_ends_at_the_first_stage_that_does_something_else(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new").write_text("what a source has got since\n")
    monkeypatch.setenv("MORE", str(tmp_path / "new"))
    assert not reproduce(context, URI, whole=True)
    said = capfd.readouterr().out
    assert f"{URI}: different: ingest wrote data/manifest.parquet otherwise; see " in said
    assert "Running stage 'pretrain'" not in said


def test_of_two_at_once_the_second_is_refused(context: Context) -> None:
    version = signed(context, URI)
    run = at(context.root, version.commit, context.root / "var" / "runs" / "reproduce-dinov2-S-1")
    with (run.root / ".git" / "dinov2.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another process makes this version again just now"):
            reproduce(context, URI)


def test_what_the_weights_do_not_come_from_is_refused(context: Context) -> None:
    with pytest.raises(ConfigError, match="stage 'register@S': its weights come from ingest, pretrain"):
        reproduce(context, URI, "register@S")


def test_a_stage_that_fails_leaves_what_the_next_try_goes_on_from(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTRA", "/nowhere")
    kept = context.root / "var" / "store" / "reproductions" / "reproduce-dinov2-S-1" / "checkpoint"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch()
    with pytest.raises(JobFailedError, match="pretrain: `dvc repro` ended with 255"):
        reproduce(context, URI)
    assert kept.exists()
    monkeypatch.delenv("EXTRA")
    assert reproduce(context, URI)
    assert not kept.parent.exists()
