"""The graph is DVC's own, in an order that can be run."""

import pytest

from dinov2.errors import ConfigError
from flows.graph import read_graph
from tests.flows.conftest import Workspace


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
