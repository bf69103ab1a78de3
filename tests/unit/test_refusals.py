"""The taxonomy of refusals: total, consistent, decided by type, status and code, and in step with its page.

The expectations are written out from the documents (see `responders/_refusals*.py`), not taken from the table.
"""

import re
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import docs, errors_page
from responders._refusal import APIS, CHATS, Asked, Fate, Refusal, Service
from responders._refusals import ROWS, TABLE, ending_of, refusal_of, remembers, stops, told
from responders.collect_package import CollectPackage
from responders.isolate import Isolate
from shared.errors import (
    Altered,
    BulkheadError,
    Busy,
    Cause,
    Denied,
    Forbidden,
    Incomplete,
    LinkExpired,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Transient,
)
from shared.storage.interface import Conflict
from tests.unit.incidents import NEW_WORD, machine_action

GRAPH, DEFENDER, DOWNLOADS = Service.GRAPH, Service.DEFENDER, Service.DOWNLOADS
SLACK, TEAMS, STORAGE = Service.SLACK, Service.TEAMS, Service.STORAGE
CAUSES = {
    Cause.NAME: "name-not-found",
    Cause.CONNECTION: "no-connection",
    Cause.TLS: "tls-failed",
    Cause.LOST: "connection-lost",
    Cause.LATE: "timed-out",
    Cause.CUT: "cut-short",
    Cause.CONTENT: "wrong-content",
}


class Said(NamedTuple):
    """An error, who gave it, and what it is called."""

    name: str
    service: Service
    error: BulkheadError
    asked: Asked = Asked.CALL
    seen: bool = False


def rejected(status: int, code: str = "", kind: type[Rejected] = Rejected) -> Rejected:
    kinds: dict[int, type[Rejected]] = {401: Denied, 403: Denied, 404: NotFound}
    return (kinds.get(status, kind) if kind is Rejected else kind)("no", status=status, code=code)


