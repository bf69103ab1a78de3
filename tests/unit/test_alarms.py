"""A trouble of the deployment is told until somebody has heard of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from responders._alarms import Alarm, over, tell_alarms, trouble
from tests.fakes.clients import GONE, FakeChat, Mishap, Mishaps
from tests.unit.order_stand import Stand

HOUR = timedelta(hours=1)


class Chats:
    """A stand whose channels refuse for ever, as a revoked webhook does, while they are in `broken`."""

    def __init__(self, *names: str) -> None:
        self.stand = Stand()
        self.broken = set(names)
        chats = {name: FakeChat(self.stand.tenant, path=f"/{name}/one", mishaps=self._of(name)) for name in names}
        self.ports = replace(self.stand.ports, chats=chats)

    def _of(self, name: str) -> Mishaps:
        return Mishaps(lambda call: GONE if call == "chat.post" and name in self.broken else None)

    def pass_time(self, time: timedelta) -> None:
        self.stand.clock.advance(time.total_seconds())
        tell_alarms(self.ports)

    def posts(self) -> int:
        return sum(entry["path"] in {"/slack/one", "/teams/one"} for entry in self.stand.tenant.journal.entries())

    def told(self) -> bool:
        (entry,) = self.ports.ledger.singles(Alarm, "alarm:smoke")
        return entry.value.told


def test_what_every_channel_refused_is_told_once_one_works_again() -> None:
    chats = Chats("slack", "teams")
    trouble(chats.ports, "smoke", "there is smoke")
    assert not chats.told()
    chats.broken.clear()
    chats.pass_time(HOUR - timedelta(seconds=1))
    assert "there is smoke" not in chats.stand.told()
    chats.pass_time(timedelta(seconds=1))
    assert "there is smoke" in chats.stand.told()
    assert chats.told()


def test_a_channel_that_refuses_is_not_asked_at_every_tick() -> None:
    chats = Chats("slack")
    trouble(chats.ports, "smoke", "there is smoke")
    asked = chats.posts()
    for _ in range(10):
        chats.pass_time(timedelta(seconds=10))
    assert chats.posts() == asked


def test_a_channel_that_asks_to_wait_is_left_alone_for_that_long() -> None:
    stand = Stand()
    busy = [Mishap("status", 429, retry_after="30")]
    chat = FakeChat(stand.tenant, path="/slack/one", mishaps=Mishaps(lambda _: busy[0] if busy else None))
    ports = replace(stand.ports, chats={"slack": chat})
    trouble(ports, "smoke", "there is smoke")
    busy.clear()
    for _ in range(2):
        stand.clock.advance(14)
        tell_alarms(ports)
    assert "there is smoke" not in stand.told()
    stand.clock.advance(2)
    tell_alarms(ports)
    assert "there is smoke" in stand.told()


def test_what_one_channel_took_is_told() -> None:
    chats = Chats("slack", "teams")
    chats.broken.remove("teams")
    trouble(chats.ports, "smoke", "there is smoke")
    assert chats.told()
    asked = chats.posts()
    chats.pass_time(2 * HOUR)
    assert chats.posts() == asked


def test_of_what_nobody_heard_nobody_hears_that_it_is_over() -> None:
    chats = Chats("slack")
    trouble(chats.ports, "smoke", "there is smoke")
    chats.broken.clear()
    over(chats.ports, "smoke")
    chats.pass_time(2 * HOUR)
    assert "smoke" not in chats.stand.told()


def test_two_workers_that_see_it_at_the_same_time_tell_it_once() -> None:
    chats = Chats("slack")
    chats.broken.clear()
    others = [1]

    def another(call: str) -> None:
        if call == "chat.post" and others:
            others.clear()
            tell_alarms(chats.ports)

    slack = FakeChat(chats.stand.tenant, path="/slack/one", before=another)
    chats.ports = replace(chats.ports, chats={"slack": slack})
    trouble(chats.ports, "smoke", "there is smoke")
    assert not others
    assert (chats.posts(), chats.told()) == (1, True)


def test_what_a_worker_ended_in_is_told_by_another_one_soon() -> None:
    chats = Chats("slack")
    chats.broken.clear()

    class EndedError(BaseException):
        pass

    def end(call: str) -> None:
        if call == "chat.post":
            raise EndedError

    working = chats.ports
    chats.ports = replace(working, chats={"slack": FakeChat(chats.stand.tenant, path="/slack/one", before=end)})
    with pytest.raises(EndedError):
        trouble(chats.ports, "smoke", "there is smoke")
    chats.ports = working
    chats.pass_time(timedelta(minutes=1))
    assert not chats.told()
    chats.pass_time(timedelta(minutes=1))
    assert (chats.posts(), chats.told()) == (1, True)
