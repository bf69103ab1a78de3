"""What people and the ledger hear of a refusal: the whole flow over HTTP to a tenant that says no, on its own clock.

The storage is the fakes that pass the contract suite; Graph, Defender, downloads and chat are the adapters.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from local.tenant import samples
from local.tenant.identity import ALL_ROLES
from responders._archive import Archive
from responders._calls import FETCHES
from responders._ports import COLLECT, CONTAIN, INCIDENTS, NOTIFY
from responders._run import run_folder
from shared.clients.interface import Download
from shared.models.action import Action, State
from tests.contract.test_clients_stand import HOST, Opened, Stand, stands
from tests.integration.ticking import TICK, Clients, Ticking, ticking

ID = "7"


@dataclass(frozen=True)
class Bench(Ticking):
    """The product against a tenant."""

    stand: Stand = field(kw_only=True)

    def begin(self) -> None:
        """A harmful incident on a device, seen by the product that watches already."""
        self.tick()
        self.stand.tenant.incidents.put(samples.harmful_incident(ID, created=self.stand.clock.now()))

    def action(self, responder: str) -> Action:
        [found] = [each for each in self.ports.ledger.actions(ID) if each.responder == responder]
        return found

    def until(self, responder: str, *states: State, within: int = 200) -> Action:
        """The action, once it is in one of the states."""
        for _ in range(within):
            self.tick()
            if self.ports.ledger.actions(ID) and self.action(responder).state in states:
                return self.action(responder)
        raise AssertionError(self.action(responder))

    def told(self, channel: str) -> list[str]:
        """What a channel was told, each message as one text."""
        messages = self.stand.tenant.chat.messages
        return [json.dumps(each["message"]) for each in messages if each["channel"] == channel]


@pytest.fixture
def opened() -> Iterator[Opened]:
    with stands("http") as opening:
        yield opening


def bench_of(stand: Stand, *channels: str) -> Bench:
    chats = {name: getattr(stand, name) for name in channels or ("slack",)}
    made = ticking(stand.clock, Clients(stand.incidents, stand.devices, stand.downloads, chats, stand.hunting))
    return Bench(made.clock, made.ports, made.flow, made.queues, stand=stand)


# Actions


@pytest.mark.parametrize(
    ("role", "responder"), [("Machine.Isolate", "isolate"), ("Machine.CollectForensics", "collect_package")]
)
def test_a_missing_role_is_named_in_the_summary(opened: Opened, role: str, responder: str) -> None:
    bench = bench_of(opened(roles=[each for each in ALL_ROLES if each != role]))
    bench.begin()
    action = bench.until(responder, State.FAILED)
    assert "an app role is missing: 403 Forbidden" in action.detail
    assert f"{role} and Machine.Read.All" in action.todo
    bench.tick(40)
    summary = bench.told("slack")[-1]
    assert "What you should do" in summary
    assert role in summary.replace("[.]", ".")


def test_a_token_that_is_refused_once_delays_and_fails_nothing(opened: Opened) -> None:
    """Sent again through another listing, and once."""
    bench = bench_of(opened())
    bench.stand.trouble("status", "/isolate$", status=401, code="Unauthorized")
    bench.begin()
    bench.tick()
    waiting = bench.action("isolate")
    assert waiting.state is State.PLANNED
    assert "the token was refused" in waiting.detail
    assert bench.until("isolate", State.SUCCEEDED).attempt == 2
    assert sum(each["type"] == "Isolate" for each in bench.stand.tenant.state()["actions"]) == 1


@pytest.mark.parametrize(
    ("code", "advice"),
    [("DisabledFeature", "advanced features"), ("DisallowedOperation", "remediation level")],
)
def test_what_cannot_be_had_says_what_has_to_change(opened: Opened, code: str, advice: str) -> None:
    bench = bench_of(opened())
    bench.stand.trouble("status", "/collectInvestigationPackage$", status=403, code=code, times=None)
    bench.begin()
    action = bench.until("collect_package", State.UNAVAILABLE)
    assert advice in action.todo
    bench.tick(30)
    assert advice in bench.told("slack")[-1]


def test_what_makes_a_device_busy_is_said_as_far_as_it_is_seen(opened: Opened) -> None:
    bench = bench_of(opened())
    bench.stand.trouble("status", "/isolate$", status=400, code="ActiveRequestAlreadyExists")
    bench.begin()
    bench.tick()
    action = bench.action("isolate")
    assert action.state is State.PLANNED
    assert "something that Defender does not show" in action.detail
    assert bench.until("isolate", State.SUCCEEDED).attempt == 2


def test_who_cancelled_is_told_with_the_comment(opened: Opened) -> None:
    bench = bench_of(opened(durations={"Isolate": {"pending": 60, "running": 60}}))
    bench.begin()
    accepted = bench.until("isolate", State.ACCEPTED)
    bench.stand.tenant.person_cancels(accepted.machine_action)
    action = bench.until("isolate", State.FAILED)
    assert action.detail == "cancelled by analyst@contoso.com in Defender: Cancelled by hand"


def test_the_error_of_a_device_is_told(opened: Opened) -> None:
    bench = bench_of(opened())
    ending = {"status": "Failed", "error": -2147024891, "troubleshoot": "Battery is low", "times": 9}
    bench.stand.tenant.fleet.put({"id": HOST, "outcomes": {"CollectInvestigationPackage": ending}})
    bench.begin()
    action = bench.until("collect_package", State.FAILED)
    assert action.detail == "failed on the device (error 0x80070005); Defender says: Battery is low"
    assert action.tries == 3
    assert "metered" in action.todo


def test_a_device_is_isolated_once_where_no_filter_works(opened: Opened) -> None:
    """The listing before and after is as complete without one."""
    bench = bench_of(opened())
    bench.stand.trouble("status", "/api/machineactions$", query=r"\$filter", status=400, code="ODataError", times=None)
    bench.stand.trouble("reset_after_effect", "/isolate$")
    bench.begin()
    action = bench.until("isolate", State.SUCCEEDED)
    assert action.doubts == 1
    assert sum(each["type"] == "Isolate" for each in bench.stand.tenant.state()["actions"]) == 1


def test_nothing_is_sent_where_no_list_is_to_be_had(opened: Opened) -> None:
    """Nobody can tell then what runs on the device."""
    bench = bench_of(opened())
    bench.stand.trouble("status", "/api/machineactions$", status=400, code="BadRequest", times=None)
    bench.begin()
    action = bench.until("isolate", State.FAILED)
    assert "a filter was refused" in action.detail
    assert "portal" in action.todo
    assert bench.stand.tenant.state()["actions"] == []


def test_a_listing_that_is_denied_is_an_alarm_until_it_is_not(opened: Opened) -> None:
    bench = bench_of(opened(durations={"Isolate": {"pending": 300, "running": 300}}))
    bench.begin()
    bench.until("isolate", State.ACCEPTED)
    bench.stand.trouble("status", "/api/machineactions$", status=403, code="Forbidden", times=None)
    bench.tick(3)
    alarms = [each for each in bench.told("slack") if "machine actions cannot be listed" in each]
    assert len(alarms) == 1
    assert "Machine" in alarms[0]
    assert "Read" in alarms[0]
    bench.stand.tenant.faults.clear()
    bench.tick(3)
    alarms = [each for each in bench.told("slack") if "machine actions cannot be listed" in each]
    assert len(alarms) == 2
    assert "over: " in alarms[1]


def test_incidents_that_are_denied_are_an_alarm_at_once(opened: Opened) -> None:
    bench = bench_of(opened())
    bench.stand.trouble("status", "/security/incidents$", status=403, code="Forbidden", times=None)
    bench.tick(3)
    [alarm] = bench.told("slack")
    assert "incidents cannot be read: an app role is missing" in alarm
    assert "SecurityIncident" in alarm


# Channels


def test_a_webhook_that_is_gone_is_told_on_the_other_channel_once(opened: Opened) -> None:
    """And that it is over, once there is a new one."""
    bench = bench_of(opened(), "slack", "teams")
    bench.stand.trouble("status", "^/slack/", status=404, body="no_service", times=None)
    bench.begin()
    bench.until("isolate", State.SUCCEEDED)
    bench.tick(40)
    assert bench.told("slack") == []
    alarms = [each for each in bench.told("teams") if "could not be told on slack" in each]
    assert len(alarms) == 1
    assert "the webhook is gone" in alarms[0]
    assert "make a new webhook" in alarms[0]
    kept = [entry.value for entry in bench.ports.ledger.notices(ID) if entry.value.channel == "slack"]
    assert {notice.state for notice in kept} == {"failed"}
    bench.stand.tenant.faults.clear()
    bench.stand.tenant.incidents.put(samples.harmful_incident("8", created=bench.stand.clock.now()))
    bench.tick(60)
    assert any("over: " in each for each in bench.told("teams"))
    assert bench.told("slack")


def test_a_channel_that_is_away_for_hours_is_told_when_it_is_back(opened: Opened) -> None:
    bench = bench_of(opened())
    bench.stand.trouble("status", "^/slack/", status=503, times=None)
    bench.begin()
    bench.until("collect_package", State.SUCCEEDED)
    bench.tick()
    for _ in range(60):
        bench.clock.advance(300)
        bench.tick()
    bench.stand.tenant.faults.clear()
    assert bench.told("slack") == []
    for _ in range(8):
        bench.clock.advance(300)
        bench.tick()
    assert len([text for text in bench.told("slack") if f"Response ended: incident {ID}," in text]) == 1


def test_a_channel_that_asks_to_wait_for_long_does_not_put_off_the_look_at_what_is_open(opened: Opened) -> None:
    """Else the other channels would hear late of what a worker settled that died before it could say so."""
    bench = bench_of(opened(durations={"Isolate": {"pending": 60, "running": 60}}))
    bench.stand.trouble("status", "^/slack/", status=429, headers={"Retry-After": "3600"}, times=None)
    bench.begin()
    bench.until("isolate", State.ACCEPTED)
    bench.tick()
    assert bench.ports.ledger.overdue(bench.clock.now() + timedelta(minutes=10)) == [ID]


@pytest.mark.parametrize("channel", ["slack", "teams"])
def test_a_message_that_is_found_wrong_is_told_plainly(opened: Opened, channel: str) -> None:
    """Once, and no alarm: people were told."""
    bench = bench_of(opened(), channel)
    bench.stand.trouble("status", f"^/{channel}/", status=400, body="invalid_blocks")
    bench.begin()
    bench.tick(2)
    [plain] = bench.told(channel)
    assert "blocks" not in plain
    assert f"incident {ID}" in plain
    assert "host1" in plain
    [notice] = [entry.value for entry in bench.ports.ledger.notices(ID) if entry.value.channel == channel]
    assert notice.state == "sent"


def test_a_message_that_is_found_wrong_even_plainly_is_given_up(opened: Opened) -> None:
    bench = bench_of(opened(), "slack", "teams")
    bench.stand.trouble("status", "^/slack/", status=400, body="invalid_blocks", times=None)
    bench.begin()
    bench.tick(2)
    assert bench.stand.calls("POST") >= 2
    assert bench.told("slack") == []
    assert any("the message was refused" in each for each in bench.told("teams"))


def test_a_comment_that_lacks_its_role_is_an_alarm(opened: Opened) -> None:
    roles = [each for each in ALL_ROLES if each != "SecurityIncident.ReadWrite.All"]
    bench = bench_of(opened(roles=roles))
    bench.begin()
    bench.tick(2)
    [alarm] = [each for each in bench.told("slack") if "could not be told on defender" in each]
    assert "an app role is missing" in alarm
    assert "SecurityIncident" in alarm


# Archiving


def fetching(bench: Bench) -> Action:
    """The package's row when it is there to be fetched, before anybody has."""
    bench.begin()
    for _ in range(100):
        bench.flow.watch()
        bench.flow.follow()
        for queue in (INCIDENTS, CONTAIN, COLLECT, NOTIFY):
            for message in bench.ports.queues.receive(queue, hidden_for=600.0):
                bench._work(queue, message.text)
                bench.ports.queues.delete(queue, message)
        bench.stand.clock.advance(TICK)
        if bench.ports.ledger.actions(ID) and bench.action("collect_package").state is State.FETCHING:
            return bench.action("collect_package")
    raise AssertionError(bench.action("collect_package"))


