"""The run behind a version, as git has it."""

import pytest

from dinov2.errors import DataError, UserError
from dinov2.registry.client import connect
from dinov2.runs.clone import Run
from dinov2.runs.signed import signed
from dinov2.stages.context import Context
from tests.runs.conftest import in_git, registered


def test_a_version_leads_to_its_run_by_number_and_by_alias(recorded: Context) -> None:
    client = connect(recorded.settings, recorded.root)
    client.set_registered_model_alias("dinov2-S", "champion", "1")
    found = signed(recorded, "models:/dinov2-S@champion")
    assert signed(recorded, "models:/dinov2-S/1").commit == found.commit
    assert (found.uri, found.aliases, found.run) == ("models:/dinov2-S/1", ("champion",), "first")
    assert found.commit == in_git(recorded.root, "rev-parse", "runs/first")
    assert (found.weights, found.maker.name) == ("weights/S.safetensors", "pretrain")


def test_a_version_that_no_run_has_signed_is_refused_with_what_to_do(recorded: Context) -> None:
    run = Run("first", recorded.root / "var" / "runs" / "first", recorded.root)
    version = registered(run, "unsigned")
    with pytest.raises(UserError, match=rf"models:/unsigned/{version}: has no tag dinov2\.run: .*`dinov2 record`"):
        signed(recorded, f"models:/unsigned/{version}")
    with pytest.raises(UserError, match="models:/unsigned/99: "):
        signed(recorded, "models:/unsigned/99")


@pytest.mark.parametrize(
    ("tag", "value", "fault"),
    [
        ("dinov2.commit", "f" * 40, r"git has no commit f{40} here; `git fetch` branch runs/first"),
        ("dinov2.commit", "--all", "git has no commit --all here"),
        ("dinov2.dvc_lock_sha256", "0" * 64, r"dvc\.lock of commit .* is not the one that the version was signed with"),
        ("dinov2.model", "B", r"has no stage that writes weights/B\.safetensors"),
    ],
)
def test_what_does_not_fit_together_is_told(recorded: Context, tag: str, value: str, fault: str) -> None:
    client = connect(recorded.settings, recorded.root)
    version = registered(Run("first", recorded.root / "var" / "runs" / "first", recorded.root), "tampered")
    tags = client.get_model_version("dinov2-S", "1").tags | {"dinov2.model": "S"}
    for key in ("dinov2.run", "dinov2.commit", "dinov2.dvc_lock_sha256", "dinov2.model"):
        client.set_model_version_tag("tampered", version, key, {**tags, tag: value}[key])
    with pytest.raises(DataError, match=fault):
        signed(recorded, f"models:/tampered/{version}")
