"""A plan names what `dvc repro` would run and why, with figures that can be checked, and touches nothing."""

import json
import re
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from dinov2.cli import app
from dinov2.errors import ConfigError
from dinov2.launch.kubernetes.config import job_name, load_jobs
from dinov2.launch.kubernetes.environment import pod_environment
from dinov2.launch.kubernetes.exchange import code_digest
from dinov2.launch.kubernetes.render import render
from dinov2.stages import STAGES, training_job
from dinov2.stages.context import Context
from dinov2.stages.plan import export, plan, show
from dinov2.stages.plan.forecast import Forecast, Planned, forecast
from dinov2.training.flops import backbone_of, forward_flops, step_flops
from dinov2.training.rates import Rate, label
from tests.stages.plan.conftest import IMAGES, change, lose

WEIGHTS = "weights/pretrain.safetensors"
H100 = "NVIDIA H100 80GB HBM3"
RATE = Rate("pretrain", "cuda", H100, 8, 2e14, 900.0, 100, "2026-01-02T03:04:05+00:00")
JOBS = {
    "image": "registry.example.com/dinov2:1",
    "stages": {
        "embed": {"indexes": 3, "parallelism": 2},
        "retrieve": {"indexes": 2},
        "pretrain": {"nodes": 2, "gpus": 1, "node_selector": {"nvidia.com/gpu.product": label(H100)}},
        "distill": {"gpus": 2},
    },
}
CLUSTER = {"launcher": "kubernetes", "tracking": "http://mlflow:5000"}
Make = Callable[..., Context]


@pytest.fixture(autouse=True)
def _without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a plan asks nobody")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def _with_jobs(root: Path) -> None:
    (root / "k8s").mkdir()
    (root / "k8s/jobs.yaml").write_text(yaml.safe_dump(JOBS))


def _note(context: Context, rate: Rate) -> None:
    context.store.write(f"rates/{rate.at}.json", json.dumps(asdict(rate)).encode())


def _by_stage(found: Forecast) -> dict[str, list[Planned]]:
    stages = dict.fromkeys(planned.outlook.name for planned in found.planned)
    return {name: [planned for planned in found.planned if planned.outlook.name == name] for name in stages}


