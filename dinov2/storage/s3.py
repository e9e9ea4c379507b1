"""s3fs as this project uses it: every request waits for a server that is away, also in the middle of a large file."""

import asyncio
import errno
import math
import os
from typing import Any

import fsspec
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem

from dinov2.storage.faults import CUT_SHORT, code_of, lasting
from dinov2.storage.patience import Patience

CHUNK = 16 * 2**20
"""Bytes of a part of a large object; a transfer holds `CONCURRENCY` of them in memory."""
CONCURRENCY = 8
MOST_PARTS = 10_000
CONFIG = {
    "connect_timeout": 5,
    "read_timeout": 30,
    # s3fs tries again when an answer is cut short; what takes longer is up to `Patience`, which says so and has an end.
    "retries": {"mode": "standard", "total_max_attempts": 1},
    "max_pool_connections": 32,
}


class S3(S3FileSystem):
    """An S3 server. Keys come from the environment, a profile or a web identity, as botocore finds them.

    Requests carry a checksum (CRC32, and over plain HTTP a SHA-256 that is signed), which the server compares with what
    arrives; answers are checked where the server sends one.
    """

    retries = 3
    default_block_size = CHUNK

    def __init__(self, **options: Any) -> None:
        """Options of s3fs go before ours."""
        config = CONFIG | options.pop("config_kwargs", {})
        # Listings that are remembered would hide what other processes write.
        ours = {"config_kwargs": config, "max_concurrency": CONCURRENCY, "use_listings_cache": False}
        super().__init__(**(ours | options))

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        patience = Patience(f"s3://{kwargs.get('Bucket', '')}/{kwargs.get('Key', kwargs.get('Prefix', ''))}")
        while True:
            try:
                answer = await super()._call_s3(method, *akwarglist, **kwargs)
            except Exception as error:
                # s3fs goes by the kind of an error: the caller outside says what it means. An upload that is given up
                # is not worth waiting for.
                if lasting(error, "") or code_of(error) in CUT_SHORT or method == "abort_multipart_upload":
                    raise
                wait = patience.after(error)
            else:
                patience.over()
                return answer
            await asyncio.sleep(wait)

    call_s3 = sync_wrapper(_call_s3)

    async def _cat_file(self, path: str, *args: Any, max_concurrency: int | None = None, **kwargs: Any) -> bytes:
        # In one request: with more, s3fs asks for the size of each file first.
        return await super()._cat_file(path, *args, max_concurrency=max_concurrency or 1, **kwargs)

    async def _put_file(self, lpath: str, rpath: str, *args: Any, chunksize: int | None = None, **kwargs: Any) -> None:
        chunksize = chunksize or max(CHUNK, math.ceil(os.path.getsize(lpath) / MOST_PARTS))  # noqa: PTH202
        await super()._put_file(lpath, rpath, *args, chunksize=chunksize, **kwargs)

    async def _bulk_delete(self, pathlist: list[str], **kwargs: Any) -> list[str]:
        # s3fs takes no notice of the keys that the server refuses to delete.
        if not pathlist:
            return []
        keys = [self.split_path(path)[1] for path in pathlist]
        listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        bucket = self.split_path(pathlist[0])[0]
        answer = await self._call_s3("delete_objects", kwargs, Bucket=bucket, Delete=listed)
        for refused in answer.get("Errors", []):
            number = errno.EACCES if refused.get("Code") == "AccessDenied" else errno.EIO
            raise OSError(number, f"not deleted: {refused.get('Code')}", f"s3://{bucket}/{refused.get('Key')}")
        return keys

    @staticmethod
    def close_session(loop: Any, s3: Any) -> None:
        """Close connections, but not those of a process that this one was forked from: its loop is not here."""
        if loop is fsspec.asyn.loop[0]:
            S3FileSystem.close_session(loop, s3)
