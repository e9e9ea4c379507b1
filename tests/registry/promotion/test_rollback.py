"""The way back."""

import json
from pathlib import Path

import pytest

from dinov2.errors import UserError
from dinov2.registry.client import connect, experiment_id
from dinov2.registry.promotion.decide import Decision, decide
from dinov2.registry.promotion.rollback import rollback

YES = Decision(True, "Ann Lee", "better")


def promote(registry, candidate: str, champion: str | None) -> None:
    decide(registry.case(candidate, champion), YES, registry.settings, registry.root)


def back(registry) -> tuple[str, str]:
    return rollback(registry.model, "Bo", "it fails on owls", registry.settings, registry.root)


def test_the_previous_champion_is_champion_again_and_it_is_written_down(registry, tmp_path: Path) -> None:
    promote(registry, "1", None)
    promote(registry, "2", "1")
    assert back(registry) == ("2", "1")
    assert registry.aliases()["champion"] == "1"
    for version in ("1", "2"):
        assert registry.tags(version)[-1].startswith("rolled back from version 2 to 1 by Bo: it fails on owls")
    client = connect(registry.settings, registry.root)
    experiment = experiment_id(client, registry.settings, registry.root)
    wanted = f"tags.`dinov2.promotion.model` = '{registry.model}' and tags.`dinov2.promotion.state` = 'rolled back'"
    (run,) = client.search_runs([experiment], wanted)
    content = json.loads(Path(client.download_artifacts(run.info.run_id, "decision.json", str(tmp_path))).read_text())
    assert (content["from"], content["to"], content["who"]) == ("2", "1", "Bo")
    assert content["figures"] == {"1": {"birds.knn.accuracy": 0.5}, "2": {"birds.knn.accuracy": 0.5}}
    assert run.info.status == "FINISHED"


def test_twice_in_a_row_is_refused_and_another_promotion_can_follow(registry) -> None:
    promote(registry, "1", None)
    promote(registry, "2", "1")
    back(registry)
    with pytest.raises(UserError, match="version 1 is champion and previous_champion: it has been rolled back already"):
        back(registry)
    promote(registry, "3", "1")
    assert back(registry) == ("3", "1")


def test_without_a_previous_champion_there_is_nothing_to_go_back_to(registry) -> None:
    with pytest.raises(UserError, match="champion is no version, previous_champion no version"):
        back(registry)
    promote(registry, "1", None)
    with pytest.raises(UserError, match="champion is version 1, previous_champion no version"):
        back(registry)
    assert registry.aliases() == {"champion": "1"}


def test_an_unknown_model_is_named(registry) -> None:
    with pytest.raises(UserError, match="no-such-model"):
        rollback("no-such-model", "Bo", "it fails", registry.settings, registry.root)


@pytest.mark.parametrize(("who", "why"), [("", "it fails"), ("Bo", " ")])
def test_a_decision_without_a_name_or_a_reason_is_refused(registry, who: str, why: str) -> None:
    promote(registry, "1", None)
    promote(registry, "2", "1")
    with pytest.raises(UserError, match="a decision is kept with a name and a reason"):
        rollback(registry.model, who, why, registry.settings, registry.root)
    assert registry.aliases()["champion"] == "2"
