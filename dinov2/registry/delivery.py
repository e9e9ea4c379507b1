"""What the messages of a run mean to MLflow."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from dinov2.registry.client import connect, experiment_id
from dinov2.registry.outbox import Message
from dinov2.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST_TAG = "dinov2.digest"
INPUT_TAG = "dinov2.input."
METRICS_AT_ONCE = 1000
PARAMS_AT_ONCE = 100


def unreachable() -> tuple[type[Exception], ...]:
    """What MLflow's client raises when its server, its artifacts' store or the disk cannot be reached."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, OSError, Boto3Error, BotoCoreError, ClientError)


class Delivery:
    """Sends messages to the run whose tag `dinov2.digest` is `digest`; to send some again does no harm.

    Attributes:
        opened: set when the run has been found or made.
        run_id: MLflow's name of it; empty before.
    """

    def __init__(self, settings: Settings, root: Path, digest: str, opening: Message) -> None:
        """Nothing is sent yet; `opening` is the message that the run is found or made by."""
        self._settings, self._root, self._digest, self._opening = settings, root, digest, opening
        self._client: MlflowClient | None = None
        self.opened = threading.Event()
        self.run_id = ""

    def __call__(self, messages: list[Message]) -> None:
        """Send messages in order, neighbouring figures together.

        Raises:
            MlflowException, SQLAlchemyError, OSError and more: what `unreachable` lists.
        """
        if self._client is None:
            self._client = connect(self._settings, self._root)
        if not self.run_id:  # what earlier work could not send goes first, and knows no run
            self._open(self._client, self._opening)
        metrics: list[Message] = []
        for message in messages:
            if message["kind"] == "metric":
                metrics.append(message)
                continue
            self._log(self._client, metrics)
            metrics = []
            if message["kind"] == "open":
                self._open(self._client, message)
            elif message["kind"] == "curve":
                self._log(self._client, self._lacking(self._client, message))
            elif message["kind"] == "picture" and Path(message["path"]).is_file():
                self._client.log_artifact(self.run_id, message["path"])
            elif message["kind"] == "picture":
                print(f"tracking: {message['path']}: gone before it was sent", file=sys.stderr, flush=True)
            else:
                self._client.set_terminated(self.run_id, message["status"])
        self._log(self._client, metrics)

    def _open(self, client: "MlflowClient", message: Message) -> None:
        from mlflow.entities import Param

        experiment = experiment_id(client, self._settings, self._root)
        found = client.search_runs([experiment], f"tags.`{DIGEST_TAG}` = '{self._digest}'", max_results=1)
        if found:
            run = found[0]
            client.update_run(run.info.run_id, status="RUNNING")
        else:
            tags = {f"{INPUT_TAG}{name}": value for name, value in message["inputs"].items()}
            tags = {DIGEST_TAG: self._digest, **tags}
            run = client.create_run(experiment, tags=tags, run_name=message["name"])
        known = run.data.params  # MLflow refuses a second value of a parameter
        params = [Param(key, value) for key, value in sorted(message["params"].items()) if key not in known]
        for start in range(0, len(params), PARAMS_AT_ONCE):
            client.log_batch(run.info.run_id, params=params[start : start + PARAMS_AT_ONCE])
        self.run_id = run.info.run_id
        self.opened.set()

    def _lacking(self, client: "MlflowClient", message: Message) -> list[Message]:
        """Figures of a curve's rows that the run does not have: who should have sent them is no more."""
        keys = sorted({key for row in message["rows"] for key in row["metrics"]})
        known = {(key, point.step) for key in keys for point in client.get_metric_history(self.run_id, key)}
        return [
            {"key": key, "value": value, "step": row["step"], "timestamp": message["timestamp"]}
            for row in message["rows"]
            for key, value in row["metrics"].items()
            if (key, row["step"]) not in known
        ]

    def _log(self, client: "MlflowClient", messages: list[Message]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(each["key"], each["value"], each["timestamp"], each["step"]) for each in messages]
        for start in range(0, len(metrics), METRICS_AT_ONCE):
            client.log_batch(self.run_id, metrics[start : start + METRICS_AT_ONCE])
