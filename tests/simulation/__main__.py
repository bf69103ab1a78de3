"""The long run and the replay: `make simulate SEEDS=10000`, `make simulate REPLAY=17 [EARLIER=1] [SCENES=0]`.

Exit status 1 where an invariant was broken, or where something that should have been tried never happened.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from tests.fakes.clients import POSSIBLE
from tests.simulation.dangers import Dangers, asked
from tests.simulation.histories import Outcome, again, counted, play, shrink, told
from tests.simulation.injections import Injected, expected, unlisted
from tests.simulation.invariants import INVARIANTS


def wished(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for; `dangers` gives those of a seed."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", type=int)
    parser.add_argument("--first", action="store_true", help="stop at the first seed that breaks something")
    parser.add_argument("--no-stops", action="store_true", help="with --first: what the product raises breaks nothing")
    parser.add_argument("--earlier", action="store_true", help="one seed, or --first: as the first histories knew it")
    parser.add_argument("--no-scenes", action="store_true", help="the same: without a scene")
    options = parser.parse_args(arguments)
    options.dangers = partial(asked, before=options.earlier, scenes=not options.no_scenes)
    return options


def main() -> int:
    """Read what is asked for, and do it."""
    options = wished()
    logging.disable(logging.CRITICAL)
    if options.replay is not None:
        outcome = shrink(options.replay, options.dangers(options.replay))
        print(told(outcome, lines=10_000))
        return 1 if outcome.problems else 0
    if options.first:
        return first(options.start, options.seeds, options.dangers, stops=not options.no_stops)
    return long_run(options.start, options.seeds, options.jobs)


def first(start: int, seeds: int, dangers: Callable[[int], Dangers], *, stops: bool = True) -> int:
    """Play until a history breaks something. Without `stops`, what the product raises is nothing."""
    for seed in range(start, start + seeds):
        problems = counted(play(seed, dangers(seed)).problems, stops=stops)
        if problems:
            print(f"seed {seed}: {problems[0]}")
            return 1
    return 0


def long_run(start: int, seeds: int, jobs: int) -> int:
    """Play many histories and sum up; what was played until then, where somebody interrupts it."""
    began = time.monotonic()
    checks: Counter[str] = Counter()
    injected: Injected = Counter()
    calls: Counter[str] = Counter()
    failed: list[Outcome] = []
    longest = {True: 0.0, False: 0.0}
    effects = played = 0
    with multiprocessing.Pool(jobs, _ready, maxtasksperchild=50) as pool, suppress(KeyboardInterrupt):
        for outcome in pool.imap_unordered(play, range(start, start + seeds), chunksize=4):
            played += 1
            checks += outcome.checks
            injected += outcome.injected
            calls += outcome.calls
            effects += outcome.effects
            away = outcome.dangers.away
            longest[away] = max(longest[away], outcome.settled_after)
            if outcome.problems:
                failed.append(outcome)
                print(f"seed {outcome.seed}: {outcome.problems[0]}", flush=True)
            if not played % 500:
                print(f"{played} played in {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    _print(checks, injected, calls)
    print(f"\n{played} histories, {sum(calls.values()):,} calls of ports, {effects:,} machine actions, {seconds:.0f} s")
    print(f"settled at the latest {longest[False] / 60:.0f} virtual minutes after the trouble was over;")
    print(f"where devices stay away, {longest[True] / 86400:.1f} virtual days after it")
    untried = missing(checks, injected, calls)
    for what in untried:
        print(f"never happened: {what}")
    for outcome in failed[:1]:
        print(told(shrink(outcome.seed)))
    for outcome in failed[1:]:
        print(f"seed {outcome.seed} again: {again(outcome)}")
    print(f"{played - len(failed)} passed, {len(failed)} failed, {seeds - played} not played")
    return 1 if failed or untried or played < seeds else 0


def _ready() -> None:
    """Leave it to the parent to be interrupted, which sums up; look seldom for rings of garbage, which takes 6 %."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(50_000, 10, 3)


def missing(checks: Counter[str], injected: Injected, calls: Counter[str]) -> list[str]:
    """What a long run has to have tried and did not: every check on something, every call, whatever can befall it."""
    absent = [f"anything to look at for {each.__name__}" for each in INVARIANTS if not checks[each.__name__]]
    absent += [f"call {call}" for call in POSSIBLE if not calls[call]]
    absent += [f"anything to expect of call {call}, which no list has" for call in unlisted(calls)]
    return absent + [f"{what}, {where}" for what, where in expected() if not injected[what, where]]


def _print(checks: Counter[str], injected: Injected, calls: Counter[str]) -> None:
    print("\nwhat each invariant looked at")
    for invariant in INVARIANTS:
        print(f"  {checks[invariant.__name__]:>8}  {invariant.__doc__}")
    print("\ncalls of ports, and what was done to them")
    for call, count in sorted(calls.items()):
        done = {kind: times for (kind, other), times in injected.items() if other == call}
        print(f"  {count:>10,}  {call:<26} " + ", ".join(f"{kind} {times}" for kind, times in sorted(done.items())))
    print("\nwhat happened beside the calls")
    beside = sorted((where, what, times) for (what, where), times in injected.items() if where not in calls)
    for where, what, times in beside:
        print(f"  {times:>10,}  {where}: {what}")


if __name__ == "__main__":
    sys.exit(main())