@dataclass(frozen=True)
class Trickling:
    """Downloads whose chunks take a minute each."""

    stand: Stand

    def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
        """See `Downloads.open`."""
        whole = self.stand.downloads.open(link, seconds, start=start, tag=tag)

        def chunks() -> Iterator[bytes]:
            for chunk in whole.chunks:
                self.stand.clock.advance(60)
                yield chunk

        return Download(chunks(), whole.length)


def test_a_download_that_outlasts_its_call_is_begun_again(opened: Opened) -> None:
    bench = bench_of(opened())
    fetching(bench)
    short = bench.ports.settings.model_copy(update={"TIME_BUDGET": timedelta(seconds=30)})
    slow = replace(bench.ports, downloads=Trickling(bench.stand), settings=short)
    Archive(slow).run(bench.stand.clock.now() + short.TIME_BUDGET)
    action = bench.action("collect_package")
    assert (action.state, action.fetches) == (State.FETCHING, 1)
    assert action.detail.startswith("the download is longer than one call may take")


def test_other_content_under_the_name_is_written_over_by_nobody(opened: Opened) -> None:
    bench = bench_of(opened())
    name = f"{run_folder(fetching(bench))}/data/incident/incident.json"
    bench.ports.evidence.write_once(name, [b"another"], metadata={})
    bench.flow.archive()
    action = bench.action("collect_package")
    assert action.state is State.FAILED
    assert "other content stands there already" in action.detail
    assert "who wrote to the evidence container" in action.todo
    assert b"".join(bench.ports.evidence.read(name)) == b"another"


