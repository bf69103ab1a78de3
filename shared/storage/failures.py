"""The one place where what the Azure SDKs raise becomes what this product raises.

Codes: learn.microsoft.com "Status and error codes" for Blob, Queue and Table storage. Our messages name the operation,
the status and the service's code; they never repeat the SDK's text, which may quote request headers.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken, AccessTokenInfo, SupportsTokenInfo
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ServiceRequestError,
)
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from shared.errors import BulkheadError, Cause, Denied, NotFound, Rejected, Throttled, Transient
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.core.credentials import TokenCredential, TokenRequestOptions

# The SDKs convert what `requests` raises, save for a few ways in which a body can break off.
_RAISED_BY_SDKS = (AzureError, RequestException, HTTPError, HTTPException)

_BEING_DELETED = frozenset({"TableBeingDeleted", "QueueBeingDeleted", "ContainerBeingDeleted", "OperationTimedOut"})
_TRANSIENT_STATUSES = frozenset({408, 500, 502, 503, 504})
_CONFLICT_STATUSES = frozenset({409, 412})
_REFUSALS = range(400, 500)
_CODE = re.compile(r'"code"\s*:\s*"(\w+)"|<(?:\w+:)?[cC]ode>(\w+)<')

_ADVICE = {
    "AuthenticationFailed": "check the account key, the SAS and its dates, or the identity's tenant",
    "AuthorizationFailure": "check the account's network rules, and whether it allows shared keys",
    "AuthorizationPermissionMismatch": "give the app's identity the data role for this service on this account",
    "InsufficientAccountPermissions": "give the app's identity, or the SAS, the permission for this operation",
    "KeyBasedAuthenticationNotPermitted": "the account forbids keys: use the settings for an identity",
    "AccountIsDisabled": "the storage account is disabled: see its subscription",
}
_ADVICE_WITHOUT_ANSWER = "no token for the storage: check that the app has an identity, and AZURE_CLIENT_ID"
_ADVICE_OTHERWISE = "check the identity's data roles on this account, and its network rules"


class Unsent(Transient):
    """The request never reached the storage, so it cannot have had an effect."""

    cause = Cause.CONNECTION


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise our errors where the block raises the SDKs'; `doing` says what was tried, such as "reading row a/b"."""
    try:
        yield
    except _RAISED_BY_SDKS as error:
        raise translate(error, doing) from error


class Identity:
    """A credential whose failure is raised as ours: the table SDK breaks down over one that no service answered."""

    def __init__(self, inner: TokenCredential) -> None:
        """`inner` gives the tokens."""
        self._inner = inner

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - the SDK's own options
        """See `TokenCredential.get_token`. Raises Denied."""
        with translated("signing in"):
            return self._inner.get_token(*scopes, **options)

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """See `SupportsTokenInfo.get_token_info`. Raises Denied."""
        with translated("signing in"):
            if isinstance(self._inner, SupportsTokenInfo):
                return self._inner.get_token_info(*scopes, options=options)
            given = self._inner.get_token(*scopes)
            return AccessTokenInfo(given.token, given.expires_on)


def translate(error: Exception, doing: str) -> BulkheadError:
    """Give our error for one of the SDKs', marked as the storage's."""
    made = _meant(error, doing)
    made.of_storage = True
    return made


def _meant(error: Exception, doing: str) -> BulkheadError:
    if isinstance(error, ServiceRequestError):
        return Unsent(f"{doing}: the storage could not be reached")
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, HttpResponseError) and status is not None:
        return _answered(error, status, doing)
    if isinstance(error, ClientAuthenticationError):
        return Denied(f"{doing}: {_ADVICE_WITHOUT_ANSWER}", status=401, code="NoToken")
    return Transient(f"{doing}: the answer was lost or broke off ({type(error).__name__})", cause=Cause.LOST)


def _answered(error: HttpResponseError, status: int, doing: str) -> BulkheadError:
    code = _code(error)
    target = _header(error, "x-ms-request-id")
    said = f"{doing}: the storage answered {status} {code}".rstrip()
    # A queue that exists already is answered with a 204, which the SDK takes for a failure.
    taken = status in _CONFLICT_STATUSES or isinstance(error, ResourceExistsError)
    if status in {429, 503}:
        return Throttled(said, _retry_after(error), status=status, code=code)
    if code in _BEING_DELETED or status in _TRANSIENT_STATUSES or not (taken or status in _REFUSALS):
        return Transient(said, _retry_after(error), status=status, code=code)
    if taken:
        return Conflict(said)
    if status in {401, 403}:
        return Denied(f"{said}; {_ADVICE.get(code, _ADVICE_OTHERWISE)}", status=status, code=code, target=target)
    kind = NotFound if status == HTTPStatus.NOT_FOUND else Rejected
    return kind(said, status=status, code=code, target=target)


def _code(error: HttpResponseError) -> str:
    """Give the service's own code, which the SDKs put in three places, or in none though the body has it."""
    code = getattr(error, "error_code", None) or _header(error, "x-ms-error-code")
    if not code:
        found = _CODE.search(str(error))
        code = (found[1] or found[2]) if found else ""
    return str(getattr(code, "value", code))


def _header(error: HttpResponseError, name: str) -> str:
    headers = getattr(error.response, "headers", None) or {}
    return str(headers.get(name) or "")


def _retry_after(error: HttpResponseError) -> float | None:
    """Give the seconds that were asked for, an hour at the most. Storage gives seconds, never a date."""
    try:
        return min(3600.0, max(0.0, float(_header(error, "Retry-After"))))
    except ValueError:
        return None
