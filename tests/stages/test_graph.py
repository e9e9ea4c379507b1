"""The graph is DVC's own, in an order that can be run."""

from pathlib import Path

import pytest

from dinov2.errors import ConfigError
from dinov2.stages.graph import Stage, read_graph
from tests.flows.conftest import Workspace, make_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace in which nothing has run."""
    return make_workspace(tmp_path / "workspace")


def _read(workspace: Workspace) -> dict[str, Stage]:
    return {stage.name: stage for stage in read_graph(workspace.root)}


def test_matrices_are_expanded_and_every_stage_comes_after_what_it_reads(workspace: Workspace) -> None:
    stages = read_graph(workspace.root)
    assert [stage.name for stage in stages] == ["first", "second", "distill@S", "distill@B", "last"]
    assert {stage.name: set(stage.upstream) for stage in stages} == {
        "first": set(),
        "second": set(),
        "distill@S": {"first", "second"},
        "distill@B": {"first", "second"},
        "last": {"distill@S", "distill@B"},
    }


def test_targets_bring_their_ancestors_and_nothing_else(workspace: Workspace) -> None:
    assert [stage.name for stage in read_graph(workspace.root, ["distill@B"])] == ["first", "second", "distill@B"]
    assert [stage.name for stage in read_graph(workspace.root, ["distill"])] == [
        "first", "second", "distill@S", "distill@B",
    ]  # fmt: skip


def test_an_unknown_target_is_refused_with_the_names_there_are(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"no stage 'distil'; there are first, distill@S, distill@B, second, last"):
        read_graph(workspace.root, ["distil"])


def test_a_broken_dvc_yaml_is_a_line_that_names_it(workspace: Workspace) -> None:
    workspace.write("dvc.yaml", "stages: {first: {outs: [x]}}\n")
    with pytest.raises(ConfigError, match=r"dvc\.yaml"):
        read_graph(workspace.root)


def test_changed_says_what_dvc_would_run(workspace: Workspace) -> None:
    assert all(stage.changed for stage in read_graph(workspace.root))
    code, output = workspace.run("-m", "dvc", "repro")
    assert code == 0, output
    assert not any(stage.changed for stage in read_graph(workspace.root))
    workspace.write("input.txt", "other\n")
    (workspace.root / "B.txt").unlink()
    changed = [stage.name for stage in read_graph(workspace.root) if stage.changed]
    assert changed == ["first", "distill@B", "last"]


def test_the_reasons_name_what_differs_and_a_parameter_with_its_values(workspace: Workspace) -> None:
    graph = (workspace.root / "dvc.yaml").read_text()
    deps = "    deps: [input.txt]\n"
    workspace.write("dvc.yaml", graph.replace(deps, f"{deps}    params: [pack, seed]\n"))
    (workspace.root / "input.txt").rename(workspace.root / "aside.txt")
    assert _read(workspace)["first"].reasons == ("has not run yet", "input.txt: not there")
    (workspace.root / "aside.txt").rename(workspace.root / "input.txt")
    assert _read(workspace)["first"].reasons == ("has not run yet",)
    code, output = workspace.run("-m", "dvc", "repro")
    assert code == 0, output

    parameters = (workspace.root / "params.yaml").read_text()
    workspace.write("params.yaml", parameters.replace("write: true", "write: false").replace("seed: 0", "seed: 7"))
    (workspace.root / "S.txt").unlink()
    workspace.write("dvc.yaml", (workspace.root / "dvc.yaml").read_text().replace("echo two", "echo  two"))
    found = _read(workspace)
    assert found["first"].reasons == ("pack.write: True → False", "seed: 0 → 7")
    assert found["second"].reasons == ("its command changed",)
    assert found["distill@S"].reasons == ("S.txt: not there",)
    assert found["last"].reasons == ("S.txt: not there",)
    assert found["distill@B"].reasons == ()


def test_what_dvc_would_restore_from_its_cache_is_said_to_be_cached(workspace: Workspace) -> None:
    assert not any(stage.cached for stage in _read(workspace).values())
    assert workspace.run("-m", "dvc", "repro")[0] == 0
    (workspace.root / "S.txt").unlink()
    workspace.write("input.txt", "other\n")
    found = _read(workspace)
    assert found["distill@S"].changed
    assert found["distill@S"].cached
    assert found["first"].changed
    assert not found["first"].cached
    assert workspace.run("-m", "dvc", "repro")[0] == 0
    workspace.write("input.txt", "input\n")
    assert _read(workspace)["first"].cached, "its outputs of the first time are kept"
    workspace.ran()
    assert workspace.run("-m", "dvc", "repro", "first")[0] == 0
    assert workspace.ran() == [], "and DVC thinks so too"
