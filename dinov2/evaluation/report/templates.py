"""How templates are filled."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from dinov2.evaluation.report.curves import number

ROOM = "evaluation/report"


def template(name: str) -> Template:
    """One of the templates of this folder; what it is given is escaped where it is a page."""
    environment = Environment(
        loader=PackageLoader("dinov2", ROOM),
        autoescape=".html." in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["count"] = lambda value: f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    environment.filters["number"] = _number
    environment.filters["cell"] = _cell
    return environment.get_template(name)


def _number(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else str(value)


def _cell(text: object) -> str:
    """Text that stays within one cell of a table in Markdown."""
    return " ".join(str(text).replace("|", r"\|").replace("<", "&lt;").split())
