"""The command `dinov2 compare`: a registered version and the champion, on the same images by the same protocols."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dinov2.data.manifest import read_manifest
from dinov2.data.tables import temporary_folder
from dinov2.errors import ConfigError, DataError
from dinov2.evaluation import printed
from dinov2.evaluation.backbones import OwnBackbone
from dinov2.evaluation.comparison import figures
from dinov2.evaluation.figure import Figure, metric_of
from dinov2.models import load_backbone
from dinov2.registry.fetch import fetch_weights
from dinov2.registry.promotion.comparison import Comparison, Contender
from dinov2.registry.promotion.config import RULES, load_rules
from dinov2.registry.promotion.contenders import champion_of, contender
from dinov2.registry.promotion.verdict import verdict
from dinov2.stages import sets
from dinov2.stages.context import Context
from dinov2.stages.files import MANIFEST, SETS
from dinov2.stages.judged import Judging, judging_of
from dinov2.stages.params import PARAMS, load_params
from dinov2.stages.revisions import file_of
from dinov2.storage import file_sha256, write_json


def compare(context: Context, candidate: str, champion: str | None, to: str | None) -> None:
    """Say how two versions do on the images that the candidate was evaluated on, and what the rules say of that.

    The images, and the parameters of the evaluation, are those of the run that made the candidate; where no run is
    recorded they are the workspace's own, if its manifest is the one that the version was evaluated on.

    Args:
        context: the workspace.
        candidate: models:/NAME/VERSION or models:/NAME@ALIAS.
        champion: likewise; None is the champion of the same name, if there is one.
        to: a file for the comparison, JSON; None writes none.

    Raises:
        UserError: MLflow has no such version, or a rule is none.
        ConfigError: the two are the same version.
        DataError: the candidate's images are not at hand.
    """
    settings, root, rules = context.settings, context.root, load_rules(context.root)
    new = contender(candidate, settings, root)
    old = contender(champion, settings, root) if champion else champion_of(new.model, settings, root)
    if old and (new.model, new.version) == (old.model, old.version):
        raise ConfigError(f"{candidate}: {new.model} version {new.version} is the champion; another is to be compared")
    with temporary_folder(context.scratch, "compare-") as drafts:
        work = _evaluated_on(context, new, drafts)
        found = _figures(context, work, new, old, drafts)
    comparison = Comparison(candidate=new, champion=old, figures=tuple(found))
    for line in _lines(comparison):
        print(line)
    for finding in verdict(rules, comparison):
        print(f"{RULES}: {'holds' if finding.holds else 'BROKEN'}: {finding.rule}: {finding.says}")
    if to:
        write_json(context.path(to), comparison.model_dump(mode="json"))


def _evaluated_on(context: Context, candidate: Contender, drafts: Path) -> Judging:
    """What the candidate's run judged it on, as it did.

    Raises:
        DataError: manifest or sets are others than those.
    """
    if candidate.run:
        commit, where = candidate.commit, f"run {candidate.run}, commit {candidate.commit}"
        file_of(context, commit, PARAMS, drafts / PARAMS)
        own = replace(context, params=load_params(drafts))
        manifest = file_of(context, commit, MANIFEST, drafts / Path(MANIFEST).name)
        seen = drafts / Path(SETS).name
        if own.params.evaluate.sets:
            file_of(context, commit, SETS, seen)
    else:
        own, where = context, f"{context.root}; the version has no recorded run"
        manifest, seen = context.made(MANIFEST), context.path(SETS)
    if (found := file_sha256(manifest)) != candidate.manifest_sha256:
        raise DataError(
            f"{candidate.uri} was evaluated on a manifest of sha256 {candidate.manifest_sha256}; "
            f"{MANIFEST} of {where} has {found}"
        )
    for each in own.params.evaluate.sets:
        if (wanted := sets.noted(seen, each)) != (found := sets.note(own, each)):
            raise DataError(
                f"{candidate.uri} was evaluated on another {each.name}: {SETS} of {where} has {wanted}, "
                f"{sets.folder_of(own, each)} is {found}"
            )
    return judging_of(own, read_manifest(manifest), seen)


def _figures(
    context: Context, work: Judging, candidate: Contender, champion: Contender | None, drafts: Path
) -> list[Figure]:
    def backbone(of: Contender) -> OwnBackbone:
        path = drafts / f"{of.weights_sha256}.safetensors"
        fetch_weights(of.uri, path, context.settings, context.root)
        if (found := file_sha256(path)) != of.weights_sha256:
            raise DataError(f"{of.uri}: its weights have sha256 {found}, its tag says {of.weights_sha256}")
        return OwnBackbone(load_backbone(path), context.device)

    other = backbone(champion) if champion else None
    return figures(work.tasks, backbone(candidate), other, work.setting)


def _lines(comparison: Comparison) -> Iterator[str]:
    candidate, champion = comparison.candidate, comparison.champion
    yield f"{candidate.uri} against {champion.uri if champion else 'no champion'}"
    for figure in comparison.figures:
        metric = metric_of(figure.name)
        said = f"{figure.name}: {printed.value(metric, figure.candidate)}"
        if (by := figure.difference) and figure.champion is not None:
            said += f" against {printed.value(metric, figure.champion)}, {printed.gain(metric, by.value)}"
            said += f" ({printed.reach(metric, by.low, by.high)}), {figure.verdict or f'p {by.p:.2g}'}"
        yield f"{said}, {figure.images} images"
