"""What `Devices` promises of live response and its library, over the fake and over the tenant's HTTP."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

import pytest

from local.tenant.fleet import Machine
from local.tenant.liveresponse import CommandOutcome, Files
from local.tenant.wire import Json
from shared.clients.interface import ActionQuery
from shared.errors import Busy, LinkExpired, NotFound, OutcomeUnknown, Rejected, Throttled, Transient
from shared.models.command import GetFile, PutFile, RunScript
from tests.contract.test_clients_stand import HOST, KINDS, OTHER, Opened, Stand, stands

SESSION = (PutFile("tool"), RunScript("s.sh", "step id=1"), GetFile("/var/tmp/a b.bin"))
TEXT = b'{"script_name": "s.sh", "exit_code": 0, "script_output": "", "script_errors": ""}'


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened(live_response_sessions=2)


def runs(stand: Stand, outcomes: Sequence[CommandOutcome]) -> list[Json]:
    """Have the tenant's devices answer so; gives the commands that they were asked for."""
    asked: list[Json] = []

    def runner(_: Machine, commands: Sequence[Json], __: Files) -> Sequence[CommandOutcome]:
        asked.extend(commands)
        return outcomes

    stand.tenant.desk._runner = runner
    return asked


def test_a_session_is_asked_for_as_the_api_spells_it(stand: Stand) -> None:
    asked = runs(stand, [CommandOutcome(1.0)] * 3)
    made = stand.devices.live_response(HOST, SESSION, "marker")
    assert (made.kind, made.comment, made.machine_id) == ("liveresponse", "marker", HOST)
    stand.clock.advance(60)
    assert stand.devices.action(made.id).status == "succeeded"
    assert asked == [
        {"type": "PutFile", "params": [{"key": "FileName", "value": "tool"}]},
        {
            "type": "RunScript",
            "params": [{"key": "ScriptName", "value": "s.sh"}, {"key": "Args", "value": "step id=1"}],
        },
        {"type": "GetFile", "params": [{"key": "Path", "value": "/var/tmp/a b.bin"}]},
    ]


def test_each_command_says_what_became_of_it(stand: Stand) -> None:
    runs(stand, [CommandOutcome(1.0), CommandOutcome(1.0, ("no such file",))])
    made = stand.devices.live_response(HOST, SESSION, "marker")
    stand.clock.advance(5)
    assert not stand.devices.action(made.id).begun
    stand.clock.advance(55)
    seen = stand.devices.action(made.id)
    assert (seen.status, seen.begun) == ("failed", True)
    assert [each.status for each in seen.commands] == ["completed", "failed", "created"]
    assert seen.commands[1].errors == ("no such file",)
    assert [each.index for each in seen.commands] == [0, 1, 2]


def test_a_result_is_had_by_the_index_of_its_command(stand: Stand) -> None:
    runs(stand, [CommandOutcome(1.0), CommandOutcome(1.0, result=TEXT), CommandOutcome(1.0, result=b"\x1f\x8bx")])
    made = stand.devices.live_response(HOST, SESSION, "marker")
    stand.clock.advance(60)
    for index, content in ((1, TEXT), (2, b"\x1f\x8bx")):
        assert b"".join(stand.downloads.open(stand.devices.result_link(made.id, index)).chunks) == content
    for nothing in (0, 3):
        with pytest.raises(NotFound):
            stand.devices.result_link(made.id, nothing)
    assert stand.tenant.journal.violations() == []


def test_an_expired_result_link_is_asked_for_again(stand: Stand) -> None:
    """Without running anything anew."""
    asked = runs(stand, [CommandOutcome(1.0), CommandOutcome(1.0, result=TEXT), CommandOutcome(1.0)])
    made = stand.devices.live_response(HOST, SESSION, "marker")
    stand.clock.advance(60)
    link = stand.devices.result_link(made.id, 1)
    stand.clock.advance(1801)
    with pytest.raises(LinkExpired):
        stand.downloads.open(link)
    assert b"".join(stand.downloads.open(stand.devices.result_link(made.id, 1)).chunks) == TEXT
    assert len(asked) == 3


def test_a_device_has_one_session_and_what_the_portal_runs_is_seen_nowhere(stand: Stand) -> None:
    stand.devices.live_response(HOST, SESSION, "marker")
    with pytest.raises(Busy):
        stand.devices.live_response(HOST, SESSION, "marker")
    stand.tenant.person_connects(OTHER, 60)
    with pytest.raises(Busy):
        stand.devices.live_response(OTHER, SESSION, "marker")
    stand.clock.advance(5)
    assert len(stand.devices.actions(ActionQuery((HOST, OTHER))).actions) == 1


def test_a_tenant_has_so_many_sessions_and_no_more(stand: Stand) -> None:
    stand.tenant.person_connects(OTHER, 60)
    stand.devices.live_response(HOST, SESSION, "marker")
    with pytest.raises(Throttled) as refused:
        stand.devices.live_response(stand.tenant.fleet.everything()[0].shown["id"], SESSION, "marker")
    assert refused.value.retry_after == 60.0


@pytest.mark.parametrize("kind", ["reset", "reset_after_effect", "truncate", "status"])
def test_a_session_whose_answer_is_lost_may_have_begun(stand: Stand, kind: str) -> None:
    stand.trouble(kind, "/runliveresponse$", times=None)
    with pytest.raises(OutcomeUnknown):
        stand.devices.live_response(HOST, SESSION, "marker")
    assert stand.calls("POST") == 1


def test_what_is_uploaded_is_listed_with_its_hash(stand: Stand) -> None:
    content = bytes(range(256)) * 40 + b"\r\n--x"
    stand.devices.upload("a-b_c.sh", content, "what it is for")
    found = stand.devices.library()
    assert [(each.name, each.sha256, each.description) for each in found] == [
        ("a-b_c.sh", sha256(content).hexdigest(), "what it is for")
    ]
    assert stand.tenant.library.content("a-b_c.sh") == content
    assert found[0].by
    assert found[0].updated


def test_an_upload_takes_the_place_of_what_is_there(stand: Stand) -> None:
    for content in (b"one", b"two", b"two"):
        stand.devices.upload("a.sh", content, "")
    assert [each.sha256 for each in stand.devices.library()] == [sha256(b"two").hexdigest()]


@pytest.mark.parametrize("name", ["", "../machines/1", "a b", "a/b", "a;b"])
def test_a_name_that_the_library_does_not_take_is_refused(stand: Stand, name: str) -> None:
    with pytest.raises(Rejected):
        stand.devices.upload(name, b"x", "")
    assert list(stand.devices.library()) == []


def test_a_file_beyond_the_limit_is_refused(opened: Opened) -> None:
    stand = opened(library_file_limit=10)
    with pytest.raises(Rejected):
        stand.devices.upload("a.sh", b"x" * 11, "")


def test_the_library_needs_a_role_of_its_own(opened: Opened) -> None:
    stand = opened(roles=["Machine.Read.All", "Machine.LiveResponse"])
    with pytest.raises(Rejected) as refused:
        stand.devices.library()
    assert refused.value.status == 403


def test_a_library_that_cannot_be_read_now_is_no_empty_library(stand: Stand) -> None:
    stand.devices.upload("a.sh", b"x", "")
    stand.trouble("status", "/libraryfiles$", status=503, times=None)
    with pytest.raises(Transient):
        stand.devices.library()
    stand.trouble("status", "/libraryfiles$", status=503, times=None)
    with pytest.raises(Transient):
        stand.devices.upload("b.sh", b"x", "")
