from typing import Any

import pytest
from s3fs import S3FileSystem

from dinov2.storage.s3 import S3


def test_what_the_server_refuses_to_delete_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: S3, method: str, *__: Any, **told: Any) -> dict[str, Any]:
        assert method == "delete_objects"
        assert [each["Key"] for each in told["Delete"]["Objects"]] == ["a", "b/c"]
        return {"Errors": [{"Key": "b/c", "Code": "AccessDenied"}]}

    async def expanded(*_: Any, **__: Any) -> list[str]:
        return ["bucket/a", "bucket/b/c"]

    monkeypatch.setattr(S3FileSystem, "_call_s3", answer)
    monkeypatch.setattr(S3FileSystem, "_expand_path", expanded)
    with pytest.raises(PermissionError, match="not deleted: AccessDenied"):
        S3(key="k", secret="s", skip_instance_cache=True).rm(["bucket/a", "bucket/b/c"])
