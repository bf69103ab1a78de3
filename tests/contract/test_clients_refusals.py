"""What a refusal means: one table of statuses and codes for reads, for writes, and for calls that act on a device.

Codes: Microsoft, "Common REST API error codes" (defender-endpoint/api/common-errors). `ActiveRequestAlreadyExists`
is named on the page of live response only.
"""

from collections.abc import Callable, Iterator

import pytest

from local.tenant import samples
from shared.errors import BulkheadError, Busy, Denied, NotFound, OutcomeUnknown, Rejected, Throttled, Transient
from shared.models.command import GetFile
from tests.contract.test_clients_stand import HOST, KINDS, Opened, Stand, stands

Call = Callable[[Stand], object]

DATE = "Mon, 05 Jan 2026 09:00:00 GMT"
READS: dict[str, Call] = {
    "incidents.changed": lambda stand: stand.incidents.changed(stand.clock.now()),
    "incidents.get": lambda stand: stand.incidents.get("7"),
    "incidents.more_alerts": lambda stand: stand.incidents.more_alerts(
        f"{stand.tenant.incidents.base_url}/v1.0/security/incidents/7/alerts"
    ),
    "devices.machine": lambda stand: stand.devices.machine(HOST),
    "devices.action": lambda stand: stand.devices.action("x"),
    "devices.package_link": lambda stand: stand.devices.package_link("x"),
    "devices.result_link": lambda stand: stand.devices.result_link("x", 0),
}
WRITES: dict[str, Call] = {
    "incidents.set_tags": lambda stand: stand.incidents.set_tags("7", []),
    "incidents.comment": lambda stand: stand.incidents.comment("7", "x"),
    "devices.upload": lambda stand: stand.devices.upload("x", b"x", "x"),
}
ACTS: dict[str, Call] = {
    "devices.isolate": lambda stand: stand.devices.isolate(HOST, "x"),
    "devices.release": lambda stand: stand.devices.release(HOST, "x"),
    "devices.collect_package": lambda stand: stand.devices.collect_package(HOST, "x"),
    "devices.cancel": lambda stand: stand.devices.cancel("x", "x"),
    "devices.live_response": lambda stand: stand.devices.live_response(HOST, [GetFile("x")], "x"),
}
CALLS = READS | WRITES | ACTS
FINAL: list[tuple[int, str, type[BulkheadError]]] = [
    (302, "", Rejected),
    (400, "BadRequest", Rejected),
    (400, "InvalidRequestBody", Rejected),
    (400, "ActiveRequestAlreadyExists", Busy),
    (401, "Unauthorized", Denied),
    (403, "Forbidden", Denied),
    (403, "DisabledFeature", Denied),
    (403, "DisallowedOperation", Denied),
    (404, "NotFound", NotFound),
    (404, "ResourceNotFound", NotFound),
    (409, "", Busy),
    (409, "Conflict", Busy),
    (409, "ConflictingRequest", Busy),
    (429, "TooManyRequests", Throttled),
]
PASSING = [(408, ""), (425, ""), (500, "InternalServerError"), (502, ""), (503, "ServiceUnavailable"), (504, "")]


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened()


def refused(stand: Stand, call: Call) -> BulkheadError:
    """The error of a call that the tenant was reached with once."""
    with pytest.raises(BulkheadError) as error:
        call(stand)
    assert len(stand.tenant.journal.entries()) == 1
    return error.value


@pytest.mark.parametrize(("status", "code", "kind"), FINAL)
@pytest.mark.parametrize("call", ["devices.machine", "incidents.comment", "devices.isolate"])
def test_a_refusal_means_the_same_for_every_call(
    stand: Stand, call: str, status: int, code: str, kind: type[BulkheadError]
) -> None:
    """Callers branch on the class and the service's own code; the message is for people. Nothing is repeated."""
    stand.trouble("status", status=status, code=code, times=None)
    error = refused(stand, CALLS[call])
    assert type(error) is kind
    assert str(status) in str(error)
    if isinstance(error, Rejected):
        assert (error.status, error.code) == (status, code)


@pytest.mark.parametrize(("status", "code"), PASSING)
@pytest.mark.parametrize("call", ["devices.machine", "incidents.comment", "devices.isolate"])
def test_what_may_pass_is_transient_unless_it_acts(stand: Stand, call: str, status: int, code: str) -> None:
    """An acting call that is answered so may have taken effect: nobody knows."""
    stand.trouble("status", status=status, code=code, times=None)
    assert type(refused(stand, CALLS[call])) is (OutcomeUnknown if call in ACTS else Transient)


