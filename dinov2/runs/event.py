"""The event by which `dinov2 announce` tells of new data, and Prefect's automations know of it."""

EVENT = "dinov2.data.announced"
POOL = "dinov2.pool"
"""What the event is about."""
