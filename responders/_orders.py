"""What people ask, carried out once, however often and whenever its message comes.

The order is written down before anything is done, and its answer last. In between, every step can be repeated: so a
worker that dies leaves an order that somebody else takes up, and a message that comes twice changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._approving import approve, refuse
from responders._cancelling import cancel
from responders._cases import ORDERED, partition_of
from responders._consent import WITHOUT_INCIDENT
from responders._holding import hold, resume
from responders._intake import Intake
from responders._job import Answer, Job
from responders._letters import drop, replay
from responders._releasing import release
from responders._rounds import RETRIED, again, get_files, ordered, run_script
from responders._shelf import sync_library
from responders._waiting import patience
from shared.errors import Denied, NotFound, Rejected, Throttled, Transient
from shared.models.asked import OrderRecord, Remark, Stage
from shared.models.order import (
    Approve,
    Cancel,
    Collect,
    Drop,
    Fetch,
    Hold,
    Isolate,
    NotAnOrder,
    Note,
    Reassess,
    Refuse,
    Release,
    Replay,
    Resume,
    Retry,
    Run,
    SyncLibrary,
    read_order,
)
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.order import AnyOrder

SOON, LATE = timedelta(seconds=10), timedelta(minutes=10)
"""How soon, and how late at the latest, somebody looks again at an order that waits for what it asked."""

_WORDS = 2000

log = logging.getLogger(__name__)


class Orders:
    """The side of the flow that listens to people."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def take(self, text: str) -> None:
        """Carry out the order that a message holds, as far as it can be now. What cannot, the record brings back.

        Raises:
            NotAnOrder: the message is none; it becomes a dead letter, kept with its problems.
            Transient, Rejected: the order could not be written down, so that its message has to come again.
        """
        try:
            order = read_order(text)
        except NotAnOrder as error:
            log.error("a message is no order: %s", error)  # noqa: TRY400 - the problems are told whole
            raise
        entry = self._written_down(order)
        if entry is None:
            return
        job = Job(self._ports, entry)
        try:
            self._answer(job, self._carried_out(job))
        except Conflict:
            log.info("order %s is being carried out by another worker", order.id)
        except (Transient, Rejected) as error:
            log.warning("order %s has to wait: %s", order.id, error)
            self._say_why(job, error)

    def _written_down(self, order: AnyOrder) -> Entry[OrderRecord] | None:
        """The order's record; None where it was answered already, or another order has its id."""
        now = self._ports.clock.now()
        record = OrderRecord(order=order, state=Stage.RECEIVED, received_at=now)
        due = now + self._ports.settings.NUDGE_AFTER
        try:
            return self._ports.ledger.put(ORDERED, order.id, record, "", due)
        except Conflict:
            log.info("order %s comes again", order.id)
        entry = self._ports.ledger.one(OrderRecord, ORDERED, order.id)
        if entry is None:
            raise Transient(f"order {order.id} was written and cannot be read")
        if entry.value.order != order:
            self._refuse_namesake(order, entry.value)
            return None
        return None if entry.value.state.answered else entry

    def _refuse_namesake(self, order: AnyOrder, first: OrderRecord) -> None:
        """Another order came under an id that is taken: it is kept beside the first one, and not carried out."""
        now = self._ports.clock.now()
        digest = hashlib.sha256(order.model_dump_json().encode()).hexdigest()[:16]
        answer = f"another order has this id, to {first.order.kind}, of {first.received_at:%Y-%m-%d %H:%M:%S} UTC"
        record = OrderRecord(order=order, state=Stage.REFUSED, received_at=now, answered_at=now, answer=answer)
        log.warning("order %s: a different order came under the same id", order.id)
        try:
            self._ports.ledger.put(ORDERED, f"{order.id}:{digest}", record, "")
        except Conflict:
            log.info("order %s: that different order was refused already", order.id)

    def _carried_out(self, job: Job) -> Answer:
        """The answer of an order. A storage that does not let us in, or lacks something, may have done half of it: that
        rises, and somebody goes on once it does.
        """
        try:
            return self._by_kind(job)
        except Rejected as error:
            if error.of_storage and isinstance(error, Denied | NotFound):
                raise
            who = "the storage of Bulkhead" if error.of_storage else "Defender or Graph"
            return Answer.refused(f"{who} refused: {error}")

    def _by_kind(self, job: Job) -> Answer:  # noqa: PLR0911, PLR0912, C901 - one kind of order after the other
        match job.order:
            case Approve() as order:
                return approve(job, order)
            case Refuse() as order:
                return refuse(job, order)
            case Release() as order:
                return release(job, order.device, order.incident, order.responder)
            case Isolate() | Collect() as order:
                return ordered(job, order)
            case Run() as order:
                return run_script(job, order)
            case Fetch() as order:
                return get_files(job, order)
            case Retry() as order:
                return self._retry(job, order)
            case Cancel() as order:
                return cancel(job, order)
            case Hold() as order:
                return hold(job, order)
            case Resume() as order:
                return resume(job, order)
            case Reassess() as order:
                return self._reassess(order)
            case Note() as order:
                return self._note(order)
            case SyncLibrary():
                return sync_library(job)
            case Replay() as order:
                return replay(job, order)
            case Drop() as order:
                return drop(job, order)

    def _retry(self, job: Job, order: Retry) -> Answer:
        old = self._ports.ledger.action_by_id(order.action)
        if old is None:
            return Answer.refused("no action of ours has this id")
        if self._ports.gives_back(old) and (old.state in RETRIED or job.keys):
            incident = None if old.incident == WITHOUT_INCIDENT else old.incident
            return release(job, old.device, incident, old.responder)
        return again(job, old)

    def _reassess(self, order: Reassess) -> Answer:
        try:
            state = Intake(self._ports).again(order.incident, order.id)
        except NotFound:
            return Answer.refused(f"Graph knows no incident {order.incident}")
        if state.assessed == state.seen:
            return Answer.done(f"assessed anew: {state.verdict}; {'; '.join(state.reasons)}")
        return Answer.waiting("read again; it is being assessed")

    def _note(self, order: Note) -> Answer:
        if self._ports.ledger.incident(order.incident) is None:
            return Answer.refused(f"incident {order.incident} is not known here")
        remark = Remark(text=order.text, by=order.by, at=order.at, kept_at=self._ports.clock.now())
        try:
            self._ports.ledger.put(partition_of(order.incident), f"note:{order.id}", remark, "")
        except Conflict:
            log.info("order %s: the remark is kept already", order.id)
        return Answer.done(f"kept with incident {order.incident}")

    def _say_why(self, job: Job, error: Transient | Rejected) -> None:
        """Whoever asked sees what the order waits for. Where that is our own budget, it is there again in a minute."""
        settings, record = self._ports.settings, job.entry.value
        wait = settings.NUDGE_AFTER if isinstance(error, Throttled) else patience(record, settings)
        told = record.model_copy(update={"answer": f"has to wait: {error}"[:_WORDS]})
        try:
            self._ports.ledger.put(ORDERED, job.order.id, told, job.entry.etag, self._ports.clock.now() + wait)
        except (Conflict, Transient, Rejected) as failed:
            log.info("order %s: why it waits is not written down: %s", job.order.id, failed)

    def _answer(self, job: Job, answer: Answer) -> None:
        """Write the answer down, and when somebody is to look again where it is not the last one."""
        now = self._ports.clock.now()
        record = job.entry.value
        looked = {"state": answer.stage, "answer": answer.words[:_WORDS], "looks": record.looks + 1}
        over = answer.stage.answered
        to = record.model_copy(update={**looked, "answered_at": now if over else None})
        due = None if over else now + min(LATE, max(SOON, (now - record.received_at) / 10))
        self._ports.ledger.put(ORDERED, job.order.id, to, job.entry.etag, due)
        log.info("order %s (%s): %s", job.order.id, job.order.kind, answer.stage)
