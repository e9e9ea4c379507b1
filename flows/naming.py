"""What a flow run is called, in Prefect's pages and as a folder and a branch."""

from datetime import UTC

from prefect.context import FlowRunContext


def run_name() -> str:
    """The name that its parameters give the flow run of this process, else one that all of its attempts have.

    Raises:
        RuntimeError: this is no flow run.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.created is None:
        raise RuntimeError("a run's name is asked for outside of a flow run")
    made = context.flow_run.created.astimezone(UTC)
    return str((context.parameters or {}).get("name") or f"{made:%Y%m%d-%H%M%S}-{str(context.flow_run.id)[:4]}")
