"""The page of a promotion: two versions, their figures on the same images, and what the rules say."""

from prefect.client.schemas.actions import ArtifactCreate

from dinov2.evaluation import printed
from dinov2.evaluation.figure import Figure, metric_of
from dinov2.registry.promotion.case import Case
from dinov2.registry.promotion.comparison import Comparison, Contender
from dinov2.settings import Settings
from flows.artifacts.links import mlflow_pages
from flows.artifacts.markdown import bullets, code, link, table, text
from flows.artifacts.post import key, markdown


def promotion(case: Case, settings: Settings) -> ArtifactCreate:
    """The page as an artifact, with links."""
    candidate = case.comparison.candidate
    described = f"{candidate.model}: may version {candidate.version} be the champion?"
    shown = "\n\n".join([page(case), "## Links", bullets(_links(case, settings))])
    return markdown(key("promote", candidate.model), shown, described)


def page(case: Case) -> str:
    """The page, Markdown; without links, since the form for the approval leaves them out."""
    comparison = case.comparison
    contenders = [_contender(role, getattr(comparison, role)) for role in ("candidate", "champion")]
    # No table: the narrow form for the approval would cut what was found.
    rules = [
        f"**{'holds' if each.holds else 'BROKEN'}**: {text(each.rule)}: {text(each.says)}" for each in case.findings
    ]
    parts = [
        f"# {text(comparison.candidate.model)}: version {text(comparison.candidate.version)} for champion",
        table(("", "version", "run", "weights, SHA-256"), contenders),
        "## On the same images",
        _figures(comparison),
        "## Rules",
        bullets(rules),
    ]
    return "\n\n".join(parts)


def _contender(role: str, of: Contender | None) -> tuple[str, ...]:
    if of is None:
        return role, "none yet", "", ""
    return role, of.version, of.run or "none is recorded", of.weights_sha256[:16]


def _figures(comparison: Comparison) -> str:
    if comparison.champion is None:
        rows = [(each.name, _value(each.name, each.candidate), str(each.images)) for each in comparison.figures]
        return table(("figure", "candidate", "images"), rows)
    header = ("figure", "candidate", "champion", "gain", "95% interval", "p or verdict", "images")
    return table(header, [_paired(each) for each in comparison.figures])


def _paired(figure: Figure) -> tuple[str, ...]:
    scores = (figure.name, _value(figure.name, figure.candidate), _value(figure.name, figure.champion))
    if (by := figure.difference) is None:
        return (*scores, "missing", "", "", str(figure.images))
    metric = metric_of(figure.name)
    gain, interval = printed.gain(metric, by.value), printed.reach(metric, by.low, by.high)
    return (*scores, gain, interval, figure.verdict or f"{by.p:.2g}", str(figure.images))


def _value(name: str, value: float | None) -> str:
    return "missing" if value is None else printed.value(metric_of(name), value)


def _links(case: Case, settings: Settings) -> list[str]:
    pages, comparison = mlflow_pages(settings), case.comparison
    if not pages:
        return [f"MLflow run of this promotion: {code(case.run_id)}"]
    versions = [each for each in (comparison.candidate, comparison.champion) if each]
    return [
        link("this promotion in MLflow", f"{pages}/#/runs/{case.run_id}"),
        *(link(each.uri, f"{pages}/#/models/{each.model}/versions/{each.version}") for each in versions),
    ]
