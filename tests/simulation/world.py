"""A history: the real flow over the verified fakes, in several instances, with everything that can go wrong."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, NoReturn

import greenlet

from local.tenant.liveresponse import nobody
from local.tenant.model import Tenant
from local.tenant.settings import Durations, TenantSettings
from responders._governed import GovernedHunting, GovernedIncidents
from responders._governor import Governor
from responders._holding import held_in
from responders._ledger import Ledger
from responders._library import PinnedDevices
from responders._policies import SHIPPED, Policies
from responders._ports import INCIDENTS, NOTIFY, ORDERS, QUEUES, Ports
from responders._transfer import PIECE
from responders._wiring import responders
from shared.config import load
from shared.errors import Transient
from shared.models.action import State
from shared.storage.interface import Conflict
from tests.fakes.clients import (
    GONE,
    POSSIBLE,
    RACE,
    SILENT,
    FakeDownloads,
    FakeIncidents,
    Mishap,
    Mishaps,
    QuietHunting,
)
from tests.fakes.signing import FakeMac, FakeSigner
from tests.fakes.storage import BLOCK, FakeDocuments, FakeEvidence, FakePages, FakeRows
from tests.simulation.clockwork import START, Clockwork, Killed, Process
from tests.simulation.crossings import Crossings
from tests.simulation.dangers import Dangers, drawn
from tests.simulation.deliveries import BelatedQueues, Deliveries
from tests.simulation.doubles import Doubles
from tests.simulation.fates import STALLED_SESSION, with_other_ends
from tests.simulation.gateways import Gateways
from tests.simulation.hunts import FindingHunting
from tests.simulation.injections import name_of
from tests.simulation.late_answers import LATE, LateAnswers
from tests.simulation.live import SESSION_RATES, SESSIONS, SETTINGS, Live, WatchedDevices
from tests.simulation.live_devices import LiveDevices
from tests.simulation.mergers import Mergers
from tests.simulation.operators import Operators
from tests.simulation.people import People
from tests.simulation.platform import Platform
from tests.simulation.record import ACTS, Effect, Record, WatchedChat
from tests.simulation.scenes import Scenes
from tests.simulation.storage_trouble import StorageTrouble
from tests.simulation.tenant_life import ATTACKED, TenantLife
from tests.simulation.untimely import Untimely, lasting
from tests.simulation.versions import NewerRows, OlderRows, Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from responders._interface import Responder
    from shared.config import Settings
    from shared.storage.interface import Change, Rows
    from tests.fakes.storage import Hook

DEFAULT = SHIPPED.read_text(encoding="utf-8")
_ISOLATING = """\
      - do: isolate
        auto_release: true
"""
_HUNTS = "".join(f"      - do: hunt\n        query: {query}\n" for query in ("standard", "elsewhere"))
assert _HUNTS in DEFAULT
_MORE = """\
      - do: restrict
        auto_release: true
      - do: scan
      - do: stop_quarantine
        verdict: [malicious, suspicious]
      - do: tag
        tag: met-by-bulkhead
