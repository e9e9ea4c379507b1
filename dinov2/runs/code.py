"""Whether a run's code is the code that runs it."""

from pathlib import Path

import dinov2
from dinov2.errors import ConfigError
from dinov2.storage import file_sha256

PACKAGE = "dinov2"
SUFFIXES = (".py", ".jinja")


def check_code(name: str, origin: Path, root: Path) -> None:
    """Refuse a run whose code is not what this process imports; a workspace without the code has nothing to say.

    Args:
        name: of the run.
        origin: its workspace.
        root: its clone.

    Raises:
        ConfigError: they differ; names the first file.
    """
    if not (origin / PACKAGE).is_dir():
        return
    running = Path(dinov2.__file__).parent
    ours, its = _digests(running), _digests(root / PACKAGE)
    for file in sorted(ours.keys() | its.keys()):
        if ours.get(file) == its.get(file):
            continue
        if file not in its and (origin / PACKAGE / file).is_file():
            raise ConfigError(
                f"run {name}: {PACKAGE}/{file}: git does not know it, so the run would lack it; `git add` it"
            )
        raise ConfigError(
            f"run {name}: {PACKAGE}/{file}: is not that of the installed {running}; install the workspace, or, if its "
            "code has changed since the run began, begin another run: what is done is not done again"
        )


def _digests(package: Path) -> dict[str, str]:
    files = (path for path in package.rglob("*") if path.suffix in SUFFIXES)
    return {path.relative_to(package).as_posix(): file_sha256(path) for path in files}
