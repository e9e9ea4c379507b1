"""Images that are not any more what they were found to be: ingest looks at them again."""

import hashlib

from dinov2.data.download import is_remote
from dinov2.data.url_list import downloaded
from dinov2.storage import Store

FOLDER = "ingest/doubted"

NAME_SQL = f"'{FOLDER}/' || sha256 || '-' || sha256(coalesce(stored, uri))"
"""The name of the doubt about a row of `looked.LOOKED`, in SQL."""


def doubt(store: Store, uri: str, sha256: str) -> None:
    """Note, in a blob whose name says it all, that `uri` does not lead to bytes of this digest any more.

    What is known of the image counts no longer, until ingest finds the same again. A download is removed, so that it is
    had again; but only once: who doubts the same later has an old manifest, and what lies there by then may be right.

    Args:
        store: where.
        uri: of the image, as the manifest has it.
        sha256: as well.
    """
    name = f"{FOLDER}/{sha256}-{hashlib.sha256(uri.encode()).hexdigest()}"
    if store.exists(name):
        return
    if is_remote(uri):
        store.delete(downloaded(uri))
    store.write(name, uri.encode())
