"""The parameters that a form asks for, whole and possible; what is wrong is said of the field that brought it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dinov2.config import parse, read_yaml
from dinov2.errors import ConfigError
from dinov2.settings import Settings
from dinov2.stages.params import PARAMS, Params, check_processes
from dinov2.stages.reach import check_reach
from flows.forms.fields import CLONE, HERE
from flows.forms.override import Override, with_overrides
from flows.forms.places import check_places
from flows.forms.presets import WORKSPACE, Images, preset_content, with_images


def checked_params(
    root: Path, settings: Settings, preset: str, images: Sequence[Images], overrides: Sequence[Override]
) -> dict[str, Any] | None:
    """What params.yaml of the run holds.

    Args:
        root: the workspace.
        settings: of the run.
        preset: `workspace`, or the name of a file in `presets/`.
        images: in place of the preset's, if any.
        overrides: parameters to change, if any.

    Returns:
        The whole of params.yaml, defaults left out as they were; None if the workspace's is to be kept as it is.

    Raises:
        ConfigError: one line for each fault, naming the form's field, the dotted key, the value and what is allowed.
    """
    content = preset_content(root, preset)
    params, field = parse(Params, content, "preset"), "preset"
    changes: tuple[tuple[str, bool, Any, Any], ...] = (
        ("images", bool(images), with_images, images),
        ("overrides", bool(overrides), with_overrides, overrides),
    )
    for name, given, change, values in changes:
        if given:
            before, field = params, name
            content = change(content, values)
            params = parse(Params, content, field)
            check_places(root, before, params, field)
    changed = preset != WORKSPACE or bool(images) or bool(overrides)
    with _said_of(field if changed else PARAMS):
        check_processes(params, settings, root)
        check_reach(params, settings, root)
    return content if changed else None


def refuse_here(preset: str, images: Sequence[Images], overrides: Sequence[Override]) -> None:
    """Refuse other parameters than those of the workspace for a run in the workspace itself.

    Raises:
        ConfigError: names the field.
    """
    for field, given in (("preset", preset != WORKSPACE), ("images", images), ("overrides", overrides)):
        if given:
            raise ConfigError(f"{field}: only for {CLONE}; {HERE} runs what its {PARAMS} says")


def check_stages(root: Path, stages: Sequence[str]) -> None:
    """Refuse stages that `dvc.yaml` does not have.

    Raises:
        ConfigError: names the first.
    """
    known = read_yaml(root / "dvc.yaml").get("stages") or {}
    for stage in stages:
        if stage.partition("@")[0] not in known:
            raise ConfigError(f"stages: {stage!r}: no such stage; there are {', '.join(known)}")


@contextmanager
def _said_of(field: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{field}: {str(error).removeprefix(f'{PARAMS}: ')}") from None