"""
_SCANNING = "      - do: scan\n"
MORE_ATTACKED = range(2, 30)
"""Places in the fleet of what incidents are about where one cap is tight."""

SPAN = 1200.0
"""Virtual seconds during which things go wrong."""

LONG_SPAN = 9000.0
"""The same where there are `hours` of it, in which timers run more slowly by `LONG_PACE`."""

LONG_PACE = 3.0

SETTLES = 6 * 3600.0
"""Virtual seconds within which everything is settled after they stopped."""

SETTLES_AWAY = 14 * 86400.0
"""The same where devices stay away: Defender gives up on one after three days, each action is sent anew once, and one
that had joined another begins behind that one's end.
"""

STALLED = (60.0, 1190.0)
"""From when until when a timer is disabled in some histories, in virtual seconds: minutes longer than is allowed."""

SELDOM = frozenset(
    {
        *("devices.release", "devices.unrestrict", "devices.stop_quarantine", "devices.live_response"),
        *("devices.result_link", "devices.upload", "downloads.open", "staging.head", "staging.read", "staging.names"),
        *("staging.stage_block", "evidence.pull_block"),
    }
)
"""Calls that few histories make: there trouble strikes `OFTENER` times as often, so that a long run tries it all."""

OFTENER = 5.0

RIVAL = 0.03
"""How often a person isolates at the very moment when we do."""

SMALL_PIECE = 1000
"""Bytes of a piece in histories where downloads are `cut`: a package has about 2,700."""

SMALL_BLOCKS = {"evidence": 2048, "staging": 512}
"""Bytes of a block there: two for a package as for a piece, and not many more for a report."""

SMALL_PAGES, SMALL_EXPANSION = (2, 25, 4), 2
"""Incidents, onboarded devices and machine actions on a page, and alerts in an incident, where pages are small."""

LOOKS = 30.0


class ContestedRows(FakeRows):
    """Rows that count how often a condition did not hold, and know since when each is there, and the `newest`."""

    def __init__(self, counters: Counters, now: Callable[[], datetime], *, before: Hook, after: Hook) -> None:
        """Begin with no rows."""
        super().__init__(before=before, after=after)
        self._counters = counters
        self._now = now
        self.born: dict[str, datetime] = {}
        self.newest = ""

    def _check(self, partition: str, change: Change) -> None:
        try:
            super()._check(partition, change)
        except Conflict:
            self._counters.injected["conflict", "rows.commit"] += 1
            raise

    def _apply(self, partition: str, change: Change) -> str | None:
        if change.key not in self.born:
            self.born[change.key], self.newest = self._now(), change.key
        return super()._apply(partition, change)


class WatchedPages(FakePages):
    """Pages that know when each was put, ever."""

    def __init__(self, now: Callable[[], datetime], *, before: Hook, after: Hook) -> None:
        """Begin with no pages."""
        super().__init__(before=before, after=after)
        self._now = now
        self.times: dict[str, list[datetime]] = {}

    def put(self, name: str, data: bytes, *, media_type: str) -> None:
        super().put(name, data, media_type=media_type)
        self.times.setdefault(name, []).append(self._now())


class SkewedClock:
    """The storage's clock as one instance knows it: off by up to half a second, always the same way."""

    def __init__(self, clockwork: Clockwork) -> None:
        """Draw how far off."""
        self._clockwork = clockwork
        self._skew = timedelta(seconds=clockwork.random.uniform(-0.5, 0.5))

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._clockwork.now() + self._skew


@dataclass
class Counters:
    """Which trouble struck which call, how often."""

    injected: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)