WRONG = (
    *("BadRequest", "invalidRequest", "InvalidInput", "InvalidRequestBody", "MissingRequiredParameter", ""),
    *("MaximumBatchSizeExceeded", "InvalidHashValue", "InvalidDomainName", "InvalidIpAddress", "InvalidUrl"),
)
API = [
    ("token-refused", rejected(401, "Unauthorized")),
    ("token-refused", rejected(401, "InvalidAuthenticationToken")),
    ("token-refused", rejected(401, NEW_WORD)),
    ("role-missing", rejected(403, "Forbidden")),
    ("role-missing", rejected(403, "accessDenied")),
    ("role-missing", rejected(403, "Authorization_RequestDenied")),
    *(("role-missing", rejected(403, code)) for code in ("Unauthorized", "UnknownError", "AuthorizationFailed", "")),
    ("role-missing", rejected(403, NEW_WORD)),
    ("not-licensed", rejected(402, NEW_WORD)),
    ("not-licensed", rejected(403, "LicenseRequired")),
    ("not-licensed", rejected(400, "NoValidLicence")),
    ("filter-refused", rejected(400, "ODataError")),
    *(("request-refused", rejected(400, code)) for code in WRONG),
    *(("request-refused", rejected(status, NEW_WORD)) for status in (405, 413, 415)),
    ("redirected", rejected(302)),
    ("unknown-refusal", rejected(400, NEW_WORD)),
    ("unknown-refusal", rejected(418)),
    ("throttled-calls", Throttled("no", status=429, code="TooManyRequests")),
    ("throttled-cpu", Throttled("no", status=429, cause=Cause.CPU)),
    ("budget-spent", Throttled("no")),
    ("server-error", Transient("no", status=500, code="InternalServerError")),
    ("server-error", Transient("no", status=504)),
    ("server-error", Transient("no", status=408)),
    ("server-error", Transient("no", status=425)),
    ("no-token", Transient("no", cause=Cause.TOKEN)),
    ("too-long", Transient("no", cause=Cause.LONG)),
    ("passing-trouble", Transient("no")),
    ("defect", BulkheadError("no")),
    *((name, Transient("no", cause=cause)) for cause, name in CAUSES.items()),
]
CHAT = [
    *(("webhook-gone", rejected(404, code)) for code in ("no_service", "no_team", "channel_not_found", "", NEW_WORD)),
    ("webhook-gone", rejected(410, "channel_is_archived")),
    ("webhook-gone", rejected(403, "action_prohibited")),
    ("webhook-gone", rejected(403, "invalid_token")),
    ("webhook-gone", rejected(401)),
    ("webhook-gone", rejected(400, "user_not_found")),
    ("webhook-gone", rejected(302)),
    *(("message-refused", rejected(400, code)) for code in ("invalid_payload", "invalid_blocks", "no_text", "")),
    ("message-refused", rejected(400, "missing_text_or_fallback_or_attachments")),
    ("message-refused", rejected(413)),
    ("unknown-refusal", rejected(418, NEW_WORD)),
    ("throttled-calls", Throttled("no", status=429)),
    ("server-error", Transient("no", status=500, code="rollup_error")),
    ("passing-trouble", Transient("no")),
    ("defect", BulkheadError("no")),
    *((name, Transient("no", cause=cause)) for cause, name in CAUSES.items()),
]
MISSING = rejected(404, "ResourceNotFound")
BUSY = rejected(400, "ActiveRequestAlreadyExists", Busy)
EXAMPLES = [
    *(Said(name, service, error) for service in APIS for name, error in API),
    *(Said(name, service, error) for service in CHATS for name, error in CHAT),
    *(Said("filter-refused", service, rejected(400, NEW_WORD), Asked.LIST) for service in APIS),
    *(Said("filter-refused", service, Transient("no", status=400, code="ODataError"), Asked.LIST) for service in APIS),
    *(Said("unknown-refusal", service, MISSING, Asked.LIST) for service in APIS),
    Said("feature-off", DEFENDER, rejected(403, "DisabledFeature")),
    Said("no-remediation-level", DEFENDER, rejected(403, "DisallowedOperation")),
    Said("platform-not-supported", DEFENDER, rejected(400, "OsPlatformNotSupported")),
    Said("sensor-too-old", DEFENDER, rejected(400, "ClientVersionNotSupported")),
    Said("device-unknown", DEFENDER, MISSING, Asked.DEVICE),
    Said("device-unknown", DEFENDER, rejected(404)),
    Said("not-visible-yet", DEFENDER, MISSING, Asked.NEW_ACTION),
    Said("action-gone", DEFENDER, MISSING, Asked.ACTION),
    Said("package-not-ready", DEFENDER, MISSING, Asked.PACKAGE),
    Said("incident-unknown", GRAPH, MISSING),
    Said("busy", DEFENDER, BUSY, seen=True),
    Said("busy-unseen", DEFENDER, BUSY),
    Said("outcome-unknown", DEFENDER, OutcomeUnknown("no", cause=Cause.LATE)),
    Said("outcome-unknown", DEFENDER, OutcomeUnknown("no", status=503)),
    Said("link-expired", DOWNLOADS, LinkExpired("no", status=403)),
    Said("host-not-allowed", DOWNLOADS, Forbidden("no")),
    Said("out-of-time", DOWNLOADS, Incomplete("no", cause=Cause.TIME)),
    Said("cut-short", DOWNLOADS, Incomplete("no")),
    Said("staging-altered", DOWNLOADS, Altered("part-00001/000/000003")),
    Said("too-long", DOWNLOADS, Incomplete("no", cause=Cause.LONG)),
    Said("unknown-refusal", DOWNLOADS, rejected(416)),
    Said("throttled-calls", DOWNLOADS, Throttled("no", status=429)),
    Said("server-error", DOWNLOADS, Transient("no", status=503)),
    Said("passing-trouble", DOWNLOADS, Transient("no")),
    Said("defect", DOWNLOADS, BulkheadError("no")),
    *(Said(name, DOWNLOADS, Transient("no", cause=cause)) for cause, name in CAUSES.items()),
    Said("taken", STORAGE, Conflict("no")),
    Said("storage-denied", STORAGE, rejected(401, "AuthenticationFailed")),
    Said("storage-denied", STORAGE, rejected(403, "AuthorizationPermissionMismatch")),
    Said("no-token", STORAGE, rejected(401, "NoToken")),
    Said("storage-missing", STORAGE, rejected(404, "TableNotFound")),
    Said("evidence-differs", STORAGE, rejected(409, "Differs")),
    Said("unknown-refusal", STORAGE, rejected(400, "InvalidInput")),
    Said("throttled-calls", STORAGE, Throttled("no", status=503, code="ServerBusy")),
    Said("server-error", STORAGE, Transient("no", status=500)),
    Said("no-connection", STORAGE, Transient("no", cause=Cause.CONNECTION)),
    Said("connection-lost", STORAGE, Transient("no", cause=Cause.LOST)),
    Said("passing-trouble", STORAGE, Transient("no")),
    Said("defect", STORAGE, BulkheadError("no")),
]
STUCK = "action-stuck"  # tests/unit/test_settling.py: no answer says so
ENDS = {"Failed": "action-failed", "TimeOut": "action-timed-out", "Cancelled": "action-cancelled"}


