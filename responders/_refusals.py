"""When the world says no: every refusal that a service can give has one row, with its name and the next step. Pure.

Type, status and code decide, never prose; where a service says something in prose only, its adapter has already made a
cause of it. What nobody foresaw has rows of its own, so that an answer is always found. `docs/errors.md` is this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from responders import _refusals_actions, _refusals_apis, _refusals_passing, _refusals_places
from responders._refusal import APIS, CHATS, Asked, Fate, Refusal, Service
from shared.errors import (
    Altered,
    BulkheadError,
    Busy,
    Cause,
    Forbidden,
    LinkExpired,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Transient,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.models.device import MachineAction

ROWS: tuple[Refusal, ...] = (
    *_refusals_apis.ROWS,
    *_refusals_actions.ROWS,
    *_refusals_places.ROWS,
    *_refusals_passing.ROWS,
)
TABLE: Mapping[tuple[Service, str], Refusal] = {(service, row.name): row for row in ROWS for service in row.services}

_ANY = "*"
_WRONG = (
    *("badrequest", "invalidrequest", "invalidinput", "invalidrequestbody", "missingrequiredparameter"),
    *("maximumbatchsizeexceeded", "invalidhashvalue", "invaliddomainname", "invalidipaddress", "invalidurl"),
)
_API_CODES: Mapping[tuple[int, str], str] = {
    (401, _ANY): "token-refused",
    (402, _ANY): "not-licensed",
    (403, "disabledfeature"): "feature-off",
    (403, "disallowedoperation"): "no-remediation-level",
    (403, _ANY): "role-missing",
    (400, "osplatformnotsupported"): "platform-not-supported",
    (400, "clientversionnotsupported"): "sensor-too-old",
    (400, "odataerror"): "filter-refused",
    (400, ""): "request-refused",
    **{(400, code): "request-refused" for code in _WRONG},
    (405, _ANY): "request-refused",
    (413, _ANY): "request-refused",
    (415, _ANY): "request-refused",
}
"""What an API's status and code mean, the code in lower case; `*` is any other code of that status."""

_CHAT_CODES: Mapping[str, str] = {
    **dict.fromkeys(("no_service", "no_team", "channel_not_found", "channel_is_archived"), "webhook-gone"),
    **dict.fromkeys(("action_prohibited", "invalid_token", "user_not_found"), "webhook-gone"),
    **dict.fromkeys(("invalid_payload", "invalid_blocks", "no_text"), "message-refused"),
    "missing_text_or_fallback_or_attachments": "message-refused",
}
_CHAT_STATUSES: Mapping[int, str] = {
    **dict.fromkeys((*range(300, 400), 401, 403, 404, 410), "webhook-gone"),
    **dict.fromkeys((400, 413), "message-refused"),
}
_CAUSES: Mapping[Cause, str] = {
    Cause.TOKEN: "no-token",
    Cause.NAME: "name-not-found",
    Cause.CONNECTION: "no-connection",
    Cause.TLS: "tls-failed",
    Cause.LOST: "connection-lost",
    Cause.LATE: "timed-out",
    Cause.CUT: "cut-short",
    Cause.LONG: "too-long",
    Cause.CONTENT: "wrong-content",
    Cause.TIME: "out-of-time",
}
_TYPES: Mapping[type[BulkheadError], str] = {OutcomeUnknown: "outcome-unknown", Forbidden: "host-not-allowed"}
_MISSING: Mapping[Asked, str] = {
    Asked.NEW_ACTION: "not-visible-yet",
    Asked.ACTION: "action-gone",
    Asked.PACKAGE: "package-not-ready",
    Asked.LIST: "unknown-refusal",
}
_ENDS: Mapping[str, str] = {"failed": "action-failed", "timeout": "action-timed-out", "cancelled": "action-cancelled"}
_BAD_REQUEST, _TROUBLE = 400, frozenset({408, 425, *range(500, 600)})
_LONGEST = 300
_ROLES = "the app roles in the README"


