"""Whether a run's code is the code that runs it."""

from pathlib import Path

import dinov2
from dinov2.errors import ConfigError
from dinov2.runs import git
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


def check_known(root: Path) -> None:
    """Refuse to record a workspace with code that git does not know: whoever reproduces it would lack that.

    Raises:
        ConfigError: there is such a file.
    """
    new = git.git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", PACKAGE).split("\0")
    for file in sorted(each for each in new if each.endswith(SUFFIXES)):
        raise ConfigError(f"{root / file}: git does not know it, so the record would lack it; `git add` it")


def _digests(package: Path) -> dict[str, str]:
    files = (path for path in package.rglob("*") if path.suffix in SUFFIXES)
    return {path.relative_to(package).as_posix(): file_sha256(path) for path in files}
