"""Decisions: what they do to the aliases, what is written down, and what a crash or another decision leaves."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dinov2.registry.client import connect
from dinov2.registry.promotion import decide as module
from dinov2.registry.promotion.case import find_case
from dinov2.registry.promotion.decide import Decision, NotPromotedError, decide, refuse_if_broken

YES = Decision(True, "Ann Lee", "it sees more birds")
NO = Decision(False, "Ann Lee", "wait for the new images")


def state(registry, case) -> str:
    return connect(registry.settings, registry.root).get_run(case.run_id).data.tags["dinov2.promotion.state"]


def written(registry, case, folder: Path) -> dict:
    client = connect(registry.settings, registry.root)
    return json.loads(Path(client.download_artifacts(case.run_id, "decision.json", str(folder))).read_text())


def settle(registry, case, decision=YES) -> str:
    return decide(case, decision, registry.settings, registry.root)


def test_the_first_champion_has_no_previous_one(registry) -> None:
    assert settle(registry, registry.case("2", None)) == "promoted"
    assert registry.aliases() == {"champion": "2"}


def test_a_promotion_moves_the_champion_and_remembers_who_was(registry) -> None:
    settle(registry, registry.case("1", None))
    settle(registry, registry.case("2", "1"))
    settle(registry, registry.case("4", "2"))
    assert registry.aliases() == {"champion": "4", "previous_champion": "2"}


def test_who_why_figures_and_rules_are_written_down(registry, tmp_path: Path) -> None:
    settle(registry, registry.case("1", None))
    case = registry.case("2", "1")
    settle(registry, case)
    content = written(registry, case, tmp_path)
    assert (content["decision"], content["who"], content["why"]) == ("promoted", YES.who, YES.why)
    assert content["comparison"]["figures"][0]["gain"] == 0.1
    assert content["rules"]["tolerance"] == case.rules.tolerance
    assert content["rules_digest"] == case.rules_digest
    assert [finding["holds"] for finding in content["findings"]] == [True, True, True]
    run = connect(registry.settings, registry.root).get_run(case.run_id)
    assert run.data.metrics["birds.knn.accuracy.gain"] == 0.1
    assert run.info.status == "FINISHED"
    assert registry.tags("2") == [f"promoted by Ann Lee: it sees more birds (run {case.run_id})"]


def test_a_person_may_refuse_and_nothing_moves(registry, tmp_path: Path) -> None:
    settle(registry, registry.case("1", None))
    case = registry.case("2", "1")
    assert settle(registry, case, NO) == "refused"
    assert registry.aliases() == {"champion": "1"}
    assert written(registry, case, tmp_path)["why"] == NO.why
    assert registry.tags("2")[-1].startswith("refused by Ann Lee: wait for the new images")


def test_a_broken_rule_refuses_whoever_approves(registry, tmp_path: Path) -> None:
    settle(registry, registry.case("1", None))
    case = registry.case("2", "1", gain=-0.1)
    with pytest.raises(NotPromotedError, match=r"version 2 breaks rules.yaml: \*.knn.accuracy: −10.0 points"):
        settle(registry, case)
    assert registry.aliases() == {"champion": "1"}
    assert state(registry, case) == "refused by the rules"
    assert written(registry, case, tmp_path)["who"] == "rules.yaml"
    refuse_if_broken(registry.case("3", "1"), registry.settings, registry.root)


def test_a_champion_that_moved_since_the_comparison_stays(registry) -> None:
    settle(registry, registry.case("1", None))
    late, soon = registry.case("2", "1"), registry.case("3", "1")
    settle(registry, soon)
    with pytest.raises(NotPromotedError, match="champion is version 3 now, compared was version 1; run `promote`"):
        settle(registry, late)
    assert registry.aliases() == {"champion": "3", "previous_champion": "1"}
    assert state(registry, late) == "overtaken"


def test_a_first_champion_that_came_meanwhile_stays(registry) -> None:
    late = registry.case("2", None)
    settle(registry, registry.case("3", None))
    with pytest.raises(NotPromotedError, match="champion is version 3 now, compared was no version"):
        settle(registry, late)


@pytest.mark.parametrize("again", [YES, NO], ids=["approved", "refused"])
@pytest.mark.parametrize("calls", [1, 2, 3])
def test_after_a_crash_the_first_decision_goes_on_whatever_is_said_then(
    registry, monkeypatch: pytest.MonkeyPatch, calls: int, again: Decision
) -> None:
    settle(registry, registry.case("1", None))
    key = f"{registry.model}-crash"
    case, done = registry.case("2", "1", key=key), []

    def dying(client):
        """A client that dies at its n-th change."""

        def wrap(name):
            real = getattr(client, name)

            def act(*arguments):
                done.append(name)
                if len(done) == calls:
                    raise KeyboardInterrupt
                return real(*arguments)

            setattr(client, name, act)

        for name in ("set_registered_model_alias", "set_model_version_tag"):
            wrap(name)
        return client

    with monkeypatch.context() as patch:
        patch.setattr(module, "connect", lambda *where: dying(connect(*where)))
        with pytest.raises(KeyboardInterrupt):
            settle(registry, case)
    assert registry.aliases()["champion"] in ("1", "2")
    assert settle(registry, find_case(key, registry.settings, registry.root), again) == "promoted"
    assert registry.aliases() == {"champion": "2", "previous_champion": "1"}
    assert state(registry, case) == "promoted"
    assert registry.tags("2") == [f"promoted by Ann Lee: {YES.why} (run {case.run_id})"]


def test_a_decided_case_stays_decided(registry) -> None:
    settle(registry, registry.case("1", None))
    settle(registry, registry.case("2", "1", key=f"{registry.model}-key"))
    kept = find_case(f"{registry.model}-key", registry.settings, registry.root)
    settle(registry, registry.case("3", "2"))
    assert settle(registry, kept) == "promoted"
    assert registry.aliases()["champion"] == "3"


def test_a_case_is_found_again_and_kept_once(registry) -> None:
    key = f"{registry.model}-again"
    assert find_case(key, registry.settings, registry.root) is None
    first = registry.case("2", None, key=key)
    second = registry.case("2", None, gain=0.3, key=key)
    assert first == second == find_case(key, registry.settings, registry.root)


def test_of_two_approved_at_the_same_moment_one_is_champion_and_the_other_was_compared_with_another(
    registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(registry, registry.case("1", None))
    cases = [registry.case(candidate, "1") for candidate in ("2", "3")]
    read = module.aliases

    def slowly(*arguments):
        found = read(*arguments)
        time.sleep(1.0)  # who else looks now sees the same champion
        return found

    monkeypatch.setattr(module, "aliases", slowly)
    with ThreadPoolExecutor() as pool:
        ends = [pool.submit(settle, registry, case) for case in cases]
    errors = [end.exception() for end in ends]
    assert [type(error) for error in errors if error] == [NotPromotedError]
    winner = cases[errors.index(None)].comparison.candidate.version
    assert registry.aliases() == {"champion": winner, "previous_champion": "1"}
