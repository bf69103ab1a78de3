"""Each way in which the storage fails, and the fate it leads to.

The answers are made up (synthetic), from the documented status and error codes of Azure Storage.
"""

from collections.abc import Mapping
from threading import Event
from typing import Any

import pytest
import requests
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import HttpRequest, RequestsTransportResponse

from shared.errors import BulkheadError, Denied, NotFound, Rejected, Throttled, Transient
from shared.storage.failures import Unsent, translate, translated
from shared.storage.interface import Conflict, Piece
from shared.storage.joining import pull
from tests.fakes.storage import FakeEvidence


def response(
    status: int, code: str = "", *, headers: Mapping[str, str] | None = None, body: str = ""
) -> RequestsTransportResponse:
    """Such an answer."""
    internal = requests.Response()
    internal.status_code = status
    internal._content = body.encode()
    internal.headers["x-ms-request-id"] = "r-1"
    internal.headers.update({"x-ms-error-code": code} if code else {})
    internal.headers.update(headers or {})
    return RequestsTransportResponse(HttpRequest("GET", "https://acc.example"), internal)


def answered(
    status: int,
    code: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    kind: type[HttpResponseError] = HttpResponseError,
    body: str = "",
) -> HttpResponseError:
    """What the SDK raises for such an answer."""
    return kind("The string to sign was: secret", response=response(status, code, headers=headers, body=body))


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        pytest.param(ServiceRequestError("refused"), Unsent, id="never sent"),
        pytest.param(ServiceResponseError("reset"), Transient, id="reset"),
        pytest.param(ServiceResponseTimeoutError("late"), Transient, id="late"),
        pytest.param(IncompleteReadError("short"), Transient, id="cut short"),
        pytest.param(HttpResponseError("Unable to stream download"), Transient, id="no status"),
        pytest.param(requests.exceptions.ChunkedEncodingError("short"), Transient, id="not converted by the SDK"),
        pytest.param(answered(500, "InternalError"), Transient, id="500"),
        pytest.param(answered(500, "OperationTimedOut"), Transient, id="500 timed out"),
        pytest.param(answered(502), Transient, id="502"),
        pytest.param(answered(503, "ServerBusy"), Throttled, id="503"),
        pytest.param(answered(429), Throttled, id="429"),
        pytest.param(answered(200), Transient, id="200 that cannot be read"),
        pytest.param(answered(409, "TableBeingDeleted", kind=ResourceExistsError), Transient, id="409 being deleted"),
        pytest.param(answered(409, "EntityAlreadyExists", kind=ResourceExistsError), Conflict, id="409"),
        pytest.param(answered(409, "BlobImmutableDueToPolicy"), Conflict, id="409 immutable"),
        pytest.param(answered(204, "QueueAlreadyExists", kind=ResourceExistsError), Conflict, id="204 that means 409"),
        pytest.param(answered(412, "ConditionNotMet", kind=ResourceModifiedError), Conflict, id="412"),
        pytest.param(answered(404, "BlobNotFound", kind=ResourceNotFoundError), NotFound, id="404"),
        pytest.param(answered(401, kind=ClientAuthenticationError), Denied, id="401"),
        pytest.param(answered(403, "AuthorizationPermissionMismatch"), Denied, id="403"),
        pytest.param(ClientAuthenticationError("no managed identity endpoint"), Denied, id="no token"),
        pytest.param(answered(400, "InvalidInput"), Rejected, id="400"),
        pytest.param(answered(413, "RequestBodyTooLarge"), Rejected, id="413"),
    ],
)
def test_every_failure_has_one_fate(error: Exception, fate: type[BulkheadError]) -> None:
    """And its message says what was tried, on one line, without the SDK's prose."""
    found = translate(error, "reading row a/b")
    assert type(found) is fate
    assert found.of_storage
    assert str(found).startswith("reading row a/b: ")
    assert "\n" not in str(found)
    assert "secret" not in str(found)


def test_a_rejection_keeps_what_support_asks_for() -> None:
    found = translate(answered(400, "InvalidInput"), "writing")
    assert isinstance(found, Rejected)
    assert (found.status, found.code, found.target) == (400, "InvalidInput", "r-1")


@pytest.mark.parametrize(
    "body",
    ['{"odata.error":{"code":"TableNotFound","message":{}}}', "<m:error><m:code>TableNotFound</m:code></m:error>"],
)
def test_a_code_that_is_only_in_the_body_is_found(body: str) -> None:
    """As the table service sends it."""
    found = translate(answered(404, kind=ResourceNotFoundError, body=body), "reading")
    assert isinstance(found, NotFound)
    assert found.code == "TableNotFound"


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AuthorizationPermissionMismatch", "data role"),
        ("AuthorizationFailure", "network rules"),
        ("KeyBasedAuthenticationNotPermitted", "identity"),
        ("SomethingNew", "roles"),
    ],
)
def test_a_denial_says_what_to_do(code: str, advice: str) -> None:
    assert advice in str(translate(answered(403, code), "reading"))


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_a_wait_that_was_asked_for_is_passed_on(header: str, seconds: float | None) -> None:
    found = translate(answered(503, "ServerBusy", headers={"Retry-After": header}), "reading")
    assert isinstance(found, Transient)
    assert found.retry_after == seconds


def test_what_is_not_of_the_storage_rises_as_it_is() -> None:
    """A mistake of ours is not dressed up, and neither is an error that was translated already."""
    for error in (KeyError("k"), Conflict("taken")):
        with pytest.raises(type(error)) as caught, translated("reading"):
            raise error
        assert caught.value is error


def test_the_cause_is_kept() -> None:
    cause = AzureError("deep down")
    with pytest.raises(Transient) as caught, translated("reading"):
        raise cause
    assert caught.value.__cause__ is cause


class Fetching:
    """A blob whose storage answers so where it is to fetch a block by itself."""

    container_name, blob_name = "evidence", "whole"

    def __init__(self, status: int, code: str) -> None:
        self._error = answered(status, code)

    def stage_block_from_url(self, *_: object, **__: object) -> None:
        raise self._error


def fetched(status: int, code: str) -> bool:
    """Whether a storage that answers so has fetched a piece."""
    staging = FakeEvidence("staging")
    staging.write_once("piece", [b"x"], metadata={})
    blob: Any = Fetching(status, code)
    return pull(blob, {"a": Piece("piece", 1, "")}, staging, Event())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "NoAuthenticationInformation"),
        (403, "AuthorizationFailure"),
        (403, "CannotVerifyCopySource"),
        (404, "CannotVerifyCopySource"),
        (409, "PublicAccessNotPermitted"),
        (500, "CannotVerifyCopySource"),
        (501, "NotImplemented"),
    ],
)
def test_a_storage_that_has_no_way_to_a_piece_is_sent_it(status: int, code: str) -> None:
    assert not fetched(status, code)


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "ServerBusy"), (500, "OperationTimedOut")])
def test_a_storage_that_fails_in_passing_is_asked_again(status: int, code: str) -> None:
    with pytest.raises(Transient, match="fetching piece into evidence/whole"):
        fetched(status, code)