def refusal_of(
    error: BulkheadError,
    service: Service,
    asked: Asked = Asked.CALL,
    *,
    seen: bool = False,
    permissions: Sequence[str] = (),
) -> Refusal:
    """The row of an error that `service` gave when it was `asked` for something, with the app roles that the caller
    needs (`permissions`) in its advice. `seen` tells whether what makes a device busy was listed.
    """
    row = TABLE.get((service, _name(error, service, asked, seen=seen))) or TABLE[service, _unforeseen(error)]
    return replace(row, todo=row.todo.replace("{roles}", " and ".join(permissions) or _ROLES))


def ending_of(action: MachineAction) -> Refusal:
    """The row of a machine action that ended badly (status `failed`, `timeout` or `cancelled`)."""
    return TABLE[Service.DEFENDER, _ENDS[action.status]]


def remembers(refusal: Refusal) -> bool:
    """Whether a refusal holds for the whole tenant, so that asking again for another device is in vain for a while."""
    return refusal.lasting


def stops(refusal: Refusal) -> bool:
    """Whether nothing more is to be tried by itself."""
    return refusal.fate in {Fate.GIVE_UP, Fate.UNAVAILABLE}


def told(refusal: Refusal, error: BulkheadError, limit: int = _LONGEST) -> str:
    """What the ledger keeps of it: the row's clause, the error's own words, and whatever the service's support asks
    for; `limit` characters at most.
    """
    target = f" (correlation id {error.target[:60]})" if isinstance(error, Rejected) and error.target else ""
    words = f"{refusal.means}: {error}"
    return f"{words[: limit - len(target)]}{target}"


def _name(error: BulkheadError, service: Service, asked: Asked, *, seen: bool) -> str:
    if isinstance(error, Transient):
        return _passing(error)
    if isinstance(error, Rejected):
        return _rejected(error, service, asked, seen=seen)
    return _TYPES.get(type(error)) or ("taken" if error.cause is Cause.TAKEN else "defect")


def _passing(error: Transient) -> str:
    """Incomplete downloads and requests that were never sent are told apart by their cause too."""
    if isinstance(error, LinkExpired):
        return "link-expired"
    if isinstance(error, Altered):
        return "staging-altered"
    if isinstance(error, Throttled):
        answered = "throttled-cpu" if error.cause is Cause.CPU else "throttled-calls"
        return answered if error.status else "budget-spent"
    if error.cause is Cause.PLAIN and error.status == _BAD_REQUEST:
        return "filter-refused"
    if error.cause is Cause.PLAIN and error.status in _TROUBLE:
        return "server-error"
    return _CAUSES.get(error.cause, "passing-trouble")


def _rejected(error: Rejected, service: Service, asked: Asked, *, seen: bool) -> str:
    if service in APIS:
        return _refused_by_api(error, service, asked, seen=seen)
    if service in CHATS:
        by_status = _CHAT_STATUSES.get(error.status, "unknown-refusal")
        return _CHAT_CODES.get(error.code.lower(), by_status)
    if service is Service.STORAGE:
        return _refused_by_storage(error)
    return "unknown-refusal"


def _refused_by_api(error: Rejected, service: Service, asked: Asked, *, seen: bool) -> str:
    code = error.code.lower()
    if isinstance(error, Busy):
        return "busy" if seen else "busy-unseen"
    if isinstance(error, NotFound):
        known = "device-unknown" if service is Service.DEFENDER else "incident-unknown"
        return _MISSING.get(asked, known)
    if "licence" in code or "license" in code:
        return "not-licensed"
    if asked is Asked.LIST and error.status == _BAD_REQUEST:
        return "filter-refused"
    if 300 <= error.status < _BAD_REQUEST:  # noqa: PLR2004 - redirects
        return "redirected"
    return _API_CODES.get((error.status, code)) or _API_CODES.get((error.status, _ANY), "unknown-refusal")


def _refused_by_storage(error: Rejected) -> str:
    if error.code == "NoToken":
        return "no-token"
    if error.code == "Differs":
        return "evidence-differs"
    return {401: "storage-denied", 403: "storage-denied", 404: "storage-missing"}.get(error.status, "unknown-refusal")


def _unforeseen(error: BulkheadError) -> str:
    """The row for what a service is not known to say."""
    if isinstance(error, Transient):
        return "passing-trouble"
    return "unknown-refusal" if isinstance(error, Rejected) else "defect"