@pytest.mark.parametrize(
    ("kind", "path", "members", "says"),
    [
        ("lengthen", "^/download/", {}, "more than belongs to it"),
        ("truncate", "^/download/", {}, "cut short"),
        ("status", "^/download/", {"status": 403}, "no longer works"),
        ("status", "getPackageUri$", {"status": 404, "code": "ResourceNotFound"}, "not there yet"),
        ("status", "getPackageUri$", {"status": 401, "code": "Unauthorized"}, "token was refused"),
    ],
)
def test_a_package_that_cannot_be_had_now_is_had_later(
    opened: Opened, kind: str, path: str, members: dict[str, object], says: str
) -> None:
    bench = bench_of(opened())
    fetching(bench)
    bench.stand.trouble(kind, path, **members)
    bench.flow.archive()
    action = bench.action("collect_package")
    assert (action.state, action.fetches) == (State.FETCHING, 1)
    assert says in action.detail
    assert bench.until("collect_package", State.SUCCEEDED).artefacts


def test_a_package_on_another_host_is_not_fetched(opened: Opened) -> None:
    bench = bench_of(opened())
    fetching(bench)
    bench.stand.trouble("redirect", "^/download/", headers={"Location": "https://evil.example/"}, times=None)
    action = bench.until("collect_package", State.FAILED)
    assert action.fetches == 1
    assert "evil.example" in action.detail
    assert "DOWNLOAD_HOSTS" in action.todo


