"""The pipeline: every stage of `dvc.yaml`, in order, as a flow. `python -m flows.pipeline [STAGE...] [--force]`."""

import argparse
import signal
import sys
from collections.abc import Sequence

from prefect import flow

from dinov2.errors import EXIT_USER_ERROR, UnreachableError, UserError
from dinov2.runs.clone import clone
from dinov2.runs.names import FOLDER, checked
from dinov2.runs.run import Run, environment
from dinov2.settings import load_settings, workspace
from dinov2.stages.context import open_workspace
from flows.artifacts import summary
from flows.attempts import BEGUN, note, params_before
from flows.bring import bring_up_to_date, raise_failure
from flows.failure import StageError
from flows.forms import fields
from flows.forms.checked import check_stages, checked_params, refuse_here
from flows.forms.presets import WORKSPACE
from flows.locks import sole_pipeline
from flows.lossy import spare_output
from flows.naming import run_name
from flows.recording import record_run
from flows.say import only_once, patience
from flows.servers import ServerError, ensure_prefect
from flows.table import print_table


@flow(name="pipeline", flow_run_name=run_name)
def pipeline(
    preset: fields.PresetField = WORKSPACE,
    images: fields.ImagesField = (),
    overrides: fields.OverridesField = (),
    stages: fields.StagesField = (),
    launcher: fields.LauncherField = fields.AS_SET,
    force: fields.ForceField = False,
    name: fields.NameField = "",
    where: fields.WhereField = fields.CLONE,
) -> None:
    """Bring the stages of dvc.yaml up to date, one after another, in a clone of the workspace or in the workspace.

    A stage that fails takes with it only what reads from it. Outputs and `dvc.lock` are those of `dvc repro`. A retry
    goes on from where the run was.

    Raises:
        ConfigError: a field of the form is wrong, or another pipeline runs here; nothing has run.
        StageError: a stage failed (the first that did).
    """
    only_once()
    origin, called, here = workspace(), checked(name or run_name()), where == fields.HERE
    variables: dict[str, str] = {} if launcher == fields.AS_SET else {"DINOV2_LAUNCHER": launcher}
    settings = load_settings(variables)
    if here:
        refuse_here(preset, images, overrides)
    else:
        check_stages(origin, stages)
    params = params_before(origin / FOLDER / called) or checked_params(origin, settings, preset, images, overrides)
    with sole_pipeline(origin, called, patience()):
        if here:
            run = Run(called, origin, origin)
        else:
            run = clone(origin, called, params)
            note(run.root, BEGUN)
            variables = environment(run, settings) | variables
        done = bring_up_to_date(run, stages, force, variables)
        print_table(run.root, done)
        summary(run, done)
        raise_failure(done)
        record_run(run, settings, "pipeline", done)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the pipeline in the current folder; 0, or 2 for the user's own mistake, 1 for a failed stage."""
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description=pipeline.__doc__)
    parser.add_argument("stages", nargs="*", help="bring only these up to date, and what they need")
    parser.add_argument("--force", action="store_true", help="run them even if nothing has changed")
    options = parser.parse_args(arguments)
    spare_output()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        ensure_prefect(open_workspace().root)
        pipeline(stages=tuple(options.stages), force=options.force, where=fields.HERE)
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_USER_ERROR
    except StageError as error:
        print(f"\n{error}", file=sys.stderr)
        return EXIT_USER_ERROR if error.code == EXIT_USER_ERROR else 1
    except (ServerError, UnreachableError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the next run goes on from here", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
