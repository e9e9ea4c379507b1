"""Orchestration with Prefect. Importing any of it first settles where Prefect lives (see `environment`)."""

from flows.environment import set_defaults

set_defaults()
