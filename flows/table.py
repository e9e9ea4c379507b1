"""What a run was, for its terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dinov2.stages import files
from flows.stage import Timed


def print_table(root: Path, stages: Sequence[Timed]) -> None:
    """Print how each stage of the workspace `root` went and where to look further."""
    table = Table("stage", "", "time", box=None, header_style="bold")
    for timed in stages:
        table.add_row(timed.stage, timed.outcome, f"{timed.seconds:.1f} s")
    table.add_row("total", "", f"{sum(timed.seconds for timed in stages):.1f} s", style="bold")
    console = Console()
    console.print()
    console.print(table)
    report = root / files.REPORT
    if report.is_file():
        console.print(f"\nReport: {report}", soft_wrap=True)
    console.print("Runs, curves and models: `make up` starts Prefect and MLflow and gives their addresses.")
