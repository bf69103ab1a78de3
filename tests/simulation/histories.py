"""Play a seed and say what it broke; shrink it to what it needs to break it."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.simulation.dangers import NOT_YET, Dangers, command
from tests.simulation.injections import reckoned
from tests.simulation.invariants import INVARIANTS
from tests.simulation.world import World

STOPS = "stops:"
"""How the problem begins of a history that came to no end, since the product raised what it must not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a history came to. `begun` are the dangers that were asked for; of a shrunk one these are more. `problems`
    name the invariant and what broke it; none means that all of them held. `checks` count what each of them looked at.
    """

    seed: int
    dangers: Dangers
    begun: Dangers
    problems: tuple[str, ...]
    checks: Counter[str]
    injected: Counter[tuple[str, str]]
    calls: Counter[str]
    history: tuple[str, ...]
    effects: int
    settled_after: float


def play(seed: int, dangers: Dangers | None = None) -> Outcome:
    """Play one history and check every invariant at its end. What the product raises and must not is a problem too."""
    world = World(seed, dangers)
    checks: Counter[str] = Counter()
    problems: list[str] = []
    try:
        problems += [] if world.run() else ["settles: not everything was settled in time"]
        for invariant in INVARIANTS:
            found = list(invariant(world))
            checks[invariant.__name__] += len(found)
            problems += [f"{invariant.__name__}: {problem}" for problem in found if problem]
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed has to be told with it
        last = traceback.extract_tb(error.__traceback__)[-1]
        problems.append(f"{STOPS} {error!r} in {last.name}, line {last.lineno}")
    return Outcome(
        seed=seed,
        dangers=world.dangers,
        begun=world.dangers,
        problems=tuple(problems),
        checks=checks,
        injected=world.counters.injected + reckoned(world),
        calls=world.counters.calls,
        history=tuple(world.clockwork.history),
        effects=len(world.record.effects),
        settled_after=world.elapsed(),
    )


def shrink(seed: int, dangers: Dangers | None = None) -> Outcome:
    """The failing history with as few kinds of trouble as still break the same invariant."""
    best = play(seed, dangers)
    if not best.problems:
        return best
    begun, broken = best.dangers, best.problems[0].partition(":")[0]
    calm: dict[str, object] = {"crash": 0.0, "mishap": 0.0, "storage": 0.0, "slow": 0.0}
    calm |= {"switches": False, "people": False, "orders": False, "away": False, "update": "", "stalled": ""}
    calm |= {"deaf": False, "more": False, "first": False, "live": False, "unsaid": False, "cut": False}
    calm |= {"scenes": False, "instances": 1} | NOT_YET
    for name, value in calm.items():
        tried = play(seed, replace(best.dangers, **{name: value}))  # type: ignore[arg-type]
        if any(problem.startswith(broken) for problem in tried.problems):
            best = replace(tried, begun=begun)
    return best


def counted(problems: Iterable[str], *, stops: bool) -> list[str]:
    """The problems that count: without `stops`, that the product raised what it must not is none."""
    return [each for each in problems if stops or not each.startswith(STOPS)]


def told(outcome: Outcome, lines: int = 80) -> str:
    """A failing history in words, with the command that plays it again, from what was asked for on."""
    history = "\n".join(outcome.history[-lines:])
    problems = "\n".join(f"  {problem}" for problem in outcome.problems)
    return f"seed {outcome.seed} ({outcome.dangers})\n{history}\nbroken:\n{problems}\nagain: {again(outcome)}"


def again(outcome: Outcome) -> str:
    """The command that plays a history again."""
    return command(outcome.seed, outcome.begun)