class World:
    """Everything of one seed. `run` plays it; `record` knows what happened, for the invariants."""

    rates = "{}"
    caps: str

    def __init__(self, seed: int, dangers: Dangers | None = None, *, eventful: bool = True) -> None:
        """Nothing has happened yet; what happens in the tenant is drawn from the seed where it is to be `eventful`."""
        self.seed = seed
        self.dangers = dangers or drawn(seed)
        self.clockwork = Clockwork(seed)
        self.random = self.clockwork.random
        self.span = LONG_SPAN if self.dangers.hours else SPAN
        span = self.span if eventful else 0.0
        self.counters = Counters()
        self.troubled = True
        self.late_answers, self.gateways = LateAnswers(self), Gateways(self)
        self.doubles, self.crossings, self.deliveries = Doubles(self), Crossings(self), Deliveries(self)
        self._refused: set[tuple[str, str]] = set()
        self.mode = "observe" if self.dangers.observing else "respond"
        before, after = self._before, self._after
        self.rows = ContestedRows(self.counters, self.clockwork.now, before=before, after=after)
        self.documents = FakeDocuments(before=before, after=after)
        self.queues = BelatedQueues(self.clockwork.now, QUEUES, self.deliveries.late, before=before, after=after)
        self.evidence, self.staging = self._archives()
        self.pages = WatchedPages(self.clockwork.now, before=before, after=after)
        carried_out = LiveDevices(
            seed, self.clockwork.now, self.counters.injected, STALLED_SESSION if self.dangers.ends else None
        )
        runner = carried_out if self.dangers.live else nobody
        self.tenant = Tenant(self._tenant_settings(), self.clockwork.now, seed, runner)
        mishaps = Mishaps(self._mishap)
        self._incidents = FakeIncidents(self.tenant, mishaps=mishaps, before=before, after=after)
        self._devices = WatchedDevices(self.tenant, mishaps=mishaps, before=before, after=after)
        self._downloads = FakeDownloads(
            self.tenant, mishaps=mishaps, before=before, after=after, announced=not self.dangers.unsaid
        )
        self.hunting = (FindingHunting if self.dangers.rows else QuietHunting)(
            self.tenant, mishaps=mishaps, before=before, after=after
        )
        if self.dangers.pages:
            self._incidents.page, self._devices.onboarded_page, self._devices.actions_page = SMALL_PAGES
        self._chat = WatchedChat(self.tenant, mishaps=mishaps, before=before, after=after, record=lambda: self.record)
        self.versions = Versions(self.rows)
        self._updated = not self.dangers.update
        self.settings: dict[str, Settings] = {}
        self.caps = self.random.choice(
            ['{"per_incident": 3, "per_hour": 4, "per_day": 6, "fleet_share": 0.1}', '{"fleet_share": 0.5}']
        )
        self.operators, self.storage_trouble = Operators(self, span), StorageTrouble(self, span)
        self.expires = self.random.choice(["PT3M", "PT10M", "P1D"])
        self.record = Record(self)
        injected = self.counters.injected
        self.life = TenantLife(
            self.clockwork,
            self.tenant,
            self.span,
            people=self.dangers.people,
            eventful=eventful,
            injected=injected,
            attacked=MORE_ATTACKED if self.dangers.tight else ATTACKED,
        )
        if self.dangers.ends and self.dangers.people and eventful:
            self.life.people_restrict(Random(seed ^ 0x9E57), self.span)  # noqa: S311 - histories, not secrets
        self.sessions = self._devices.asked
        self.live: Live | None = None
        if self.dangers.live:
            self.live = Live(self.clockwork, self.tenant, carried_out, span, injected)
        self.platform = Platform(
            self.clockwork,
            self.queues,
            self._ports,
            self.dangers.instances,
            sweeps=self.dangers.sweeps,
            reports=self.dangers.reports,
            injected=injected,
            deliveries=self.deliveries,
        )
        self.people = People(self, span if self.dangers.orders else 0.0)
        self.scenes, self.untimely = Scenes(self, span if self.dangers.scenes else 0.0), Untimely(self, span)
        self.garbage: list[str] = []
        self._arrange(span)

    def _arrange(self, span: float) -> None:
        """Have happen what happens once or a few times; what is drawn, in the first `span` seconds."""
        Mergers(self, span)
        self.platform.pace = LONG_PACE if self.dangers.hours else 1.0
        for _ in range(self.random.choice([0, 0, 1])):
            self.clockwork.after(self.random.uniform(30, self.span), self._rubbish)
        if self.dangers.switches:
            for _ in range(self.random.randint(1, 3)):
                self.clockwork.after(self.random.uniform(30, self.span), self.switch)
        if self.dangers.update:
            self.clockwork.after(self.random.uniform(60, self.span * 0.8), self._update)
        if self.dangers.stalled:
            self.clockwork.after(STALLED[0], partial(self._disable, self.dangers.stalled))
            self.clockwork.after(STALLED[1], partial(self._disable, ""))
        self.clockwork.after(self.span, self._calm)

    def run(self) -> bool:
        """Play the history; whether everything was settled in time."""
        self.clockwork.run(self.clockwork.now() + timedelta(seconds=self.span + 1))
        away = self.dangers.away
        end = self.clockwork.now() + timedelta(seconds=SETTLES_AWAY if away else SETTLES)
        while self.clockwork.now() < end:
            self.clockwork.run(self.clockwork.now() + timedelta(seconds=LOOKS * self.platform.pace))
            if self.record.settled():
                return True
        return False

    def protecting(self, effect: Effect) -> set[str]:
        """The tags of an effect's device that protect it, as its worker was told."""
        return set(effect.tags) & set(self.settings[effect.process].PROTECTED.tags)

    def sending(self) -> Callable[[], None]:
        """What has it arrive that the running task is about to ask of Defender."""
        return partial(self._devices.deliver, self._devices.sending[greenlet.getcurrent()])

    @property
    def calm_at(self) -> datetime:
        """When the trouble ends."""
        return START + timedelta(seconds=self.span)

    def elapsed(self) -> float:
        """Virtual seconds from the end of the trouble until now."""
        return (self.clockwork.now() - self.calm_at).total_seconds()

    def _archives(self) -> tuple[FakeEvidence, FakeEvidence]:
        """The archive, and what lies before it."""
        small = SMALL_BLOCKS if self.dangers.cut else {}
        evidence, staging = (
            FakeEvidence(
                name,
                block=small.get(name, BLOCK),
                pulls=self.dangers.pulls,
                mac=FakeMac().of if name == "evidence" else None,
                before=self._before,
                after=self._after,
            )
            for name in SMALL_BLOCKS
        )
        return evidence, staging

    def _tenant_settings(self) -> TenantSettings:
        random = self.random
        made = TenantSettings(
            visibility_seconds=random.choice([0.0, 5.0, 30.0, 100.0]),
            expanded_alerts=SMALL_EXPANSION if self.dangers.pages else 0,
            duplicate_isolate=random.choice(["error", "silent", "race"]),
            durations={
                "Isolate": Durations((1, 20), (2, 90)),
                "CollectInvestigationPackage": Durations((1, 30), (20, 200)),
                "LiveResponse": Durations((1, 20)),
            },
            outcomes={
                "Isolate": {"Failed": random.choice([0.0, 0.2])},
                "CollectInvestigationPackage": {"Failed": random.choice([0.0, 0.2])},
                "LiveResponse": {"Failed": 0.03},
            },
            link_seconds=(link := random.choice([5.0, 60.0, 300.0])),
            live_response_link_seconds=link,
            live_response_sessions=SESSIONS,
            slack_per_second=random.choice([0.2, 1.0]),
        )
        made = with_other_ends(made, self.seed) if self.dangers.ends else made
        return lasting(made) if self.dangers.denied else made

    def _ports(self, name: str) -> Ports:
        """The ports of a new instance, with the settings of now."""
        self.operators.note_caps()
        rates = json.loads(self.rates) | self.operators.rates | (SESSION_RATES if self.dangers.live else {})
        settings = load(
            {
                "AzureWebJobsStorage": "simulated",
                "EVIDENCE_STORAGE": "simulated",
                "DEPLOYMENT": "simulation",
                "RESPONSE_MODE": self.mode,
                "ISOLATION_CAPS": self.caps,
                "PROTECTED": json.dumps({"tags": self.operators.tags}),
                "MAX_AGE_TO_CONTAIN": "PT30M",
                "APPROVAL_EXPIRES": self.expires,
                "REPORT_EVERY": "PT10M",
                **(SETTINGS if self.dangers.live else {}),
                "RATE_LIMITS": json.dumps(rates),
            }
        )
        self.settings[name] = settings
        clock = SkewedClock(self.clockwork)
        self.counters.injected["clock skew", "instance"] += 1
        rows = self._rows()
        ledger = Ledger(rows)
        governor = Governor(rows, clock, settings)
        return Ports(
            settings=settings,
            clock=clock,
            ledger=ledger,
            governor=governor,
            documents=self.documents,
            queues=self.queues,
            evidence=self.evidence,
            staging=self.staging,
            signer=FakeSigner(before=self._before, after=self._after if self.dangers.lost else None),
            mac=FakeMac(),
            pages=self.pages,
            incidents=GovernedIncidents(self._incidents, governor),
            devices=PinnedDevices(self._devices, governor, settings, partial(held_in, ledger)),
            downloads=self._downloads,
            hunting=GovernedHunting(self.hunting, governor),
            responders=self._responders(),
            policies=Policies(self._policy, ledger, self.documents, clock),
            chats={"slack": self._chat},
            piece=SMALL_PIECE if self.dangers.cut else PIECE,
        )

    def _rows(self) -> Rows:
        """The rows as an instance that starts now sees them."""
        if not self.dangers.update:
            return self.rows
        if self._updated:
            return NewerRows(self.versions, reform=self.dangers.update == "form")
        return OlderRows(self.versions)

    def _policy(self) -> str:
        """The shipped policy; in some histories it asks for more, or for the package first, in some for no hunt."""
        shipped = DEFAULT if self.dangers.hunts else DEFAULT.replace(_HUNTS, "")
        asked = _SCANNING if self.operators.policy == "less" else _ISOLATING
        asked += "        collect_first: PT5M\n" if self.dangers.first and asked is _ISOLATING else ""
        beside = self.live.rule if self.live else ""
        more = self.dangers.more or self.operators.policy == "more"
        return shipped.replace(_ISOLATING, asked + (_MORE if more else "")) + beside

    def _responders(self) -> Mapping[str, Responder]:
        """What an instance that starts now can do; the older version cannot collect packages yet."""
        return {name: each for name, each in responders().items() if self._updated or not each.gathers}

    # Trouble

    def _before(self, call: str) -> None:
        process = self.clockwork.process()
        if process is None:
            return
        self.counters.calls[call] += 1
        self.record.made_now(call)
        self.clockwork.pause(self._latency(call))
        self._perhaps_die(call, "crash before")
        if self.untimely.dies(call):
            self._die(process)
        if call == "devices.isolate" and self.dangers.people and self._strikes(RIVAL):
            self._rival()
        if call == "devices.isolate" and self.troubled:
            self.scenes.rival()
        self.crossings.before(call)
        of_storage = call.startswith(("rows.", "queues.", "documents.", "evidence.", "staging."))
        if (of_storage and self._strikes(self.dangers.storage)) or self.storage_trouble.strikes(call):
            self.counters.injected["storage fails", call] += 1
            self.record.disturbed.append((self.clockwork.now(), process.name))
            raise Transient(f"{call}: storage cannot be reached")
        self.storage_trouble.before(call)
        self.late_answers.under_way(call)
        self.untimely.under_way(call)
        self.doubles.before(call)
        self.record.before(call, process)

    def _after(self, call: str) -> None:
        process = self.clockwork.process()
        if process is None:
            return
        self.record.after(call, process)
        self.doubles.after(call, process.name)
        # The pause before the next call lets others in just as well; only a slow answer is one more.
        slow = call in POSSIBLE and call not in ACTS and self._strikes(self.dangers.slow)
        refused = (call, process.name) in self._refused  # arrives at once: a wait begins when it is heard
        self._refused.discard((call, process.name))
        if slow and not refused:
            self.clockwork.pause(self.random.uniform(1, 60))
        self.late_answers.wait(call, process.name, refused=refused)
        self.gateways.wait()
        if call == "rows.commit" and self.rows.newest:
            newest, self.rows.newest = self.rows.newest, ""
            self.untimely.behind(newest, process.name)
        self._perhaps_die(call, "crash after")
        if call in {"rows.commit", "queues.send", "documents.create"} and self._strikes(self.dangers.storage / 2):
            self.counters.injected["storage answer lost", call] += 1
            self.record.disturbed.append((self.clockwork.now(), process.name))
            raise Transient(f"{call}: the answer was lost")
        self.storage_trouble.after(call)

    def _rival(self) -> None:
        """A person isolates what we are about to isolate, after our look and before our POST."""
        isolations = [each for each in self.record.open_actions() if each.responder == "isolate"]
        sending = [each.device for each in isolations if each.state is State.SENDING]
        if sending:
            self.life.isolated_by_a_person(self.random.choice(sending))

    def _latency(self, call: str) -> float:
        if self._strikes(self.dangers.slow):
            self.counters.injected["slow", call] += 1
            process = self.clockwork.process()
            self.record.disturbed.append((self.clockwork.now(), process.name if process else ""))
            return self.random.uniform(0.5, 8.0 if call in POSSIBLE else 60.0)
        return self.random.uniform(0.002, 0.05) if call not in POSSIBLE else self.random.uniform(0.05, 0.8)

    def _perhaps_die(self, call: str, how: str) -> None:
        process = self.clockwork.process()
        chance = self.dangers.crash * (OFTENER if call in SELDOM else 1.0)
        if process and (self._strikes(chance) or self.storage_trouble.strikes(call)):
            self.counters.injected[how, call] += 1
            self.clockwork.note(f"{process.name}: {how} {call}")
            self._die(process)

    def _die(self, process: Process) -> NoReturn:
        self.record.disturbed.append((self.clockwork.now(), process.name))
        self.platform.kill(process)
        raise Killed(process.name)

    def _strikes(self, chance: float) -> bool:
        return self.troubled and chance > 0 and self.random.random() < chance

    def _mishap(self, call: str) -> Mishap | None:
        if self.dangers.deaf and call == "chat.post":
            self.counters.injected["gone", call] += 1
            return GONE
        lost = self.scenes.tagging() if call == "incidents.set_tags" and self.troubled else None
        lost = lost or self.doubles.answer() or self.late_answers.strikes(call) or self.gateways.strikes(call)
        lost = lost or self.untimely.strikes(call)
        chance = self.dangers.mishap * (OFTENER if call in SELDOM else 1.0)
        mishap = lost or (self.random.choice(POSSIBLE[call]) if self._strikes(chance) else None)
        if mishap and mishap.retry_after:
            mishap = replace(mishap, retry_after=self.random.choice(["2.128", "30", "90"]))
        if mishap:
            process = self.clockwork.process()
            if mishap in {SILENT, RACE}:
                self.doubles.asked(call, process.name if process else "", mishap)
            else:
                self.counters.injected[name_of(mishap), call] += 1
            self.clockwork.note(f"{call}: {mishap.kind} {mishap.status}")
            self.record.mishap(call, mishap, process.name if process else "")
            if mishap is LATE:
                self.late_answers.given_up(call, process.name if process else "")
            self._refused.add((call, process.name if process else ""))
        return mishap

    def switch(self) -> None:
        """The kill switch: observe instead of respond, or the other way round."""
        self.mode = "observe" if self.mode == "respond" else "respond"
        self.counters.injected["mode switched", self.mode] += 1
        self.clockwork.note(f"RESPONSE_MODE is now {self.mode}")
        self.record.switched(self.mode)
        self.untimely.restart()
        for _ in range(3):  # who changes the mode looks at incidents then, too
            self.clockwork.after(self.random.uniform(5, 120), self.life.assign)

    def _update(self) -> None:
        """A newer version of the product takes the older one's place, instance by instance."""
        self._updated = True
        self.counters.injected["update", self.dangers.update] += 1
        self.clockwork.note("an update begins")
        for instance in list(self.platform.instances):
            self.clockwork.after(self.random.uniform(0, 300), partial(self.platform.kill, instance.process))
            self.platform.start()

    def _disable(self, timer: str) -> None:
        """Somebody disables a timer in the portal, or enables it again."""
        self.platform.disabled = timer
        if timer:
            self.record.timer_disabled()
        self.counters.injected["disabled", timer] += 1
        self.clockwork.note(f"the timer {timer} is disabled" if timer else "the timer is enabled again")

    def _rubbish(self) -> None:
        """Somebody puts a message that nobody can handle."""
        text = self.random.choice(["no/such#incident", "?"]) + str(len(self.garbage))
        self.garbage.append(text)
        self.counters.injected["rubbish", "queues.receive"] += 1
        self.queues.send(self.random.choice([INCIDENTS, NOTIFY, ORDERS]), text)

    def _calm(self) -> None:
        """Nothing goes wrong any more."""
        self.clockwork.note("the trouble is over")
        self.troubled = False
        self.platform.pace = 1.0
        self.life.quiet(away=self.dangers.away, parked=self.mode == "respond")
        self.people.rest()
        if self.dangers.away:
            self.clockwork.after(1800.0, self._slow_down)

    def _slow_down(self) -> None:
        """Days pass, and little happens in them: the timers fire every ten minutes."""
        self.platform.pace = 60.0