def test_a_package_that_cannot_be_had_is_left_to_a_person(opened: Opened) -> None:
    """After some times, with where to find it and what to look at."""
    bench = bench_of(opened())
    fetching(bench)
    bench.stand.trouble("truncate", "^/download/", times=None)
    action = bench.until("collect_package", State.FAILED, within=400)
    assert action.fetches == FETCHES
    assert "action centre" in action.todo
    assert "proxy" in action.todo


@pytest.mark.parametrize(("kind", "says"), [("lengthen", "behind the end"), ("invalid_json", "not a zip file")])
def test_what_never_is_a_whole_package_is_kept_and_people_are_told(opened: Opened, kind: str, says: str) -> None:
    """It stands in the archive as it came, the manifest says what is missing, and nobody takes it for a package."""
    bench = bench_of(opened())
    fetching(bench)
    bench.stand.trouble(kind, "^/download/", times=None)
    action = bench.until("collect_package", State.UNAVAILABLE, within=400)
    package = action.artefacts[0]
    assert (action.fetches, package.whole) == (FETCHES, False)
    assert says in action.detail
    assert bench.ports.evidence.head(package.name)
    run, _, _ = package.name.partition("/data/")
    manifest = json.loads(b"".join(bench.ports.evidence.read(f"{run}/manifest.json")))
    assert says in manifest["missing"][0]["reason"]
    bench.tick(40)
    assert says in bench.told("slack")[-1]
