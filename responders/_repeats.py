"""What of that which is to be told was told already, or is told by something later. Pure.

Between the moment when something is written down to be told and the one when it is, minutes may pass, and other
workers: it is told as it is then, and so may say what has been said meanwhile.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from responders._notices import FINAL, STARTED, WAITING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shared.models.progress import Notice

OPEN, SENDING, SENT, FAILED, LEFT = "open", "sending", "sent", "failed", "left out"
"""How a notice stands. What is left out was told by another one, or is not written into Defender while observing."""

ASKED = "the channel asked to wait: "
"""How the detail of a notice begins that a channel had no time for."""

STALE = timedelta(minutes=2)
"""How long a notice may be *sending* before its sender is taken for dead."""


def under_way(notices: Iterable[Notice]) -> dict[str, datetime]:
    """By channel, until when it is left alone: a worker tells something there, and what comes later is told later, or
    it asked to wait. What could not be told, and is tried again some time, says why, and keeps nothing else back.
    """
    sending = (each for each in notices if each.state == SENDING and (not each.detail or each.detail.startswith(ASKED)))
    return {each.channel: each.since + STALE for each in sorted(sending, key=lambda each: each.since)}


def overtaken(notice: Notice, notices: Iterable[Notice], *, ended: bool) -> bool:
    """Whether a summary tells it: that of its chapter or of a later one. What wakes somebody, none does. While
    observing, a start reads as the end does; so once all `ended`, it is left to the summary, which is told next.
    """
    if ended and notice.kind == STARTED:
        return True
    last = max((each.chapter for each in notices if each.kind == FINAL), default=0)
    ends = notice.kind == FINAL
    return not notice.kind.startswith(WAITING) and (notice.chapter < last or (notice.chapter == last and not ends))


def left_out(notice: Notice, notices: Iterable[Notice], *, ended: bool, touches: bool) -> str:
    """Why a notice is not told, in words; empty where it is to be. One that `touches` the tenant would be written there
    though the mode is observe by now.
    """
    if touches:
        return "RESPONSE_MODE is observe, so nothing is touched"
    return "a later summary tells it" if overtaken(notice, notices, ended=ended) else ""


def said_before(notice: Notice, notices: Iterable[Notice], *, ended: bool) -> Notice | None:
    """The last word on the channel of a notice, where that was, or may have been, a summary of the same. Of what is no
    summary only once all `ended`: until then it says what a summary does not, that something goes on.
    """
    if notice.kind.startswith(WAITING) or (notice.kind != FINAL and not ended):
        return None
    told = [each for each in notices if each.channel == notice.channel and each.attempts and each.state != FAILED]
    others = [each for each in told if (each.chapter, each.kind) != (notice.chapter, notice.kind)]
    before = [each for each in others if _place(each) <= _place(notice) and not each.kind.startswith(WAITING)]
    last = max(before, key=_place, default=None)
    return last if last and last.kind == FINAL and last.digest == notice.digest else None


def _place(notice: Notice) -> tuple[int, bool]:
    return notice.chapter, notice.kind == FINAL
