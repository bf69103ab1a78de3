"""A chat that asks to wait is left alone, and hears of an end as it is then: once, though it changed meanwhile."""

from __future__ import annotations

from tests.fakes.clients import FakeChat, Mishap, Mishaps
from tests.unit.order_stand import HOST, Stand
from tests.unit.test_telling_away import ENDED, heard, kinds

WAIT = 120


class Busy:
    """A stand whose chat takes nothing while it is `full`, and counts what it was asked to take."""

    def __init__(self) -> None:
        self.full = False
        self.asked = 0
        self.stand = Stand()
        self.stand.ports.chats["slack"] = FakeChat(self.stand.tenant, mishaps=Mishaps(lambda _: self._of()))  # type: ignore[index]

    def _of(self) -> Mishap | None:
        self.asked += self.full
        return Mishap("status", 429, retry_after=str(WAIT)) if self.full else None


def test_what_ended_twice_while_a_chat_was_busy_is_told_once_as_it_is_now() -> None:
    busy = Busy()
    stand = busy.stand
    stand.harm(HOST)
    stand.wait(30)
    busy.full = True
    stand.wait(600)
    stand.order("release", device=HOST, why="clean")
    stand.wait(600)
    busy.full = False
    stand.wait(300)
    assert kinds(stand).count(ENDED) == 1
    assert "release" in heard(stand)[-1][1]
    assert busy.asked <= 2 * 1200 / WAIT  # the end, and an alarm of the stand itself
