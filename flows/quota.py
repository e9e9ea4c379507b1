"""GPUs of a quota that all runs share: the global concurrency limit `dinov2-gpus` of Prefect, if there is one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from httpx import HTTPError
from prefect import get_run_logger
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from dinov2.errors import ConfigError
from flows.client import client
from flows.limits import GPUS

LEASE_S = 300.0
"""After which the GPUs of a run that died are free again."""


class QuotaError(Exception):
    """Prefect's server could not be asked for GPUs."""


@contextmanager
def held(gpus: int) -> Iterator[None]:
    """Wait until so many GPUs of the quota are free, and hold them while the block runs; without a quota do neither.

    A server that is away later does not end the block, whose GPUs may then be given to another run.

    Raises:
        ConfigError: the whole quota is less.
        QuotaError: the server cannot be asked.
    """
    if not gpus or (limit := _limit()) is None:
        yield
        return
    if gpus > limit:
        raise ConfigError(
            f"{gpus} GPUs: more than the quota ({GPUS}: {limit}); ask for fewer processes or nodes, or have whoever "
            "runs `make up` raise DINOV2_GPU_QUOTA"
        )
    logger, stack = get_run_logger(), ExitStack()
    logger.info("waiting for %d of the %d GPUs of the quota %s", gpus, limit, GPUS)
    try:
        slots = concurrency(GPUS, occupy=gpus, lease_duration=LEASE_S, raise_on_lease_renewal_failure=False)
        stack.enter_context(slots)
    except Exception as error:  # Prefect has several kinds, and HTTP has others
        raise QuotaError(f"{GPUS}: {type(error).__name__}: {error}") from error
    try:
        yield
    finally:
        try:
            stack.close()
        except Exception as error:  # the work of the block is done, and the lease ends by itself
            logger.warning("%s: not given back: %s: %s", GPUS, type(error).__name__, error)


def _limit() -> int | None:
    try:
        with client() as prefect:
            found = prefect.read_global_concurrency_limit_by_name(GPUS)
    except ObjectNotFound:
        return None
    except HTTPError as error:
        raise QuotaError(f"{GPUS}: {type(error).__name__}: {error}") from error
    return found.limit if found.active else None
