"""The command `dinov2 compare`: a registered version and the champion, on the same images by the same protocols."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dinov2.data.manifest import read_manifest
from dinov2.data.pack import packed_source
from dinov2.data.sources import ImageReader
from dinov2.data.tables import temporary_folder
from dinov2.errors import ConfigError, DataError
from dinov2.evaluation.comparison import figures
from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.encoder import BackboneEncoder
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.figure import Figure
from dinov2.evaluation.suite import protocols
from dinov2.models import load_backbone
from dinov2.registry.fetch import fetch_weights
from dinov2.registry.promotion.comparison import Comparison, Contender
from dinov2.registry.promotion.config import RULES, load_rules
from dinov2.registry.promotion.contenders import champion_of, contender
from dinov2.registry.promotion.verdict import verdict
from dinov2.stages.context import Context
from dinov2.stages.files import MANIFEST
from dinov2.stages.params import PARAMS, Params, load_params
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
        params, manifest = _evaluated_on(context, new, drafts)
        found = _figures(context, params, manifest, new, old, drafts)
    comparison = Comparison(candidate=new, champion=old, figures=tuple(found))
    for line in _lines(comparison):
        print(line)
    for finding in verdict(rules, comparison):
        print(f"{RULES}: {'holds' if finding.holds else 'BROKEN'}: {finding.rule}: {finding.says}")
    if to:
        write_json(context.path(to), comparison.model_dump(mode="json"))


def _evaluated_on(context: Context, candidate: Contender, drafts: Path) -> tuple[Params, pa.Table]:
    """The parameters of the candidate's run and the manifest that it was evaluated on."""
    if candidate.run:
        file_of(context, candidate.commit, PARAMS, drafts / PARAMS)
        params, path = load_params(drafts), file_of(context, candidate.commit, MANIFEST, drafts / Path(MANIFEST).name)
        where = f"run {candidate.run}, commit {candidate.commit}"
    else:
        params, path, where = context.params, context.made(MANIFEST), f"{context.root}; the version has no recorded run"
    if (found := file_sha256(path)) != candidate.manifest_sha256:
        raise DataError(
            f"{candidate.uri} was evaluated on a manifest of sha256 {candidate.manifest_sha256}; "
            f"{MANIFEST} of {where} has {found}"
        )
    return params, read_manifest(path)


def _figures(
    context: Context, params: Params, manifest: pa.Table, candidate: Contender, champion: Contender | None, drafts: Path
) -> list[Figure]:
    config, seed, device = params.evaluate, params.seed, context.device
    sets = labelled_sets(manifest, config.datasets)
    reader = ImageReader([*params.ingest.sources, packed_source(context.store)], context.store, context.root)

    def encoder(of: Contender) -> BackboneEncoder:
        path = drafts / f"{of.weights_sha256}.safetensors"
        fetch_weights(of.uri, path, context.settings, context.root)
        if (found := file_sha256(path)) != of.weights_sha256:
            raise DataError(f"{of.uri}: its weights have sha256 {found}, its tag says {of.weights_sha256}")
        return BackboneEncoder(load_backbone(path), config.resolution, device)

    extractor = Extractor(reader, context.store, context.settings.threads_each)
    other = encoder(champion) if champion else None
    return figures(sets.usable, encoder(candidate), other, protocols(config, seed, device), extractor)


def _lines(comparison: Comparison) -> Iterator[str]:
    candidate, champion = comparison.candidate, comparison.champion
    yield f"{candidate.uri} against {champion.uri if champion else 'no champion'}"
    for figure in comparison.figures:
        told = f"{figure.name}: {100 * figure.candidate:.1f}%"
        if (by := figure.difference) and figure.champion is not None:
            told += f" against {100 * figure.champion:.1f}%, {100 * by.value:+.1f} points"
            told += f" ({100 * by.low:+.1f} to {100 * by.high:+.1f}), p {by.p:.2g}"
        yield f"{told}, {figure.images} images"
