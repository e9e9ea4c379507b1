"""Where a URL leads; none holds a password."""

import os
from functools import lru_cache
from typing import Any

import fsspec

from dinov2.credentials import credential_in_url, masked
from dinov2.errors import ConfigError

S3_SCHEMES = ("s3://", "s3a://")


def locate_url(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, this process's own, and the path on it.

    Raises:
        ConfigError: it holds a credential.
        ImportError, ValueError: its scheme is not installed.
    """
    if why := credential_in_url(url):
        raise ConfigError(f"{masked(url)}: {why}; credentials belong into the environment or a profile")
    if not url.startswith(S3_SCHEMES):
        fs, path = fsspec.core.url_to_fs(url)
        return fs, str(path)
    fs = _s3(os.getpid(), "versionId=" in url)
    return fs, fs._strip_protocol(url)


@lru_cache
def _s3(_process: int, version_aware: bool) -> Any:
    """One for all threads of a process, unlike fsspec's own: making a client takes as long as many requests."""
    from dinov2.storage.s3 import S3  # takes half a second, which local stores need not spend

    return S3(version_aware=version_aware, skip_instance_cache=True)
