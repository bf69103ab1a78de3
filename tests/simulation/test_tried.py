"""What the simulation says of itself is so: what it tried, how a history is played again, what caught a mutation."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from local.tenant import faults
from shared.errors import LinkExpired
from shared.models.rates import DEFAULT_RATES, parse_rate
from tests.fakes.clients import EXPIRED, POSSIBLE, FakeDownloads, Mishaps
from tests.simulation.__main__ import missing, wished
from tests.simulation.clockwork import START, Process
from tests.simulation.dangers import Dangers, command, drawn, earlier
from tests.simulation.deliveries import BELATED, DIED, FAILED, SHARED
from tests.simulation.gateways import BAD, READS, UNHEARD
from tests.simulation.histories import STOPS, counted, play, told
from tests.simulation.injections import (
    BY_LUCK,
    CHUNK,
    RAN_OUT,
    STORAGE,
    expected,
    name_of,
    reckoned,
    unlisted,
)
from tests.simulation.invariants import INVARIANTS, RATES, no_documented_rate_exceeded, no_retry_before_retry_after
from tests.simulation.mutations import ROOT, noticed
from tests.simulation.record import ACTS, APIS, Refused
from tests.simulation.test_histories import REGRESSIONS_OF_NOW
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.storage.interface import Message

_UNCOUNTED = {"chat", "downloads"}
"""What has no documented rate."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def still() -> World:
    """A tenant in which nothing happens."""
    return World(1, Dangers(people=False, orders=False, scenes=False), eventful=False)


_SEED = 7
"""One that has other dangers now than it had before there was more."""

_COMMANDS = {
    "": drawn(_SEED),
    " SCENES=0": replace(drawn(_SEED), scenes=False),
    " EARLIER=1": earlier(_SEED),
    " EARLIER=1 SCENES=0": replace(earlier(_SEED), scenes=False),
}


def test_a_history_says_by_which_command_it_is_played_again() -> None:
    assert len(set(_COMMANDS.values())) == len(_COMMANDS)
    assert [command(_SEED, dangers) for dangers in _COMMANDS.values()] == [
        f"make simulate REPLAY={_SEED}{more}" for more in _COMMANDS
    ]
    assert "make simulate" not in command(_SEED, Dangers(instances=9))


@pytest.mark.parametrize("more", _COMMANDS)
def test_that_command_plays_it(more: str) -> None:
    """Down from the Makefile to the dangers."""
    fresh = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    asked = ["make", "--dry-run", "simulate", f"REPLAY={_SEED}", *more.split()]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, env=fresh).stdout
    [line] = [each for each in said.replace("\\\n", " ").splitlines() if "-m tests.simulation" in each]
    options = wished(shlex.split(line.partition("-m tests.simulation")[2]))
    assert options.replay == _SEED
    assert options.dangers(_SEED) == _COMMANDS[more]


def test_a_shrunk_history_is_played_again_from_what_it_began_with() -> None:
    outcome = play(_SEED, Dangers(people=False, orders=False, scenes=False, reports=False, hunts=False))
    assert outcome.begun == outcome.dangers
    began = replace(outcome, begun=earlier(_SEED))
    assert told(began).endswith(f"make simulate REPLAY={_SEED} EARLIER=1")


def test_no_regression_has_what_was_drawn_apart() -> None:
    """Else it would play something else than what broke it."""
    played = [drawn(seed) for seed in REGRESSIONS_OF_NOW]
    assert not any(dangers.shared or dangers.belated or dangers.gateway for dangers in played)


def test_a_long_run_fails_on_a_call_of_which_nothing_is_expected() -> None:
    checks = Counter({each.__name__: 1 for each in INVARIANTS})
    injected = Counter(dict.fromkeys(expected(), 1))
    calls = Counter(dict.fromkeys((*POSSIBLE, *STORAGE, *BY_LUCK, CHUNK), 1))
    assert missing(checks, injected, calls) == []
    [said] = missing(checks, injected, calls | Counter({"pages.burn": 1}))
    assert "pages.burn" in said
    assert unlisted(Counter({"pages.burn": 0})) == []


def test_every_rate_that_the_product_keeps_is_measured() -> None:
    """By numbers of the simulation's own, which are those that the product takes for documented."""
    assert set(APIS.values()) - _UNCOUNTED == set(RATES)
    assert {api: parse_rate(str(DEFAULT_RATES[api])) for api in RATES} == RATES


def test_more_alerts_are_measured_by_their_rate_and_their_retry_after(still: World) -> None:
    record, process = still.record, Process("i1")
    for _ in range(151):
        record.after("incidents.more_alerts", process)
    assert any(no_documented_rate_exceeded(still))
    record.throttles.append(Refused(START, "alerts", 60.0, noted=START))
    assert not any(no_retry_before_retry_after(still))
    record.sent.append((START + timedelta(seconds=40), APIS["incidents.more_alerts"]))
    assert any(no_retry_before_retry_after(still))


