"""The Functions platform as far as its habits matter: singleton timers, queues with visibility and poison, restarts."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from responders._flow import Flow
from responders._ports import ARCHIVE, COLLECT, CONTAIN, INCIDENTS, NOTIFY, ORDERS, QUEUES, REPORT
from shared.errors import BulkheadError, Unreadable
from shared.storage.interface import Conflict
from tests.simulation.clockwork import Killed, Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from responders._ports import Ports
    from shared.storage.interface import Message
    from tests.fakes.storage import FakeQueues
    from tests.simulation.clockwork import Clockwork
    from tests.simulation.deliveries import Deliveries
    from tests.simulation.injections import Injected

HIDDEN = 600.0
RETRY = 10.0
TRIES = 5
BATCH = 4
TIMERS = {"watch": 10.0, "follow": 10.0, "housekeeping": 600.0}

_RAISED = (BulkheadError, Conflict)
"""What a function may fail with; anything else is a defect of the product and stops the history."""


class Instance:
    """One worker process of the app with the ports that it was started with."""

    def __init__(self, name: str, ports: Ports) -> None:
        """A living process."""
        self.process = Process(name)
        self.ports = ports
        self.flow = Flow(ports)


class Platform:
    """Starts instances, fires timers, delivers messages. `make` gives an instance its ports, as settings are then."""

    def __init__(
        self,
        clockwork: Clockwork,
        queues: FakeQueues,
        make: Callable[[str], Ports],
        instances: int,
        *,
        injected: Injected,
        deliveries: Deliveries,
        sweeps: bool = True,
        reports: bool = True,
    ) -> None:
        """Without `sweeps` housekeeping never runs, so that nothing but the ordinary reading finds an incident. Without
        `reports` none are made. All is slower by `pace`. `injected` counts what is done to messages,
        and `deliveries` know who has them.
        """
        self._deliveries = deliveries
        self._reports = reports
        self._injected = injected
        self._clockwork = clockwork
        self._queues = queues
        self._make = make
        self._count = 0
        self._running: set[str] = set()
        self.instances: list[Instance] = []
        self.failures = 0
        self.ran: dict[str, list[tuple[datetime, datetime]]] = {name: [] for name in TIMERS}
        """From when until when each timer ran, where it ran to its end."""
        self.pace = 1.0
        self.disabled = ""
        self.died: dict[str, datetime] = {}
        self.poisoned: list[tuple[str, str]] = []
        """What nobody could handle: the queue, and the text."""
        self.stopped: list[str] = []
        for _ in range(instances):
            self.start()
        for name, period in TIMERS.items():
            if name == "housekeeping" and not sweeps:
                continue
            clockwork.after(period * clockwork.random.random(), partial(self._tick, name))
        for queue in QUEUES:
            clockwork.after(clockwork.random.random(), partial(self._poll, queue))

    def start(self) -> None:
        """Start one more instance, with the settings of now."""
        self._count += 1
        name = f"i{self._count}"
        self.instances.append(Instance(name, self._make(name)))

    def kill(self, process: Process) -> None:
        """End a process at once; another one takes its place a little later."""
        if process.alive:
            process.alive = False
            self.died[process.name] = self._clockwork.now()
            self.instances = [each for each in self.instances if each.process is not process]
            self._running = {each for each in self._running if not each.endswith(f"@{process.name}")}
            self._clockwork.note(f"{process.name} dies")
            self._clockwork.after(self._clockwork.random.uniform(1, 60), self.start)

    def restart_all(self) -> None:
        """A setting was changed: every instance ends, and new ones start with it."""
        for instance in list(self.instances):
            self.kill(instance.process)

    def idle(self) -> bool:
        """Whether no message is left, not even poison."""
        return not any(self._queues.waiting(queue) for queue in self._queues._queues)

    def _tick(self, name: str) -> None:
        random = self._clockwork.random
        if name == self.disabled:
            self._clockwork.after(TIMERS[name], lambda: self._tick(name))
            return
        held = any(each.startswith(f"{name}@") for each in self._running)
        # A lease that was lost lets two instances run one timer at a time, now and then.
        if self.instances and (not held or random.random() < 0.02):
            instance = random.choice(self.instances)
            label = f"{name}@{instance.process.name}"
            self._running.add(label)

            def work() -> None:
                begun = self._clockwork.now()
                try:
                    getattr(instance.flow, name)()
                    self.ran[name].append((begun, self._clockwork.now()))
                except _RAISED as error:
                    self._failed(f"{label}: {error!r}")
                    self.stopped += [label] if isinstance(error, Unreadable) else []
                finally:
                    self._running.discard(label)

            self._clockwork.spawn(instance.process, work)
        self._clockwork.after(TIMERS[name] * self.pace, lambda: self._tick(name))

    def _poll(self, queue: str) -> None:
        random = self._clockwork.random
        if self.instances and self._queues.ripe(queue):
            messages = list(self._queues.receive(queue, limit=random.randint(1, BATCH), hidden_for=HIDDEN))
            shuffled = random.sample(messages, len(messages))  # who is given a message first is not first to be ready
            self._injected["out of order", "message"] += messages != shuffled
            for message in shuffled:
                if message.dequeue_count > TRIES:  # nobody failed it so often: workers died, or could not take it away
                    self._injected["poisoned by deaths", "message"] += 1
                    self._poison(queue, message)
                    continue
                self._give(random.choice(self.instances), queue, message)
        self._clockwork.after(random.uniform(0.2, 3.5) * self.pace, lambda: self._poll(queue))

    def _give(self, instance: Instance, queue: str, message: Message) -> None:
        """Have an instance work on a message, and perhaps another one as well, before it is through."""
        self._deliveries.given(message, instance.process)

        def work() -> None:
            self._handle(instance, queue, message)
            self._deliveries.over(message)

        self._clockwork.spawn(instance.process, work)
        lapses = self._deliveries.lapses(message)
        if lapses is not None:
            self._clockwork.after(lapses, partial(self._lapse, queue, message))

    def _lapse(self, queue: str, message: Message) -> None:
        """The lease of a message runs out: where its worker is at it still, another one is given it, too."""
        kept = self._queues._queues[queue].messages.get(message.id)
        mine = kept and kept.receipt == message.receipt and self._deliveries.at_work(message)
        if self.instances and kept and mine:
            again = self._queues._take(message.id, kept, self._clockwork.now() + timedelta(seconds=HIDDEN))
            self._give(self._deliveries.any_of(self.instances), queue, again)

    def _handle(self, instance: Instance, queue: str, message: Message) -> None:
        flow = instance.flow
        steps: dict[str, Callable[[], None]] = {
            INCIDENTS: lambda: flow.assess(message.text),
            CONTAIN: flow.contain,
            COLLECT: flow.collect,
            ARCHIVE: lambda: flow.archive(message.text),
            NOTIFY: lambda: flow.notify(message.text),
            REPORT: lambda: flow.report(message.text) if self._reports else None,
            ORDERS: lambda: flow.order(message.text),
        }
        try:
            steps[queue]()
        except Killed:
            raise
        except (*_RAISED, ValueError) as error:
            if isinstance(error, ValueError) and message.text.isalnum():
                raise
            self._deliveries.failed(message)
            self._failed(f"{queue} {message.text} on {instance.process.name}: {error!r}")
            self._clockwork.after(0.0, lambda: self._again(queue, message))
            return
        if self._clockwork.random.random() > 0.01:
            self._clockwork.after(0.0, lambda: self._queues.delete(queue, message))
        else:  # the deletion is lost: the message comes again, though it was handled
            self._injected["comes twice", "message"] += 1

    def _again(self, queue: str, message: Message) -> None:
        """Deliver a failed message once more, or put it where nobody handles it."""
        if message.dequeue_count >= TRIES:
            self._poison(queue, message)
        else:
            kept = self._queues._queues[queue].messages.get(message.id)
            if kept and kept.receipt == message.receipt:
                kept.visible = self._clockwork.now() + timedelta(seconds=RETRY)

    def _poison(self, queue: str, message: Message) -> None:
        self._queues.provide(f"{queue}-poison")
        self._queues.send(f"{queue}-poison", message.text)
        self.poisoned.append((queue, message.text))
        self._queues.delete(queue, message)

    def _failed(self, what: str) -> None:
        self.failures += 1
        self._clockwork.note(f"failed: {what}")
