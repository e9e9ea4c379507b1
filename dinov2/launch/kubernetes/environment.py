"""What the pods of a job are told of this process's environment: where things live, and how training is done."""

import os

from dinov2.errors import ConfigError
from dinov2.launch.kubernetes.credentials import credential_in
from dinov2.settings import Settings

HERE = {
    *("launcher", "processes", "nodes", "rerun", "rerun_for", "jobs", "scratch", "threads", "workers", "device"),
    *("gpu_hour_price", "retry_seconds", "mlflow_url"),
}
"""Settings of this machine; those of the pods follow from k8s/jobs.yaml."""
CARRIED = (
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_MAX_ATTEMPTS"),
    *("AWS_RETRY_MODE", "AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"),
    *("MLFLOW_S3_ENDPOINT_URL", "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"),
    *("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"),
)
"""Variables of other libraries that pods get as they are here."""


def pod_environment(settings: Settings) -> dict[str, str]:
    """Variables for every pod: the settings that were given here, and where S3 is. No credentials.

    Raises:
        ConfigError: the store or MLflow is where no pod could reach it, or a URL holds a credential.
    """
    given = settings.model_fields_set - HERE - (set() if _needs_artifacts(settings) else {"artifacts"})
    found = {name: os.environ[name] for name in CARRIED if os.environ.get(name)}
    found |= {_variable(name): _spelt(getattr(settings, name)) for name in sorted(given | {"store", "tracking"})}
    for name, value in found.items():
        if why := credential_in(name, value):
            raise ConfigError(f"{name}: {why}; pods get credentials from the Secrets that k8s/jobs.yaml lists")
    _check_reach(settings)
    return found


def _check_reach(settings: Settings) -> None:
    if _is_relative(settings.store):
        raise _unreachable("store", settings, "s3://bucket/prefix, or a path where k8s/jobs.yaml mounts a volume")
    if settings.checkpoints and _is_relative(settings.checkpoints):
        raise _unreachable("checkpoints", settings, "s3://bucket/prefix")
    if _is_local_database(settings.tracking):
        raise _unreachable("tracking", settings, "the URL of an MLflow server, http://…")
    if _needs_artifacts(settings) and _is_relative(settings.artifacts):
        raise _unreachable("artifacts", settings, "s3://bucket/prefix")


def _needs_artifacts(settings: Settings) -> bool:
    """Whether MLflow's clients put artifacts there themselves: a server has a place of its own."""
    return not settings.tracking.startswith(("http://", "https://", "databricks"))


def _is_local_database(tracking: str) -> bool:
    return tracking.startswith(("sqlite:", "file:")) or not ("://" in tracking or tracking.startswith("databricks"))


def _is_relative(url: str) -> bool:
    return "://" not in url and not url.startswith("/")


def _unreachable(name: str, settings: Settings, wanted: str) -> ConfigError:
    return ConfigError(f"{_variable(name)}: {getattr(settings, name)!r}: pods cannot reach it; wanted: {wanted}")


def _variable(name: str) -> str:
    return f"DINOV2_{name.upper()}"


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