def _sent(world: World) -> str:
    """A message that a living worker is given; its id."""
    world.queues.send("report", "1")
    return next(iter(world.queues._queues["report"].messages))


def test_what_comes_again_after_a_death_is_told_from_what_failed(still: World) -> None:
    _sent(still)
    told = still.counters.injected
    first, second = Process("a"), Process("b")
    [message] = still.queues.receive("report", hidden_for=1)
    still.deliveries.given(message, first)
    first.alive = False
    [message] = _received_again(still)
    still.deliveries.given(message, second)
    assert (told[DIED, "message"], told[FAILED, "message"], told[SHARED, "message"]) == (1, 0, 0)
    still.deliveries.failed(message)
    still.deliveries.over(message)
    [message] = _received_again(still)
    still.deliveries.given(message, second)
    assert (told[DIED, "message"], told[FAILED, "message"], told[SHARED, "message"]) == (1, 1, 0)
    [message] = _received_again(still)
    still.deliveries.given(message, second)
    assert (told[DIED, "message"], told[FAILED, "message"], told[SHARED, "message"]) == (1, 1, 1)


def _received_again(world: World) -> Sequence[Message]:
    world.clockwork.present += timedelta(seconds=2)
    return world.queues.receive("report", hidden_for=1)


def test_that_a_mutation_merely_raises_is_no_catch() -> None:
    """Unless it is marked as one that stops the product, any slip in its text would do."""
    raised, broken = f"{STOPS} NameError() in step, line 1", "ends_or_waits: action:1"
    assert counted([raised], stops=False) == []
    assert counted([raised, broken], stops=False) == [broken]
    assert counted([raised, broken], stops=True) == [raised, broken]


def test_a_seed_that_breaks_without_the_mutation_catches_nothing() -> None:
    """The next one may; and the output says by which invariant."""

    def breaking(*seeds: int) -> Callable[[range], str]:
        return lambda among: next((f"seed {seed}: ends_or_waits: it" for seed in seeds if seed in among), "")

    assert noticed(breaking(4, 9), breaking(), range(20)) == "by ends_or_waits: it (seed 4)"
    assert noticed(breaking(4, 9), breaking(4), range(20)) == "by ends_or_waits: it (seed 9)"
    assert noticed(breaking(4, 9), breaking(4, 9), range(20)) == ""
    assert noticed(breaking(), breaking(), range(20)) == ""


def test_a_link_that_ran_out_by_time_is_counted_apart_from_one_of_which_a_mishap_says_so(still: World) -> None:
    link = still.tenant.links.add("package.zip", 1, content=lambda: b"x")
    for mishaps, counted_ones in ((Mishaps.of(downloads_open=[EXPIRED]), 0), (Mishaps(), 1)):
        still.clockwork.present += timedelta(seconds=counted_ones * 2)
        with pytest.raises(LinkExpired):
            FakeDownloads(still.tenant, mishaps=mishaps).open(link)
        assert reckoned(still)[RAN_OUT, "downloads.open"] == counted_ones


def test_a_second_worker_is_given_what_one_is_at(still: World) -> None:
    """As where a lease ran out: what the first does with the message afterwards changes nothing."""
    platform, queues = still.platform, still.queues
    queues.send("report", "1")
    [message] = queues.receive("report", hidden_for=600)
    still.deliveries.given(message, platform.instances[0].process)
    platform._lapse("report", message)
    assert still.counters.injected[SHARED, "message"] == 1
    queues.delete("report", message)
    assert queues.waiting("report") == ["1"]
    still.deliveries.over(message)
    platform._lapse("report", message)
    assert still.counters.injected[SHARED, "message"] == 1


def test_a_belated_message_cannot_be_had_for_minutes() -> None:
    world = World(1, Dangers(people=False, orders=False, scenes=False, belated=True), eventful=False)
    for number in range(200):
        world.queues.send("report", str(number))
    late = world.counters.injected[BELATED, "message"]
    assert late
    assert len(world.queues.receive("report", limit=32)) == 32
    hidden = [each for each in world.queues._queues["report"].messages.values() if not each.receipt]
    later = [each for each in hidden if each.visible >= world.clockwork.now() + timedelta(minutes=1)]
    assert len(later) == late


def test_gateways_answer_reads_only_and_do_nothing() -> None:
    world = World(1, Dangers(people=False, orders=False, scenes=False, gateway=True), eventful=False)
    met = {(name_of(each), call) for call in POSSIBLE for _ in range(400) if (each := world.gateways.strikes(call))}
    assert met == {(name_of(each), call) for call, mishaps in READS.items() for each in mishaps}
    assert {UNHEARD.kind, BAD.kind} <= faults.BEFORE
    assert not READS.keys() & {"incidents.set_tags", "incidents.comment", "chat.post", *ACTS}
