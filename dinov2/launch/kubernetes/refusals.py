"""Which cluster this process speaks to, and what its API server refuses: every refusal in one line."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dinov2.errors import ConfigError, UserError
from dinov2.launch.kubernetes.values import Manifest

if TYPE_CHECKING:
    from kubernetes.client import ApiException, Configuration

NOT_FOUND, CONFLICT = 404, 409
PASSING = (0, 409, 429, 500, 502, 503, 504)
"""Statuses that another attempt may not meet; 0 is a TLS handshake that did not end well."""
ROLE = "the Role of k8s/ allows exactly what is needed"


def told(error: "ApiException", namespace: str, host: str) -> UserError:
    """An answer that no other attempt would change, in one line."""
    words = one_line(message(error))
    if error.status == 401:
        return ConfigError(f"the Kubernetes API at {host} does not know these credentials ({_source()})")
    if error.status == 403 and " cannot " in words:
        return ConfigError(f"{words}; {ROLE}")
    if error.status == NOT_FOUND and _details(error).get("kind") == "namespaces":
        return ConfigError(f"k8s/jobs.yaml: namespace: {namespace!r}: the cluster at {host} has no such namespace")
    return UserError(f"the Kubernetes API at {host} refuses: {words}")


def cluster_of_environment() -> "Configuration":
    """The cluster of KUBECONFIG (its current context), else the one that this process runs in.

    Raises:
        ConfigError: there is neither.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        if file := _kubeconfig():
            config.load_kube_config(file, client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise ConfigError(f"no Kubernetes cluster: {_source()}: {one_line(str(error))}") from None
    configuration.retries = False
    return configuration


def _kubeconfig() -> str:
    """The file, or files with `:` between them; empty when there is none. The client looks once, when imported."""
    usual = Path.home() / ".kube" / "config"
    return os.environ.get("KUBECONFIG") or (str(usual) if usual.is_file() else "")


def _source() -> str:
    file = _kubeconfig()
    return f"KUBECONFIG={file}" if file else "KUBECONFIG is not set, and this is no pod with a service account"


def _body(error: "ApiException") -> Manifest:
    try:
        body = json.loads(error.body or "")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def message(error: "ApiException") -> str:
    """What the API server says."""
    return _body(error).get("message") or error.body or error.reason or f"status {error.status}"


def _details(error: "ApiException") -> Manifest:
    return _body(error).get("details") or {}


def means_the_object(error: "ApiException") -> bool:
    """Whether it is the object that is not there, or there already: no missing namespace, and no race for a quota."""
    if error.status == NOT_FOUND:
        return _details(error).get("kind") != "namespaces"
    return _body(error).get("reason") == "AlreadyExists"


def passing(error: "ApiException") -> bool:
    """A server that starts knows no roles yet, and refuses what it will allow."""
    return error.status in PASSING or (error.status == 403 and ": RBAC: " in message(error))


def one_line(text: str) -> str:
    """`text` without line breaks."""
    return " ".join(text.split())