@pytest.mark.parametrize("location", ["https://elsewhere.example/x", "/x", "https://", "//[bad/x", ""])
@pytest.mark.parametrize("call", ["devices.machine", "incidents.comment", "devices.isolate"])
def test_a_redirect_is_refused_wherever_it_leads(stand: Stand, call: str, location: str) -> None:
    """The bearer stays where it was sent, and so does the call."""
    stand.trouble("redirect", status=307, headers={"Location": location}, times=None)
    error = refused(stand, CALLS[call])
    assert isinstance(error, Rejected)
    assert error.status == 307


@pytest.mark.parametrize("call", CALLS)
def test_every_call_goes_by_the_table(stand: Stand, call: str) -> None:
    stand.trouble("status", status=403, code="DisabledFeature")
    assert type(refused(stand, CALLS[call])) is Denied


@pytest.mark.parametrize(("call", "kind"), [("devices.machine", Transient), ("devices.isolate", NotFound)])
@pytest.mark.parametrize("body", ["", "<html>Bad gateway</html>", '"text"', "[]", '{"error": "text"}', '{"error": {}}'])
def test_a_refusal_may_have_any_body(stand: Stand, call: str, kind: type[Exception], body: str) -> None:
    """Its status alone decides then; but that a device is unknown only Defender itself can say, and not some proxy."""
    stand.trouble("status", status=404, body=body, headers={"Content-Type": "text/html"})
    error = refused(stand, CALLS[call])
    assert type(error) is kind
    assert error.code == ""


def test_that_a_device_is_unknown_defender_may_say_with_any_code(stand: Stand) -> None:
    stand.trouble("status", status=404, code="MachineNotFound")
    assert type(refused(stand, CALLS["devices.machine"])) is NotFound


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": "0.125"}, 0.125),
        ({"Retry-After": "Mon, 05 Jan 2026 09:01:30 GMT", "Date": DATE}, 90.0),
        ({"Retry-After": "Mon, 05 Jan 2026 08:00:00 GMT", "Date": DATE}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "inf"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("call", ["devices.machine", "incidents.comment", "devices.isolate"])
def test_the_wait_that_was_asked_for_is_kept(
    stand: Stand, call: str, headers: dict[str, str], seconds: float | None
) -> None:
    """In seconds, fractions too, or until a date on the service's own clock."""
    stand.trouble("status", status=429, code="TooManyRequests", headers=headers, times=None)
    error = refused(stand, CALLS[call])
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


@pytest.mark.parametrize("call", ["devices.machine", "incidents.comment"])
def test_a_service_that_is_not_available_may_ask_for_a_wait_too(stand: Stand, call: str) -> None:
    stand.trouble("status", status=503, headers={"Retry-After": "30"}, times=None)
    error = refused(stand, CALLS[call])
    assert type(error) is Transient
    assert error.retry_after == 30.0


@pytest.mark.parametrize(
    ("api", "call"),
    [("incidents", "incidents.changed"), ("machines", "devices.machine"), ("isolate", "devices.isolate")],
)
def test_the_limit_of_an_api_is_throttled(opened: Opened, api: str, call: str) -> None:
    """With the wait that the service works out, and without an effect."""
    stand = opened(rates={api: "1/min"})
    CALLS[call](stand)
    stand.clock.advance(20)
    with pytest.raises(Throttled) as error:
        CALLS[call](stand)
    assert error.value.retry_after == 40.0
    assert [one["kind"] for one in stand.tenant.journal.violations()] == ["rate_exceeded"]


def test_a_missing_role_is_denied(opened: Opened) -> None:
    """The message names it, for the person who has to grant it; the target finds the call at Microsoft."""
    stand = opened(roles=["Machine.Read.All"])
    stand.devices.machine(HOST)
    with pytest.raises(Denied, match=r"Machine\.Isolate") as error:
        stand.devices.isolate(HOST, "x")
    assert (error.value.status, error.value.code) == (403, "Forbidden")
    assert error.value.target
    assert not stand.tenant.isolated(HOST)


def test_a_target_comes_from_graph_too(stand: Stand) -> None:
    """It is at another place there."""
    stand.tenant.incidents.put(samples.harmful_incident("7", created=stand.clock.now()))
    with pytest.raises(NotFound) as error:
        stand.incidents.get("8")
    assert error.value.target


def test_a_long_message_is_cut(stand: Stand) -> None:
    stand.trouble("status", status=400, body={"error": {"code": "BadRequest", "message": "x" * 10_000}})
    assert len(str(refused(stand, CALLS["devices.machine"]))) < 400
