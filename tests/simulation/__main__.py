"""The long run, the replay and the storm: `make simulate SEEDS=10000`, `make simulate REPLAY=17`.

Exit status 1 where an invariant was broken, or where something that should have been tried never happened.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from tests.fakes.clients import POSSIBLE
from tests.simulation.dangers import Dangers, drawn, earlier
from tests.simulation.histories import Outcome, play, shrink, told
from tests.simulation.injections import Injected, expected
from tests.simulation.invariants import INVARIANTS


def main() -> int:
    """Read what is asked for, and do it."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", type=int)
    parser.add_argument("--first", action="store_true", help="stop at the first seed that breaks something")
    parser.add_argument("--earlier", action="store_true", help="with --first: only what the first histories knew")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if asked.replay is not None:
        outcome = shrink(asked.replay)
        print(told(outcome, lines=10_000))
        return 1 if outcome.problems else 0
    if asked.first:
        return first(asked.start, asked.seeds, earlier if asked.earlier else drawn)
    return long_run(asked.start, asked.seeds, asked.jobs)


def first(start: int, seeds: int, dangers: Callable[[int], Dangers]) -> int:
    """Play until a history breaks something."""
    for seed in range(start, start + seeds):
        problems = play(seed, dangers(seed)).problems
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
    longest = 0.0
    effects = played = 0
    with multiprocessing.Pool(jobs, _deaf) as pool, suppress(KeyboardInterrupt):
        for outcome in pool.imap_unordered(play, range(start, start + seeds), chunksize=4):
            played += 1
            checks += outcome.checks
            injected += outcome.injected
            calls += outcome.calls
            effects += outcome.effects
            longest = max(longest, outcome.settled_after)
            if outcome.problems:
                failed.append(outcome)
                print(f"seed {outcome.seed}: {outcome.problems[0]}", flush=True)
            if not played % 500:
                print(f"{played} played in {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    _print(checks, injected, calls)
    print(f"\n{played} histories, {sum(calls.values()):,} calls of ports, {effects:,} machine actions, {seconds:.0f} s")
    print(f"settled at the latest {longest / 60:.0f} virtual minutes after the trouble was over")
    untried = missing(checks, injected, calls)
    for what in untried:
        print(f"never happened: {what}")
    for outcome in failed[:1]:
        print(told(shrink(outcome.seed)))
    print(f"{played - len(failed)} passed, {len(failed)} failed, {seeds - played} not played")
    return 1 if failed or untried or played < seeds else 0


def _deaf() -> None:
    """Leave it to the parent to be interrupted: it sums up what was played until then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def missing(checks: Counter[str], injected: Injected, calls: Counter[str]) -> list[str]:
    """What a long run has to have tried and did not: every check on something, every call, whatever can befall it."""
    absent = [f"anything to look at for {each.__name__}" for each in INVARIANTS if not checks[each.__name__]]
    absent += [f"call {call}" for call in POSSIBLE if not calls[call]]
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