@pytest.mark.parametrize("said", EXAMPLES, ids=str)
def test_a_refusal_has_a_name(said: Said) -> None:
    row = refusal_of(said.error, said.service, said.asked, seen=said.seen)
    assert row.name == said.name
    assert said.service in row.services


@pytest.mark.parametrize(("status", "name"), ENDS.items())
def test_a_bad_end_has_a_name(status: str, name: str) -> None:
    assert ending_of(machine_action("Isolate", status)).name == name


def test_no_row_is_there_for_nothing() -> None:
    """Every one is reached by an answer that is written out above."""
    reached = {(said.service, said.name) for said in EXAMPLES} | {(DEFENDER, name) for name in (*ENDS.values(), STUCK)}
    assert set(TABLE) - reached == set()
    assert reached - set(TABLE) == set()


def test_a_name_stands_once_for_a_service() -> None:
    assert len(TABLE) == sum(len(row.services) for row in ROWS)


# Whatever may be said

KINDS = st.sampled_from([Rejected, NotFound, Denied, Busy])
CODES = st.one_of(
    st.text(max_size=30), st.sampled_from(["Forbidden", "ODataError", "no_service", "NoToken", "Differs"])
)
STATUSES = st.one_of(st.just(0), st.integers(100, 599))
REJECTED = st.builds(lambda kind, status, code: kind("no", status=status, code=code), KINDS, STATUSES, CODES)
PASSING = st.builds(
    lambda kind, cause, status: kind("no", cause=cause, status=status),
    st.sampled_from([Transient, Throttled, Incomplete, LinkExpired]),
    st.sampled_from(list(Cause)),
    STATUSES,
)
UNKNOWN = st.builds(
    lambda cause, status: OutcomeUnknown("no", cause=cause, status=status), st.sampled_from(list(Cause)), STATUSES
)
OTHERS = st.sampled_from([Forbidden("no"), Conflict("no"), BulkheadError("no")])
ASKED = st.sampled_from(list(Asked))


@given(st.one_of(REJECTED, PASSING, UNKNOWN, OTHERS), st.sampled_from(list(Service)), ASKED, st.booleans())
def test_whatever_is_said_has_a_row_of_whoever_says_it(
    error: BulkheadError, service: Service, asked: Asked, seen: bool
) -> None:
    row = refusal_of(error, service, asked, seen=seen)
    assert service in row.services
    assert "{" not in row.todo


@given(UNKNOWN, ASKED)
def test_what_nobody_knows_is_found_out_first(error: OutcomeUnknown, asked: Asked) -> None:
    """Whatever the status: sending again blindly could isolate twice."""
    assert refusal_of(error, DEFENDER, asked).fate is Fate.FIND_OUT


@given(REJECTED, st.sampled_from(list(Service)), ASKED)
def test_what_was_refused_is_never_taken_for_what_is_under_way(error: Rejected, service: Service, asked: Asked) -> None:
    assert refusal_of(error, service, asked).fate is not Fate.FIND_OUT


