"""The policy in force: what was given, where it can be used; else the last one that could.

A broken or missing policy never stops the watch and never widens anything: the last good one stays, and where there
never was one, the shipped policy judges and nothing is touched.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from responders._entries import renewed
from responders._policy import CompiledPolicy, compile_policy
from responders._policy_check import check
from responders._rails import inner
from shared.errors import BulkheadError, Transient
from shared.models.action import Kept
from shared.models.policy.problems import PolicyError
from shared.models.policy.reading import read
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from responders._ledger import Ledger
    from shared.config import Settings
    from shared.storage.interface import Clock, Documents

SHIPPED = Path(__file__).parents[1] / "policies" / "default.yaml"
REREAD = timedelta(minutes=1)
"""How old a reading of the policy may be: so soon a change counts in every instance."""

ROW = "policy"
_TOLD = 3

log = logging.getLogger(__name__)


class LastGood(Kept):
    """Which policy could last be used: its digest names the document that holds it."""

    digest: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy that judges. `problem` says what is wrong with the one that was given; with `untried` there never was
    one that could be used, and so nothing may be touched.
    """

    policy: CompiledPolicy
    digest: str
    problem: str = ""
    untried: bool = False

    def tightened(self, settings: Settings) -> Settings:
        """The settings with the caps and protected devices that count, and observing where nothing may be touched."""
        caps, protected = inner(settings.ISOLATION_CAPS, settings.PROTECTED, self.policy.policy)
        mode = {"RESPONSE_MODE": "observe"} if self.untried else {}
        return settings.model_copy(update={"ISOLATION_CAPS": caps, "PROTECTED": protected, **mode})


class Policies:
    """Gives the policy in force. `given` reads the text that the operator gave; what it raises is its problem."""

    def __init__(self, given: Callable[[], str], ledger: Ledger, documents: Documents, clock: Clock) -> None:
        """Nothing is read yet."""
        self._given = given
        self._ledger = ledger
        self._documents = documents
        self._clock = clock
        self._at: datetime | None = None
        self._known: InForce | None = None

    def in_force(self) -> InForce:
        """The policy that counts now. Raises Transient where storage cannot say which one that is."""
        now = self._clock.now()
        if self._known is None or self._at is None or now - self._at >= REREAD:
            self._known = self._read(now)
            self._at = now
        return self._known

    def _read(self, now: datetime) -> InForce:
        try:
            text = self._given()
            usable = InForce(compiled(text), digest_of(text))
        except (PolicyError, BulkheadError, OSError, UnicodeDecodeError) as error:
            if isinstance(error, Transient) and self._known and not self._known.untried:
                log.warning("the policy cannot be read now: %s", error)
                return self._known
            return self._last_good(_problem(error))
        if self._known is None or self._known.digest != usable.digest:
            self._keep(text, usable, now)
        return usable

    def _keep(self, text: str, usable: InForce, now: datetime) -> None:
        entry = self._ledger.single(LastGood, ROW)
        if entry and entry.value.digest == usable.digest:
            return
        self._documents.create(_document(usable.digest), text.encode())
        name = usable.policy.policy.name
        made = LastGood(digest=usable.digest, name=name, at=now)
        try:
            self._ledger.put_single(ROW, renewed(entry, made), entry.etag if entry else "")
        except Conflict:
            return
        log.info("policy %s (%s) is in force", name, usable.digest)

    def _last_good(self, problem: str) -> InForce:
        entry = self._ledger.single(LastGood, ROW)
        data = self._documents.read(_document(entry.value.digest)) if entry else None
        if entry and data:
            return InForce(compiled(data.decode()), entry.value.digest, f"{problem}; the last good one stays")
        shipped = SHIPPED.read_text(encoding="utf-8")
        told = f"{problem}; there is no earlier one, so nothing is touched"
        return InForce(compiled(shipped), digest_of(shipped), told, untried=True)


@lru_cache(maxsize=256)
def compiled(text: str) -> CompiledPolicy:
    """A policy's text, checked whole and compiled. Raises PolicyError with every problem."""
    problems = check(text)
    if problems:
        raise PolicyError(problems)
    return compile_policy(read(text))


def digest_of(text: str) -> str:
    """A name for a policy's text: 24 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _document(digest: str) -> str:
    return f"_policies/{digest}.yaml"


def _problem(error: Exception) -> str:
    if not isinstance(error, PolicyError):
        return f"the policy cannot be read: {error}"
    more = len(error.problems) - _TOLD
    told = "; ".join(map(str, error.problems[:_TOLD])) + (f"; and {more} more" if more > 0 else "")
    return f"the policy cannot be used: {told}"
