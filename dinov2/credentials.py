"""Credentials in URLs: what everyone may read, such as parameters, manifests, logs and receipts, must hold none."""

import re
from urllib.parse import parse_qsl, urlsplit

SECRET = re.compile(
    r"passw(or)?d|auth_?string|secret|token(?!iz)|credential|private|(access|api|account)_?key|signature|(^|_)sig$",
    re.IGNORECASE,
)
"""In the name of a variable, or of a part of a URL's query."""
USER = re.compile(r"(?<=://)[^/?#\s]+(?=@)")
QUERY = re.compile(r"(?<=[?&])([^=&\s]+)=[^&\s'\"]+")


def credential_in_url(url: str) -> str | None:
    """What makes a URL a secret, never with its value; None if nothing does."""
    if "://" not in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return "its URL cannot be read"
    # Elsewhere what stands before the @ need not be secret: abfs://container@account.
    if parts.password is not None or (parts.username and parts.scheme in ("http", "https")):
        return "its URL has a user or password"
    if any(SECRET.search(key) for key, _ in parse_qsl(parts.query, keep_blank_values=True)):
        return "its URL is signed or has a token"
    return None


def masked(text: str) -> str:
    """`text` with the credentials of its URLs hidden."""
    return QUERY.sub(lambda found: f"{found[1]}=***" if SECRET.search(found[1]) else found[0], USER.sub("***", text))
