"""Files that are whole or absent: atomic local writes, the store behind an fsspec URL, digests, and patience."""

from dinov2.storage.files import atomic_path, digest, file_sha256, write_json, write_text
from dinov2.storage.patience import retried
from dinov2.storage.places import locate_url
from dinov2.storage.store import Store

__all__ = [
    "Store", "atomic_path", "digest", "file_sha256", "locate_url", "retried", "write_json", "write_text",
]  # fmt: skip
