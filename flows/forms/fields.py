"""The fields of the pipeline's form, with bounds that Prefect's server checks before there is a run."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from dinov2.config import read_yaml
from dinov2.errors import ConfigError
from dinov2.runs.names import NAME
from flows.forms.override import Override
from flows.forms.presets import Images, preset_names
from flows.forms.shown import shown

Launcher = Literal["as set", "local", "kubernetes"]
Where = Literal["a clone of its own", "this workspace"]
AS_SET: Launcher = get_args(Launcher)[0]
CLONE: Where = get_args(Where)[0]
HERE: Where = get_args(Where)[1]


def _stages() -> list[str]:
    """Stages of the current folder's dvc.yaml; if that cannot be read, the run will say so, and why."""
    try:
        return [str(name) for name in read_yaml(Path("dvc.yaml")).get("stages") or ()]
    except ConfigError:
        return []


PresetField = Annotated[
    str,
    shown(
        "Preset",
        "Parameters to start from: the workspace's own params.yaml, or one of presets/. The images stay the "
        "workspace's, but for those of the built-in sample.",
        preset_names(Path()),
        max_length=100,
    ),
]
ImagesField = Annotated[
    tuple[Images, ...], shown("Images", "Where images come from instead. None: as the preset says.", max_length=20)
]
OverridesField = Annotated[
    tuple[Override, ...],
    shown("Overrides", "What this run has otherwise in params.yaml; checked before anything runs.", max_length=50),
]
StagesField = Annotated[
    tuple[Annotated[str, shown("Stage", "Of dvc.yaml.", _stages(), max_length=100)], ...],
    shown("Stages", "To bring up to date, with all that they need. None: every stage.", max_length=50),
]
LauncherField = Annotated[
    Launcher,
    shown("Launcher", "Where the jobs of stages run. As set: where DINOV2_LAUNCHER says."),
]
ForceField = Annotated[bool, shown("Run again", "Run the stages even if nothing that they depend on has changed.")]
NameField = Annotated[
    str,
    shown(
        "Name",
        "Of the run, its folder var/runs/NAME and its branch runs/NAME: lower-case letters, digits and hyphens. A run "
        "that is there goes on from where it was. None: the time and a number.",
        max_length=63,
        pattern=f"^({NAME})?$",
    ),
]
WhereField = Annotated[
    Where,
    shown("Where", "With a clone the workspace stays as it is. In the workspace its own params.yaml counts."),
]
