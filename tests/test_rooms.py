"""The plan of the house: rooms import one way only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    "errors", "credentials", "config", "settings", "storage", "progress",
    "data", "models", "curation", "training", "evaluation", "registry", "launch", "stages", "runs", "janitor", "cli",
]  # fmt: skip
FILES = sorted((ROOT / "dinov2").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Names of all modules that a file imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(name: str) -> str:
    return name.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_rooms_below_it(path: Path) -> None:
    own = path.relative_to(ROOT / "dinov2").parts[0].removesuffix(".py")
    if own == "__init__":
        assert not imports(path)
        return
    below = ROOMS[: ROOMS.index(own) + 1]
    above = {name for name in imports(path) if name.startswith("dinov2.") and room(name) not in below}
    assert not above


def test_the_library_knows_nothing_of_the_orchestrator() -> None:
    orchestrated = {str(path) for path in FILES if any(n.split(".")[0] in {"prefect", "flows"} for n in imports(path))}
    assert not orchestrated


def test_xformers_is_never_needed_to_import_a_module() -> None:
    for path in FILES:
        top = [
            node
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert not any("xformers" in ast.unparse(node) for node in top), path
