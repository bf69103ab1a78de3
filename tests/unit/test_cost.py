"""What a month costs: the sums are what they say, the least that is billed is billed, and every figure has a name."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.costing import FIGURES, measured
from console.costs import PRICED, Measured, Prices, Use, bill
from local.measuring import Counted, executions_of, kind_of, per_incident, storage_of
from tests.unit.consoles import Office

FREE = Use(granted=True)
PLAIN = Measured({"table": 10.0}, (2.0, 200.0), 0.0, {"table": 100.0}, 30.0, 40.0, (90.0, 9000.0))


def usd(use: Use, name: str, figures: Measured = PLAIN) -> float:
    return next(item.usd for item in bill(use, figures, Prices()).items if item.name == name)


def quantity(use: Use, name: str, figures: Measured = PLAIN) -> float:
    return next(item.quantity for item in bill(use, figures, Prices()).items if item.name == name)


# The model


def test_two_timers_every_ten_seconds_are_counted_with_the_second_that_is_billed_at_the_least() -> None:
    ticks = 30.4 * (8640 + 8640 + 24)
    idle = replace(FREE, incidents_a_day=0)
    assert quantity(idle, "executions") == pytest.approx(ticks)
    assert quantity(idle, "execution time") == pytest.approx(ticks * 0.5)
    assert usd(idle, "execution time") == pytest.approx((ticks * 0.5 - 100_000) * 0.000026)
    assert usd(idle, "executions") == pytest.approx((ticks - 250_000) * 0.40 / 1_000_000)


def test_without_the_grant_everything_is_paid() -> None:
    idle = Use(incidents_a_day=0, granted=False)
    assert usd(idle, "execution time") == pytest.approx(30.4 * 17_304 * 0.5 * 0.000026)


@given(st.floats(0, 2000), st.floats(0, 2000))
def test_more_incidents_never_cost_less(fewer: float, more: float) -> None:
    low, high = sorted((fewer, more))
    bills = [bill(replace(FREE, incidents_a_day=each), PLAIN, Prices()) for each in (low, high)]
    assert bills[0].total <= bills[1].total
    assert bills[0].compute <= bills[1].compute


def test_every_line_is_in_the_sum_and_compute_is_what_executions_cost() -> None:
    made = bill(Use(), PLAIN, Prices())
    assert made.total == pytest.approx(sum(item.usd for item in made.items))
    assert {item.name for item in made.items if item.compute} == {"executions", "execution time"}


def test_every_price_has_a_name_for_people() -> None:
    assert PRICED.keys() == {each.name for each in fields(Prices)}


def test_the_command_needs_no_storage_and_says_what_it_assumes() -> None:
    told = Office(asleep=True).told("cost", "--incidents", "100", "--used-up")
    assert told["assumptions"]["incidents_a_day"] == 100
    assert told["assumptions"]["granted"] is False
    assert told["total_usd"] == pytest.approx(sum(item["usd"] for item in told["items"]), abs=0.01)
    assert "US dollars a month" in Office(asleep=True).words("cost")


# The measuring


ACCESS = """
127.0.0.1 - - [x] "GET /devstoreaccount1/contain/messages?numofmessages=8&visibilitytimeout=600 HTTP/1.1" 200 -
127.0.0.1 - - [x] "GET /devstoreaccount1/contain-poison/messages?numofmessages=16 HTTP/1.1" 200 -
127.0.0.1 - - [x] "POST /devstoreaccount1/incidents/messages HTTP/1.1" 201 -
127.0.0.1 - - [x] "PUT /devstoreaccount1/incidents/8001/v1/incident.json HTTP/1.1" 201 -
127.0.0.1 - - [x] "GET /devstoreaccount1/ledger()?$filter=x HTTP/1.1" 200 -
127.0.0.1 - - [x] "POST /devstoreaccount1/$batch HTTP/1.1" 202 -
127.0.0.1 - - [x] "PUT /devstoreaccount1/azure-webjobs-hosts/locks/x?comp=lease HTTP/1.1" 200 -
127.0.0.1 - - [x] "HEAD /devstoreaccount1/evidence/2026/x HTTP/1.1" 404 -
"""


def test_transactions_are_told_apart_as_the_price_list_does() -> None:
    assert dict(storage_of(ACCESS)) == {
        "queue poll": 1,
        "queue": 2,
        "blob write": 1,
        "table": 2,
        "blob lease": 1,
        "blob read": 1,
    }


def test_a_snapshot_is_no_message_though_its_container_is_called_like_a_queue() -> None:
    assert kind_of("GET", "/devstoreaccount1/incidents/8001/v1/plan.json") == "blob read"


def test_an_execution_is_billed_a_second_at_the_least_and_then_tenths() -> None:
    log = "".join(f"Executed 'Functions.f' (Succeeded, Id=1, Duration={each}ms)\n" for each in (3, 1000, 1001))
    assert executions_of(log) == ({"f": 3}, {"f": 10 + 10 + 11})


def test_what_would_have_been_used_anyway_is_no_incidents() -> None:
    idle = Counted(100, executions=executions_of("Executed 'Functions.f' (Failed, Id=1, Duration=1ms)")[0])
    busy = Counted(200, executions=executions_of("Executed 'Functions.f' (Failed, Id=1, Duration=1ms)" * 8)[0])
    assert per_incident(idle, busy, 3)["executions"] == {"f": 2.0}


# The figures


def test_the_figures_are_of_a_real_run() -> None:
    told = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert told["incidents"] >= 3
    assert told["idle_seconds"] >= 120
    assert measured().incident_executions > 5
    assert measured().tick["table"] > 1
