"""Play a seed and say what it broke; shrink it to what it needs to break it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from tests.simulation.invariants import INVARIANTS
from tests.simulation.world import Dangers, World


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a history came to. `problems` name the invariant and what broke it; none means that all of them held."""

    seed: int
    dangers: Dangers
    problems: tuple[str, ...]
    checks: Counter[str]
    injected: Counter[tuple[str, str]]
    calls: Counter[str]
    history: tuple[str, ...]
    effects: int
    settled_after: float


def play(seed: int, dangers: Dangers | None = None) -> Outcome:
    """Play one history and check every invariant at its end."""
    world = World(seed, dangers)
    settled = world.run()
    checks: Counter[str] = Counter()
    problems = [] if settled else ["settles: not everything was settled in time"]
    for invariant in INVARIANTS:
        checks[invariant.__name__] += 1
        problems += [f"{invariant.__name__}: {problem}" for problem in invariant(world)]
    return Outcome(
        seed=seed,
        dangers=world.dangers,
        problems=tuple(problems),
        checks=checks,
        injected=world.counters.injected,
        calls=world.counters.calls,
        history=tuple(world.clockwork.history),
        effects=len(world.record.effects),
        settled_after=world.elapsed(),
    )


def shrink(seed: int) -> Outcome:
    """The failing history with as few kinds of trouble as still break the same invariant."""
    best = play(seed)
    if not best.problems:
        return best
    broken = best.problems[0].partition(":")[0]
    calm: dict[str, object] = {"crash": 0.0, "mishap": 0.0, "storage": 0.0, "slow": 0.0, "switches": False}
    for name, value in {**calm, "people": False, "instances": 1}.items():
        tried = play(seed, replace(best.dangers, **{name: value}))  # type: ignore[arg-type]
        if any(problem.startswith(broken) for problem in tried.problems):
            best = tried
    return best


def told(outcome: Outcome, lines: int = 80) -> str:
    """A failing history in words, with the command that replays it."""
    history = "\n".join(outcome.history[-lines:])
    problems = "\n".join(f"  {problem}" for problem in outcome.problems)
    again = f"make simulate REPLAY={outcome.seed}"
    return f"seed {outcome.seed} ({outcome.dangers})\n{history}\nbroken:\n{problems}\nagain: {again}"
