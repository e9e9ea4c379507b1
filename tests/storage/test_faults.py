"""What s3fs was seen to raise, and what has to be done about it."""

import errno
import os

import pytest
from aiohttp import ClientPayloadError, ServerDisconnectedError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
)
from s3fs.errors import translate_boto_error

from dinov2.errors import ConfigError, DataError, MissingBucketError, UnreachableError, UserError
from dinov2.storage.faults import in_short, lasting

URL = "s3://bucket/prefix/blob"


def answer(code: str, status: int, message: str = "") -> ClientError:
    told = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, "PutObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://store"),
        ReadTimeoutError(endpoint_url="http://store"),
        ServerDisconnectedError(),
        ClientPayloadError("cut short"),
        ConnectionResetError(),
        TimeoutError(),
        OSError(errno.EIO, "I/O error"),
        OSError(errno.ESTALE, "stale handle"),
        *(
            answer(code, status)
            for code, status in [
                ("ServiceUnavailable", 503), ("InternalError", 500), ("502", 502), ("SlowDown", 503), ("429", 429),
                ("RequestTimeout", 400), ("BadDigest", 400), ("XAmzContentSHA256Mismatch", 400), ("NoSuchUpload", 404),
            ]
        ),
    ],
    ids=repr,
)  # fmt: skip
def test_what_may_pass_is_waited_for(error: Exception) -> None:
    assert lasting(error, URL) is None
    if isinstance(error, ClientError):
        assert lasting(translate_boto_error(error), URL) is None


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (answer("NoSuchBucket", 404, "None"), MissingBucketError, "there is no such bucket"),
        (answer("InvalidBucketName", 400, "Not valid"), ConfigError, "InvalidBucketName: Not valid; a bucket's name"),
        (answer("PermanentRedirect", 301), ConfigError, "PermanentRedirect; a bucket's name, region"),
        (answer("InvalidAccessKeyId", 403), UserError, "the access key is not known there (InvalidAccessKeyId); keys"),
        (answer("SignatureDoesNotMatch", 403), UserError, "the secret key does not belong to the access key"),
        (answer("ExpiredToken", 400), UserError, "the session token has expired (ExpiredToken); keys come from AWS_"),
        (answer("RequestTimeTooSkewed", 403), UserError, "the clock of this machine is wrong"),
        (answer("InsufficientStorage", 507, "No room"), UserError, "the store is full (InsufficientStorage: No room)"),
        (answer("QuotaExceeded", 403), UserError, "the store is full (QuotaExceeded)"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), UserError, "the store is full (No space left on device)"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), UserError, "the store is full (Disk quota exceeded)"),
        (NoCredentialsError(), UserError, "Unable to locate credentials; keys come from AWS_ACCESS_KEY_ID"),
        (PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"), UserError, "Partial credentials"),
        (ProfileNotFound(profile="none"), UserError, "The config profile (none) could not be found; keys come from"),
        (SSLError(endpoint_url="x", error="CERTIFICATE_VERIFY_FAILED"), UserError, "its certificate cannot be verif"),
        (BotoCoreError(), ConfigError, "An unspecified error occurred"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else "",
)
def test_what_somebody_has_to_mend_is_told_in_one_line_with_its_url(
    error: Exception, kind: type[Exception], said: str
) -> None:
    for seen in (error, translate_boto_error(error)):
        told = lasting(seen, URL)
        assert type(told) is kind
        assert str(told).startswith(f"{URL}: {said}")
        assert "\n" not in str(told)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("gone"), IsADirectoryError(), OSError(errno.ENAMETOOLONG, "too long"), KeyError("a fault"),
        ParamValidationError(report="name"), DataError("told"), UnreachableError("told"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_said_of_a_file_or_is_a_fault_of_ours_stays_what_it_is(error: Exception) -> None:
    assert lasting(error, URL) is error


def test_what_is_refused_stays_an_error_of_the_system_that_says_why() -> None:
    told = lasting(translate_boto_error(answer("AccessDenied", 403, "Not yours")), URL)
    assert isinstance(told, PermissionError)
    assert told.filename == URL
    assert str(told.strerror).startswith("access refused (AccessDenied: Not yours); keys come from")
    assert isinstance(lasting(translate_boto_error(answer("NoSuchKey", 404)), URL), FileNotFoundError)


def test_what_a_server_answers_is_told_in_one_line() -> None:
    full = translate_boto_error(answer("ServiceUnavailable", 503, "Please reduce\nyour request rate."))
    assert in_short(full) == (
        "answer 503 ServiceUnavailable: Please reduce your request rate; the server is overloaded, full or broken"
    )
    assert in_short(answer("SlowDown", 429)) == "answer 429 SlowDown"
    assert in_short(ConnectionError()) == "ConnectionError: ConnectionError"