@given(PASSING, st.sampled_from(list(Service)), ASKED)
def test_what_may_pass_is_never_given_up_at_once(error: Transient, service: Service, asked: Asked) -> None:
    assert not stops(refusal_of(error, service, asked))


@given(st.integers(300, 499), st.text(min_size=1, max_size=30), st.text(max_size=200))
def test_prose_decides_nothing(status: int, code: str, prose: str) -> None:
    named = {refusal_of(Rejected(text, status=status, code=code), DEFENDER).name for text in ("no", prose, "Forbidden")}
    assert len(named) == 1


# What a row says


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.services[0]}")
def test_a_row_says_everything(row: Refusal) -> None:
    """Its name is short and stable, its clause stands before an error, and nothing is left out."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+){0,3}", row.name)
    assert row.services
    for words in (row.when, row.means, row.again, row.until, row.records, row.shown, row.todo):
        assert words
        assert words == words.strip()
        assert not words.endswith(".")
    assert row.means[0].islower() or row.means.startswith(("Defender", "Graph", "Bulkhead"))
    # markup means nothing to Slack, which escapes it
    assert not set("`*_{}") & set(row.means)
    assert "`" not in row.todo


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.services[0]}")
def test_a_row_is_one_with_its_fate(row: Refusal) -> None:
    """What is given up says so to a person; what is not says when it is tried, and until when."""
    if stops(row):
        assert (
            row.again.startswith("never")
            or row.name == "defect"
            or (row.lasting and row.again.startswith("after a day;"))
        )
        assert not row.todo.startswith("nothing") or row.name == "action-cancelled"
        assert "log" not in row.shown
    else:
        assert row.again != "never"
        assert row.until != "at once"
    assert not row.lasting or row.fate is Fate.UNAVAILABLE


def test_what_holds_for_the_whole_tenant_is_remembered() -> None:
    """And nothing that another device, another group or another minute may change."""
    assert {row.name for row in ROWS if remembers(row)} == {"feature-off", "not-licensed"}


@pytest.mark.parametrize("responder", [Isolate(), CollectPackage()])
def test_a_missing_role_is_named(responder: Isolate | CollectPackage) -> None:
    row = refusal_of(rejected(403, "Forbidden"), DEFENDER, permissions=responder.permissions)
    assert all(role in row.todo for role in responder.permissions)
    assert "for hours" in row.todo
    assert "README" in refusal_of(rejected(403, "Forbidden"), DEFENDER).todo


@given(st.text(max_size=2000), st.text(max_size=200), st.integers(200, 400))
def test_what_is_told_is_short_and_begins_with_what_it_means(message: str, target: str, limit: int) -> None:
    error = Denied(message, status=403, code="Forbidden", target=target)
    row = refusal_of(error, DEFENDER)
    said = told(row, error, limit)
    assert len(said) <= limit
    assert said.startswith(f"{row.means}: ")
    assert not target or said.endswith(f"(correlation id {target[:60]})")


# The page


def test_every_number_in_a_row_is_known_and_none_is_left_over() -> None:
    texts = [text for row in ROWS for text in (row.again, row.until, row.records, row.shown, row.todo)]
    assert {name for text in texts for name in re.findall(r"\{(\w+)\}", text)} == set(errors_page.NUMBERS)
    assert not [row.name for row in ROWS if "{" in row.when + row.means]


def test_the_page_has_every_row_of_every_service() -> None:
    text = errors_page.PAGE.read_text(encoding="utf-8")
    assert docs.marked(text) == set(errors_page.TABLES)
    for service in Service:
        section = text.partition(f"<!-- table: {service.name.lower()} -->")[2].partition("<!-- end -->")[0]
        assert re.findall(r"^\| `([a-z-]+)`", section, re.MULTILINE) == [
            row.name for row in ROWS if service in row.services
        ]


def test_the_page_is_as_the_code_has_it() -> None:
    """`python -m local.docs --write` brings it up to date."""
    text = errors_page.PAGE.read_text(encoding="utf-8")
    assert docs.written(text, errors_page.TABLES) == text
