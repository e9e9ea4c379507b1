"""A job is run again for who asks, once: what came of it is not thrown away when they try again."""

from pathlib import Path
from typing import Any

import pytest

from dinov2.errors import UnreachableError
from dinov2.launch import Job, kubernetes
from dinov2.launch.kubernetes.names import job_name
from dinov2.settings import Settings
from dinov2.storage import Store
from tests.launch.kubernetes.test_noted import pods, root

__all__ = ["root"]


def test_a_job_that_was_run_again_is_brought_when_its_outputs_could_not_be_before(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "store"))
    job = Job("pretrain", "body", (), (), (root / "out",), stage="pretrain", key="0123456789abcdef")
    work, ran = pods(job, root, store), list[str]()

    def submit(*given: Any) -> None:
        ran.append(job_name(job))
        work(*given)
        (root.parent / "pod").rename(root.parent / f"pod{len(ran)}")

    def away(*_: Any) -> None:
        raise UnreachableError("the store is away")

    def launch(**settings: Any) -> int:
        given = {"store": store.url, "tracking": "http://mlflow:5000", "launcher": "kubernetes"} | settings
        kubernetes.run_on_kubernetes(job, Settings(**given), root)
        return len(ran)

    monkeypatch.setattr(kubernetes, "Cluster", lambda *_: None)
    monkeypatch.setattr(kubernetes, "submit", submit)
    monkeypatch.setattr(kubernetes, "follow", lambda *_: None)
    assert launch() == launch() == 1
    one = {"rerun": True, "rerun_for": "one"}
    with monkeypatch.context() as broken:
        broken.setattr(kubernetes, "bring_back", away)
        with pytest.raises(UnreachableError):
            launch(**one)
    assert len(ran) == 2
    (root / "out").unlink()
    assert launch(**one) == 2
    assert (root / "out").is_file()
    assert launch(rerun=True, rerun_for="another") == 3
    assert launch(rerun=True) == 4, "who does not say who they are"
    assert launch(rerun=True) == 5
    assert launch() == 5
