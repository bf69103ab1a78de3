"""From the raw bindings of a function to a trigger that this host can run, or a sentence that says why not.

The raw bindings are what the real host gets from the worker (`Function.get_raw_bindings()`), placeholders unresolved.
Pure: the settings are an argument.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local.host.schedule import Every, Schedule, parse_schedule
from local.host.settings import is_on, resolve

DEFAULT_CONNECTION: Final = "AzureWebJobsStorage"
_QUEUE_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """A timer: its parameter, its schedule, and the two switches of the binding."""

    parameter: str
    schedule: Schedule
    run_on_startup: bool
    use_monitor: bool

    def __str__(self) -> str:
        """Describe the trigger to a person."""
        kind = "every" if isinstance(self.schedule, Every) else "timer"
        return f"{kind} {self.schedule.text}"


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """A queue: its parameter, the resolved name, and the name of the connection setting."""

    parameter: str
    queue: str
    connection: str

    def __str__(self) -> str:
        """Describe the trigger to a person."""
        return f"queue {self.queue} ({self.connection})"


Trigger = TimerTrigger | QueueTrigger


@dataclass(frozen=True, slots=True)
class HostedFunction:
    """One function that can be run."""

    name: str
    trigger: Trigger
    call: Callable[..., Any]
    wants_context: bool
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    """One function as the app declares it: the name, the raw bindings, the callable."""

    name: str
    raw_bindings: Sequence[str]
    call: Callable[..., Any]
    retried: bool = False


def host_functions(
    declared: Sequence[Declared],
    settings: Mapping[str, str],
) -> tuple[list[HostedFunction], list[str]]:
    """Give the functions in the app's order, and every problem of every function."""
    functions: list[HostedFunction] = []
    problems: list[str] = []
    seen: set[str] = set()
    if not declared:
        problems.append("the app declares no functions")
    for item in declared:
        if item.name.lower() in seen:
            problems.append(f"{item.name}: two functions have this name")
        seen.add(item.name.lower())
        try:
            functions.append(_hosted(item, settings))
        except ValueError as error:
            problems.append(f"{item.name}: {error}")
    return functions, problems


def _hosted(item: Declared, settings: Mapping[str, str]) -> HostedFunction:
    bindings = [json.loads(raw) for raw in item.raw_bindings]
    if len(bindings) != 1:
        others = [str(each.get("type")) for each in bindings if not str(each.get("type")).lower().endswith("trigger")]
        reason = (
            f"this host runs triggers only, not the bindings {', '.join(others)}" if others else "no single trigger"
        )
        raise ValueError(reason)
    trigger = parse_trigger(bindings[0], settings)
    if item.retried and isinstance(trigger, QueueTrigger):
        reason = "a retry policy has no effect on a queue trigger; host.json sets its retries"
        raise ValueError(reason)
    if item.retried:
        reason = "this host does not carry out retry policies"
        raise ValueError(reason)
    return HostedFunction(
        name=item.name,
        trigger=trigger,
        call=item.call,
        wants_context=_wants_context(item.call, trigger.parameter),
        disabled=is_on(settings.get(f"AzureWebJobs.{item.name}.Disabled")),
    )


def parse_trigger(binding: Mapping[str, Any], settings: Mapping[str, str]) -> Trigger:
    """Read one raw binding; ValueError says what is wrong with it."""
    kind = str(binding.get("type", ""))
    parameter = str(binding.get("name", ""))
    if kind == "timerTrigger":
        return _timer(binding, parameter, settings)
    if kind == "queueTrigger":
        return _queue(binding, parameter, settings)
    message = f"trigger {kind!r} is not supported here; this host runs timers and queues"
    raise ValueError(message)


def _timer(binding: Mapping[str, Any], parameter: str, settings: Mapping[str, str]) -> TimerTrigger:
    text = resolve(str(binding.get("schedule") or ""), settings)
    try:
        schedule = parse_schedule(text)
    except ValueError as error:
        message = f"schedule {binding.get('schedule')!r}: {error}"
        raise ValueError(message) from None
    return TimerTrigger(
        parameter=parameter,
        schedule=schedule,
        run_on_startup=bool(binding.get("runOnStartup")),
        use_monitor=binding.get("useMonitor") is not False,
    )


def _queue(binding: Mapping[str, Any], parameter: str, settings: Mapping[str, str]) -> QueueTrigger:
    name = resolve(str(binding.get("queueName") or ""), settings).lower()
    if not name:
        message = "the queue has no name"
        raise ValueError(message)
    if _QUEUE_NAME.fullmatch(name) is None:
        message = (
            f"{name!r} is not a queue name: 3 to 63 of a-z, 0-9 and single hyphens, a letter or digit at both ends"
        )
        raise ValueError(message)
    connection = resolve(str(binding.get("connection") or DEFAULT_CONNECTION), settings)
    return QueueTrigger(parameter, name, connection)


def _wants_context(call: Callable[..., Any], parameter: str) -> bool:
    """Check the parameters as the worker does when it indexes: the trigger's, and `context` if it is wanted."""
    declared = set(inspect.signature(call).parameters)
    if parameter not in declared:
        message = f"the trigger's arg_name {parameter!r} is not a parameter of the function"
        raise ValueError(message)
    extra = sorted(declared - {parameter, "context"})
    if extra:
        message = f"no binding fills the parameter {', '.join(extra)}"
        raise ValueError(message)
    return "context" in declared and parameter != "context"
