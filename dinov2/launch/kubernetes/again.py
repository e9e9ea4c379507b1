"""Jobs that are run again though they have finished: once for each who asks, however often they try.

jobs/NAME/again     DINOV2_RERUN_FOR of whoever had it run again last
"""

from dinov2.launch.kubernetes.exchange import FOLDER
from dinov2.settings import Settings
from dinov2.storage import Store


def wanted(name: str, settings: Settings, store: Store) -> bool:
    """Whether a job that has finished is to be run again."""
    return settings.rerun and not (settings.rerun_for and _last(name, store) == settings.rerun_for)


def begun(name: str, settings: Settings, store: Store) -> None:
    """Note that whoever asked for it has the job running: one that finishes from now on is theirs."""
    if settings.rerun and settings.rerun_for:
        store.write(_place(name), settings.rerun_for.encode())


def _last(name: str, store: Store) -> str:
    try:
        return store.read(_place(name)).decode()
    except FileNotFoundError:
        return ""


def _place(name: str) -> str:
    return f"{FOLDER}/{name}/again"
