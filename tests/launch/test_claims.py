"""Whose a folder of a shared store is."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dinov2.launch import claims
from dinov2.launch.claims import claim, claimants, owner_of
from dinov2.storage import Store


def test_each_workspace_is_another_claimant_and_the_clones_of_its_runs_are_not(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    one, other = tmp_path / "one", tmp_path / "other"
    assert owner_of(one) == ""
    for root in (one, one / "var/runs/run", one / "var/runs/reproduce-S-1", one):
        claim(store, "training/0123", root)
    claim(store, "training/4567", other)
    claim(store, "training/0123", other)
    names = store.list("training")
    assert claimants(names, "training/0123") == {owner_of(one), owner_of(other)}
    assert claimants(names, "training/4567") == {owner_of(other)} != {""}
    assert claimants(names, "training") == set()
    assert owner_of(one / "var/runs/run") == owner_of(one)


def test_processes_that_claim_at_once_agree_on_who_they_are(tmp_path: Path) -> None:
    store, origin = Store(str(tmp_path / "store")), tmp_path / "workspace"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: claim(store, f"jobs/{n}", origin), range(32)))
    found = {owner for n in range(32) for owner in claimants(store.list("jobs"), f"jobs/{n}")}
    assert found == {owner_of(origin)}
    assert [path.name for path in (origin / "var").iterdir()] == ["owner"]


def test_who_comes_second_takes_the_identity_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it was not there yet when it looked."""

    def link(_: Path, path: Path) -> None:
        path.write_text("first")
        raise FileExistsError

    monkeypatch.setattr(claims.os, "link", link)
    store = Store(str(tmp_path / "store"))
    claim(store, "jobs/a", tmp_path)
    assert claimants(store.list("jobs"), "jobs/a") == {"first"}
