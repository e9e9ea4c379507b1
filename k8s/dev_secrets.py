"""Secrets of the dev overlay, made up anew each time: `python -m k8s.dev_secrets | kubectl create -f -`.

They are written nowhere but into the cluster. `create` refuses those that exist: the databases were made with them.
"""

import json
import secrets
import sys
from typing import Any

PLATFORM, JOBS = "dinov2-platform", "dinov2"


def dev_secrets() -> list[dict[str, Any]]:
    """The Secrets that the dev overlay and its jobs refer to."""
    keys = {"AWS_ACCESS_KEY_ID": _random(8), "AWS_SECRET_ACCESS_KEY": _random(24)}
    prefect = {"database-password": _random(24), "auth-string": f"admin:{_random(24)}"}
    mlflow = {"database-password": _random(24), **keys}
    return [
        _secret(PLATFORM, "postgres", {"password": _random(24)}),
        _secret(PLATFORM, "prefect", prefect),
        _secret(PLATFORM, "mlflow", mlflow),
        _secret(PLATFORM, "dinov2-s3", keys),
        _secret(JOBS, "dinov2-s3", keys),
    ]


def _random(length: int) -> str:
    return secrets.token_hex(length)


def _secret(namespace: str, name: str, values: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


if __name__ == "__main__":
    json.dump({"apiVersion": "v1", "kind": "List", "items": dev_secrets()}, sys.stdout)
