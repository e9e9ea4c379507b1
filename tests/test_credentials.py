import pytest

from dinov2.credentials import credential_in_url, masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://key:hunter2@bucket/prefix", "s3://***@bucket/prefix"),
        ("http://me:p@ssw0rd@example.com/a", "http://***@example.com/a"),
        ("https://hunter2@example.com/a", "https://***@example.com/a"),
        ("postgresql://me:hunter2@db/mlflow", "postgresql://***@db/mlflow"),
        ("https://s3/pool?a=1&X-Amz-Signature=hunter2", "https://s3/pool?a=1&X-Amz-Signature=***"),
        ("abfs://pool@account/x?sv=2024&sig=hunter2", "abfs://***@account/x?sv=2024&sig=***"),
    ],
)
def test_a_credential_in_a_url_is_found_and_hidden(url: str, shown: str) -> None:
    assert credential_in_url(url)
    assert masked(url) == shown
    assert masked(f"cannot read {url!r}: no") == f"cannot read {shown!r}: no"


@pytest.mark.parametrize(
    "url", ["var/store", "s3://bucket/a:b@c", "sqlite:///var/mlflow.db", "http://[::1]:9000", "https://x/?a=1&b=2"]
)
def test_what_holds_none_is_shown_as_it_is(url: str) -> None:
    assert credential_in_url(url) is None
    assert masked(url) == url