def _files(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and content, but for DVC's own locks."""
    found = (path for path in root.rglob("*") if path.is_file() and ".dvc/tmp" not in path.as_posix())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def test_where_nothing_has_run_all_would_in_the_order_of_the_graph(
    fresh: Path, context: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    here, before = context(fresh), _files(fresh)
    found = forecast(here)
    stages = list(dict.fromkeys(planned.outlook.stage for planned in found.planned))
    assert sorted(stages) == sorted(STAGES)
    assert [stages.index(name) for name in ("ingest", "embed", "retrieve", "pretrain", "highres", "distill")] == sorted(
        stages.index(name) for name in ("ingest", "embed", "retrieve", "pretrain", "highres", "distill")
    )
    own = _by_stage(found)
    assert own["embed"][0].outlook.why == ("has not run yet", "data/weights.json: not there", "after ingest")
    config = here.params.pretrain
    assert own["pretrain"][0].piece.effort.flops == 800 * step_flops([config])
    students = [here.params.distill.training(name, here.params.highres.training(config)) for name in "SBL"]
    teacher = backbone_of(here.params.highres.training(config))
    efforts = [own[f"distill@{name}"][0].piece.effort.flops for name in "SBL"]
    assert efforts == [250 * step_flops(students, teacher), 0.0, 0.0]

    plan(here, [], None, False)
    shown = capsys.readouterr().out
    assert "would run 19 of 19 stages" in shown
    assert "embed: unknown: the number of images is not known before ingest" in shown
    assert "distill@B, distill@L: trained along with distill@S" in shown
    assert "no rate of a CPU was measured" in shown
    assert "data/sources.json, data/weights.json, data/sets.json: not there" in shown
    assert "`dinov2 scan` writes them" in shown
    assert _files(fresh) == before


def test_where_all_is_up_to_date_there_is_nothing_to_do(
    workspace: Path, context: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(context(workspace), [], None, False)
    assert capsys.readouterr().out == "Nothing to do; up to date: 19 stages.\n"
    plan(context(workspace), [], None, True)
    assert json.loads(capsys.readouterr().out) == []


def test_the_command_plans_for_the_current_folder(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    change(workspace, "pretrain.objective.teacher_temperature", [0.03, 0.05])
    result = CliRunner().invoke(app, ["plan", "embed"])
    assert result.exit_code == 0, result.output
    changed = "pretrain.objective.teacher_temperature: [0.02, 0.02] → [0.03, 0.05]"
    assert re.search(rf"^ embed +{re.escape(changed)} +this machine: 1 process", result.output, re.MULTILINE)


def test_after_a_parameter_only_what_depends_on_it_would_run(workspace: Path, context: Make) -> None:
    change(workspace, "distill.epochs", 5)
    own = _by_stage(forecast(context(workspace)))
    assert set(own) == {f"{stage}@{name}" for stage in ("distill", "evaluate", "register") for name in "SBL"} | {
        "report"
    }
    assert {own[f"distill@{name}"][0].outlook.why for name in "SBL"} == {("distill.epochs: 10 → 5",)}
    assert own["evaluate@S"][0].outlook.why == ("after distill@S",)
    outcomes = {name: planned[0].outlook.outcome for name, planned in own.items()}
    assert {name for name, outcome in outcomes.items() if outcome == "run"} == {f"distill@{name}" for name in "SBL"} | {
        "report"  # whose parameters are all of them
    }
    assert own["evaluate@S"][0].outlook.outcome == "follow"
    assert set(_by_stage(forecast(context(workspace), ["evaluate@B"]))) == {"distill@B", "evaluate@B"}


def test_what_dvc_has_in_its_cache_is_restored_and_costs_nothing(workspace: Path, context: Make) -> None:
    (workspace / WEIGHTS).unlink()
    (planned,) = forecast(context(workspace), ["pretrain"]).planned
    assert (planned.outlook.outcome, planned.estimate) == ("restore", None)


def test_on_a_cluster_the_manifests_are_those_that_the_launcher_would_make(
    workspace: Path, context: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_jobs(workspace)
    lose(workspace, WEIGHTS)
    here = context(workspace, **CLUSTER)
    _note(here, RATE)
    before = _files(workspace)
    found = forecast(here)
    own = _by_stage(found)
    (pretrain,), (highres,), (student, *_) = own["pretrain"], own["highres"], own["distill@S"]

    job, config = training_job.job_of(here, "pretrain"), load_jobs(workspace)
    manifests = render(job, config, pod_environment(here.settings), code_digest())
    assert [manifest["kind"] for manifest in manifests] == ["Service", "Job"]
    assert list(pretrain.place.manifests) == manifests
    assert (pretrain.place.name, pretrain.place.pods, pretrain.place.gpus) == (job_name(job), 2, 2)
    assert pretrain.estimate is not None
    hours = 800 * step_flops([here.params.pretrain]) / (2 * 2e14) / 3600
    assert pretrain.estimate.hours == pytest.approx(hours)
    assert pretrain.gpu_hours == pytest.approx(2 * hours)
    assert f"200 TFLOP/s each, of pretrain on 8 × {H100}, 2026-01-02" in pretrain.estimate.source

    assert (highres.place.launcher, highres.place.manifests) == ("local", ()), "k8s/jobs.yaml has no section for it"
    assert highres.estimate is None, "the rate is of a GPU"
    (job_of_student,) = student.place.manifests
    assert (student.place.name, student.place.gpus) == ("s-not-known-yet", 2)
    assert job_of_student["metadata"]["name"] == "s-not-known-yet"
    assert job_of_student["spec"]["template"]["metadata"]["labels"]["dinov2.io/job"] == "s-not-known-yet"

    show.table(found, Console(width=160))
    shown = capsys.readouterr().out
    assert job_name(job) in shown
    assert "s-<inputs not made yet>" in shown
    assert "kubernetes: 2 pods, 2 processes, 2 GPUs" in shown
    data = {piece["stage"]: piece for piece in json.loads(json.dumps(export.as_json(found)))}
    assert data["pretrain"]["gpu_hours"] == pytest.approx(2 * hours)
    assert data["distill@S"]["keyless"] == "inputs not made yet"
    assert _files(workspace) == before


def test_manifests_are_yaml_on_standard_output_or_files_in_a_new_folder(
    workspace: Path, context: Make, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _with_jobs(workspace)
    change(workspace, "seed", 5)
    here = context(workspace, **CLUSTER)
    plan(here, ["pretrain"], "-", False)
    printed = capsys.readouterr().out
    documents = list(yaml.safe_load_all(printed))
    assert [(each["kind"], each["metadata"]["labels"]["dinov2.io/stage"]) for each in documents] == [
        ("Job", "embed"), ("Job", "retrieve"), ("Job", "retrieve"), ("Service", "pretrain"), ("Job", "pretrain"),
    ]  # fmt: skip
    assert "# embed: seed: 0 → 5\n" in printed
    assert "# retrieve-<inputs not made yet>: this name" in printed
    assert "embed-<" not in printed, "what it reads is there"

    folder = tmp_path / "manifests"
    plan(here, ["pretrain"], str(folder), False)
    written = sorted(folder.iterdir())
    assert [path.name.partition("-")[0] for path in written] == ["01", "02", "03", "04"]
    assert "".join(path.read_text() for path in written) == printed
    with pytest.raises(ConfigError, match=r"--manifests: '.*manifests': there is something there"):
        plan(here, ["pretrain"], str(folder), False)
    with pytest.raises(ConfigError, match=r"DINOV2_LAUNCHER: 'local' has none"):
        plan(context(workspace), ["pretrain"], "-", False)


def test_work_that_lies_behind_a_checkpoint_is_not_counted_again(workspace: Path, context: Make) -> None:
    lose(workspace, WEIGHTS)
    here = context(workspace)
    (planned,) = forecast(here, ["pretrain"]).planned
    digest = training_job.work_of(here, "pretrain").digest
    here.store.write(f"training/{digest}/00000600.complete", b"{}")
    (rest,) = forecast(here, ["pretrain"]).planned
    assert planned.piece.effort.flops is not None
    assert rest.piece.effort.flops == pytest.approx(planned.piece.effort.flops / 4)
    assert rest.piece.effort.note == "goes on from step 600 of 800"


def test_a_job_whose_outputs_the_store_has_is_not_run_again(
    workspace: Path, context: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_jobs(workspace)
    change(workspace, "embed.shard_size", 99)
    here = context(workspace, **CLUSTER)
    _note(here, RATE)
    (planned,) = forecast(here, ["embed"]).planned
    assert not planned.place.finished
    for index in range(3):
        here.store.write(f"jobs/{planned.place.name}/done/{index}.json", b'{"outputs": {}, "facts": {}}')
    assert (planned.place.pods, planned.place.processes) == (3, 2)
    plan(here, ["embed"], None, False)
    assert f"{planned.place.name}: its job has run before" in capsys.readouterr().out
    (again,) = forecast(context(workspace, **CLUSTER, rerun=True), ["embed"]).planned
    assert not again.place.finished, "it was asked to run again"


def test_descriptors_with_a_network_are_counted_where_the_images_are_known(workspace: Path, context: Make) -> None:
    kind = {"kind": "bootstrap", "share": 0.5, "resolution": 32}
    change(workspace, "embed.copy", kind)
    change(workspace, "embed.retrieval", kind)
    here = context(workspace, jobs=2)
    learning, _, describing = _by_stage(forecast(here, ["embed"]))["embed"]
    assert learning.piece.effort.flops == 400 * step_flops([here.params.pretrain])
    backbone = backbone_of(here.params.pretrain)
    assert describing.piece.effort.flops == IMAGES * forward_flops(backbone, 32)
    assert describing.place.processes == 2
