"""What went wrong with a store: what may pass if one waits, and what somebody has to mend."""

import errno
import http.client
from typing import Any

from aiohttp import ClientError as AiohttpError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from dinov2.errors import ConfigError, MissingBucketError, UnreachableError, UserError

PASSING = (
    AiohttpError, BotoConnectionError, CredentialRetrievalError, FlexibleChecksumError, HTTPClientError,
    IncompleteReadError, MetadataRetrievalError, ResponseParserError, http.client.HTTPException,
)  # fmt: skip
"""Errors of connections and of services that hand out keys, most of which are no OSError."""
LASTING = frozenset(
    (errno.EINVAL, errno.ENAMETOOLONG, errno.EPERM, errno.EROFS, errno.ELOOP, errno.EFBIG, errno.ENOSYS, errno.EMSGSIZE)
)
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))

AGAIN_STATUSES = frozenset((408, 409, 425, 429))
AGAIN = frozenset(
    ("SlowDown", "RequestTimeout", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "OperationAborted")
)
"""Answers below 500 that may pass; two of them say that bytes were damaged on their way."""
CUT_SHORT = frozenset(("NoSuchUpload", "InvalidPart"))
"""Answers after which a multipart upload has to begin anew."""
FULL_CODES = frozenset(("InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"))
FULL_STATUS = 507
NEVER = (501, 505)
"""Statuses of a server that cannot do what it is asked."""
KEY_CODES = {
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "TokenRefreshRequired": "the session token has to be renewed",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
}
PLACE_CODES = frozenset(
    (
        "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidBucketName",
        "InvalidURI", "PermanentRedirect",
    )
)  # fmt: skip
KEYS = "keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a web identity"


def lasting(error: Exception, where: str) -> Exception | None:
    """What to raise when waiting cannot cure `error`, else None.

    Args:
        error: of fsspec, s3fs, botocore, aiohttp or the system.
        where: the URL that it is about.

    Returns:
        A `UserError` of one line where somebody has to mend something, such as a key, a bucket or a full store;
        `error` itself, such as FileNotFoundError, where it says something about the file alone.
    """
    if isinstance(error, UserError | UnreachableError):
        return error
    if answer := _answer(error):
        return _told(error, where, *answer)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return UserError(f"{where}: {_line(error)}; {KEYS}")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return UserError(f"{where}: its certificate cannot be verified: {_line(error)}")
    if isinstance(error, PASSING):
        return None
    if isinstance(error, ParamValidationError):
        return error
    if isinstance(error, BotoCoreError):
        return ConfigError(f"{where}: {_line(error)}")
    return _of_the_system(error, where)


def _told(error: Exception, where: str, code: str, status: int, message: str) -> Exception | None:
    """As `lasting`, of a server's answer."""
    said = f"{code}: {message}" if message and message != code else code
    if code in KEY_CODES:
        return UserError(f"{where}: {KEY_CODES[code]} ({code}); {KEYS}")
    if code == "NoSuchBucket":
        return MissingBucketError(f"{where}: there is no such bucket")
    if status == FULL_STATUS or code in FULL_CODES:
        return UserError(f"{where}: the store is full ({said})")
    if code in PLACE_CODES:
        return ConfigError(f"{where}: {said}; a bucket's name, region or AWS_ENDPOINT_URL is wrong")
    if (status >= 500 and status not in NEVER) or status in AGAIN_STATUSES or code in AGAIN or code in CUT_SHORT:
        return None
    if status in (401, 403):
        return PermissionError(errno.EACCES, f"access refused ({said}); {KEYS}", where)
    return error


def _of_the_system(error: Exception, where: str) -> Exception | None:
    if not isinstance(error, OSError):
        return error
    if error.errno in FULL:
        return UserError(f"{where}: the store is full ({error.strerror})")
    kinds = (FileNotFoundError, PermissionError, FileExistsError, IsADirectoryError, NotADirectoryError)
    return error if isinstance(error, kinds) or error.errno in LASTING else None


def in_short(error: BaseException) -> str:
    """An error in one line: a server's answer, else its kind and text."""
    if not (answer := _answer(error)):
        return f"{type(error).__name__}: {_line(error)}"
    code, status, message = answer
    blame = "; the server is overloaded, full or broken" if status >= 500 else ""
    return f"answer {status} {code}: {message.rstrip('.')}".removesuffix(": ") + blame


def code_of(error: BaseException) -> str:
    """What a server calls the error; empty when it is none of a server."""
    answer = _answer(error)
    return answer[0] if answer else ""


def _answer(error: BaseException) -> tuple[str, int, str] | None:
    """Code, HTTP status and text that a server answered with, when s3fs or botocore raised `error` for it."""
    source = error if isinstance(error, ClientError) else error.__cause__
    if not isinstance(source, ClientError):
        return None
    response: dict[str, Any] = source.response
    told = response.get("Error", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return str(told.get("Code", status)), int(status), " ".join(str(told.get("Message", "")).split())


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
