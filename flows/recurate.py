"""Re-curation: what is new is ingested and curated, judged by rules of data quality, and perhaps trained on."""

from collections.abc import Mapping
from typing import Annotated

from prefect import flow

from dinov2.errors import DataError
from dinov2.runs import retraining
from dinov2.runs.announce import source_of
from dinov2.runs.clone import clone
from dinov2.runs.names import FOLDER, checked
from dinov2.runs.quality import RULES, QualityConfig, check, figures_of, load_rules
from dinov2.runs.recuration import LAST, NAME, TRAINED, Earlier, bring_branch, earlier, figures_at, unchanged
from dinov2.runs.retraining import RetrainingConfig
from dinov2.runs.run import Run, environment
from dinov2.settings import Settings, load_settings, workspace
from dinov2.stages.params import load_params
from flows.artifacts import summary
from flows.artifacts.post import post
from flows.artifacts.recuration import Difference, read_difference, recuration
from flows.attempts import BEGUN, note, params_before
from flows.bring import bring_up_to_date, raise_failure
from flows.command import run_dinov2
from flows.forms.fields import NameField
from flows.forms.shown import shown
from flows.locks import sole_pipeline
from flows.naming import run_name
from flows.recording import record_run
from flows.say import only_once, patience, say
from flows.table import print_table

DIFF, DRIFT = "reports/diff", "reports/drift"
"""Folders of a run for what differs from the re-curation before, and from the one that was trained on."""

AnnouncedField = Annotated[
    str,
    shown(
        "Announced",
        "Where new images are, as `dinov2 announce` tells: in a source of params.yaml. All sources are looked "
        "through in any case.",
        max_length=2000,
    ),
]
TrainField = Annotated[
    bool,
    shown(
        "Train",
        "Go on with training if the training set has moved further than rules.yaml asks for since a re-curation was "
        "last trained on, or if none was.",
    ),
]


@flow(name="recurate", flow_run_name=run_name)
def recurate(announced: AnnouncedField = "", train: TrainField = False, name: NameField = "") -> None:
    """Bring curation up to date in a clone of the workspace, and record it if the rules of data quality hold.

    Raises:
        ConfigError: a field of the form, params.yaml or rules.yaml is wrong; nothing has run.
        DataError: a rule of data quality is broken. Nothing is recorded, and the clone is left to be looked at.
        StageError: a stage failed.
    """
    only_once()
    origin, settings, called = workspace(), load_settings(), checked(name or run_name())
    if announced:
        source = source_of(announced, load_params(origin).ingest.sources, origin)
        say(f"announced: source {source.name}, {announced}")
    with sole_pipeline(origin, called, patience()):
        run = clone(origin, called, params_before(origin / FOLDER / called))
        note(run.root, BEGUN)
        rules, worth = load_rules(run.root), retraining.load_rules(run.root) if train else None
        variables = environment(run, settings)
        _curate(run, settings, variables, rules)
        if worth:
            _train(run, settings, variables, worth)


def _curate(run: Run, settings: Settings, variables: Mapping[str, str], rules: QualityConfig) -> None:
    """Curate, compare, judge and record."""
    done = bring_up_to_date(run, [LAST], False, variables)
    print_table(run.root, done)
    summary(run, done)
    raise_failure(done)
    last = earlier(run).recorded
    difference = _difference(run, last, DIFF, variables) if last else None
    before = figures_at(run.origin, last) if last else None
    broken = check(rules, load_params(run.root).ingest.sources, figures_of(run.root), before)
    post(lambda: recuration(run.name, run.root, difference, broken))
    if broken:
        raise DataError(
            "\n".join([f"rules of data quality are broken ({RULES}), nothing is recorded:", *broken])
            + f"\nto look at: {run.root}; if the data are right, change the rule, commit it, and re-curate again"
        )
    if last and unchanged(run, last, [timed.stage for timed in done]):
        say(f"Nothing has changed since {last}: not recorded again")
    else:
        record_run(run, settings, NAME, done)


def _train(run: Run, settings: Settings, variables: Mapping[str, str], rules: RetrainingConfig) -> None:
    """Do all other stages if the drift is worth it, on what was judged, and record again."""
    before = earlier(run)
    worth, why = _worth(run, before, variables, rules)
    say(f"{'Training' if worth else 'No training'}: {why}")
    if worth:
        done = bring_up_to_date(run, (), False, variables)
        print_table(run.root, done)
        summary(run, done)
        raise_failure(done)
        record_run(run, settings, NAME, done, **{TRAINED: "yes"})


def _worth(run: Run, before: Earlier, variables: Mapping[str, str], rules: RetrainingConfig) -> tuple[bool, str]:
    if before.trained is None:
        return True, "no re-curation was trained on before"
    if before.trained == before.recorded:
        difference = read_difference(before.trained, run.root / DIFF)
    else:
        difference = _difference(run, before.trained, DRIFT, variables)
    worth, why = retraining.worth_training(rules, difference.summary)
    return worth, f"{why}, against {before.trained}"


def _difference(run: Run, name: str, folder: str, variables: Mapping[str, str]) -> Difference:
    run_dinov2(run, ["diff", bring_branch(run, name), "--to", folder], variables)
    return read_difference(name, run.root / folder)
