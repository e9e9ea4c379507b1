"""What must not stand in a manifest, for everyone who may look at a Job may read it."""

import re

from dinov2.credentials import SECRET, credential_in_url

PLACE = re.compile(r"_(FILE|PATH|DIR)$")
"""Ends the name of a variable that says where a credential is mounted."""


def credential_in(name: str, value: str) -> str | None:
    """What makes an environment variable a secret, never with its value; None if nothing does."""
    if SECRET.search(name) and not PLACE.search(name) and value:
        return "by its name it is a credential"
    return credential_in_url(value)
