"""Break the flow on purpose, in one place after the other, and see that a history notices: `make mutate`.

Each mutation is applied to a copy of the product, and seeds are played until one breaks an invariant. One that no
seed notices is a hole in the simulation, and the exit status says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = 400
_COPIED = ("responders", "shared", "local", "tests")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A text to be found once in a file of the product, what stands there instead, and what that means."""

    file: str
    old: str
    new: str
    means: str


MUTATIONS = (
    Mutation(
        "responders/_outcomes.py",
        "        if not isinstance(standing, Clear):\n",
        "        if isinstance(standing, Later):\n",
        "POST whatever the listing shows",
    ),
    Mutation(
        "responders/_interface.py",
        '    mine = [each for each in listed if own in each.comment and each.kind in {kind, ""}]\n',
        "    mine: list[MachineAction] = []\n",
        "never know our own marker again",
    ),
    Mutation(
        "responders/_outcomes.py",
        "            to = self._unknown(action, error)\n",
        "            to = action.to(State.PLANNED, self._ports.clock.now(), due=self._ports.clock.now())\n",
        "send again at once where the answer was lost",
    ),
    Mutation(
        "responders/_settling.py",
        "    wait = visibility * 2 ** min(doubts - 1, 6)\n",
        "    wait = visibility / 20\n",
        "do not wait until Defender must show an action",
    ),
    Mutation(
        "responders/_containment.py",
        "        if slot and slot.value.owner != action.key:\n",
        "        if False:\n",
        "take a device's slot although another action holds it",
    ),
    Mutation(
        "tests/fakes/storage.py",
        "                holds = row is not None and row.etag == etag\n            case Delete",
        "                holds = row is not None\n            case Delete",
        "drop the condition of every replacing write",
    ),
    Mutation(
        "responders/_watch.py",
        "        date = self._read(mark.until, until, stop)\n",
        '        self._commit(entry, mark.model_copy(update={"until": max(mark.until, self._ports.clock.now())}))\n'
        "        date = self._read(mark.until, until, stop)\n",
        "move the watermark before the incidents are kept",
    ),
    Mutation(
        "responders/_watch.py",
        "            if state and (state.assessed == version or _older(updated, state)):\n",
        "            if state and (state.seen == version or _older(updated, state)):\n",
        "take an incident with a snapshot for assessed",
    ),
    Mutation(
        "responders/_follow.py",
        "        for incident in self._ports.ledger.overdue(now):\n",
        "        for incident in []:\n",
        "never look at reminders",
    ),
    Mutation(
        "responders/_follow.py",
        "            if action.state in {State.PLANNED, State.SENDING, State.UNKNOWN}:\n",
        "            if action.state is State.PLANNED:\n",
        "never nudge what is in doubt",
    ),
    Mutation(
        "responders/_guardrails.py",
        "    if named:\n",
        "    if False:\n",
        "forget the protected devices",
    ),
    Mutation(
        "responders/_guardrails.py",
        "    if not respond:\n",
        "    if False:\n",
        "forget the kill switch where an action is sent",
    ),
    Mutation(
        "responders/_assess.py",
        '        if plan.mode == "respond" and self._ports.settings.respond:\n',
        '        if plan.mode == "respond" or not self._ports.settings.respond:\n',
        "write rows while observing",
    ),
    Mutation(
        "responders/_planning.py",
        "    elif device.id in state.observed and not _news(\n",
        "    elif False and not _news(\n",
        "let a switch to respond fire what was observed",
    ),
    Mutation(
        "responders/_containment.py",
        "        return None if isinstance(ruling, Go) else stopped(action, ruling, self._now)\n",
        "        return None\n",
        "check the caps when planning only",
    ),
    Mutation(
        "responders/_containment.py",
        "            sent = (*self.caps.sent, Spent(id=action.id, at=self._now))\n",
        "            sent = self.caps.sent\n",
        "do not count isolations by hour and day",
    ),
    Mutation(
        "responders/_containment.py",
        "            changes.append(Replace(CAPS, text, self._caps_etag) if self._caps_etag else Insert(CAPS, text))\n",
        "            changes.append(Put(CAPS, text))\n",
        "reserve a cap without a condition",
    ),
    Mutation(
        "responders/_governor.py",
        "        granted = min(granted, max(0, limit - len(within)))\n",
        "        granted = min(granted, limit)\n",
        "lease calls whatever was called before",
    ),
    Mutation(
        "responders/_governor.py",
        "    if book.blocked > now:\n",
        "    if False:\n",
        "forget a Retry-After",
    ),
    Mutation(
        "responders/_dispatch.py",
        "self._api(entry) == api and not self._follows(entry.value))",
        "self._api(entry) == api)",
        "collect before containment",
    ),
    Mutation(
        "responders/isolate.py",
        "        if ours not in last.comment and not _alert_after(action, last):\n",
        "        if False:\n",
        "isolate what a person released",
    ),
    Mutation(
        "responders/_archive.py",
        '        raise Incomplete("the zip file that was downloaded is cut short")\n',
        "        return\n",
        "archive a package that was cut short",
    ),
    Mutation(
        "tests/fakes/clients.py",
        "        if end < len(body):\n            raise Incomplete",
        "        if False:\n            raise Incomplete",
        "trust the length of a download (the check of the zip file stays)",
    ),
    Mutation(
        "responders/_notify.py",
        '            self._mark(state, entry, SENT, "")\n',
        "            pass\n",
        "never note that a notice was sent",
    ),
    Mutation(
        "responders/_notify.py",
        "repeat=notice.attempts > 1)\n",
        "repeat=False)\n",
        "do not say that a notice may be a repeat",
    ),
    Mutation(
        "responders/_notify.py",
        "        for entry in notices:\n            notice = entry.value\n            if notice.state != SENDING:\n",
        "        for entry in notices:\n            notice = entry.value\n            if notice.state:\n",
        "never send a notice again whose sender vanished",
    ),
    Mutation(
        "responders/_notices.py",
        "    if not done:\n        return False\n",
        "    if not actions:\n        return False\n    done = done or [now]\n",
        "announce containment before it is final",
    ),
    Mutation(
        "responders/_settling.py",
        '    if seen.status == "succeeded":\n',
        '    if seen.status in {"succeeded", "inprogress"}:\n',
        "take an action under way for done",
    ),
    Mutation(
        "responders/_follow.py",
        "                self._ports.queues.delete(poison, message)\n",
        "                pass\n",
        "leave dead letters where they are",
    ),
)
SURVIVES = frozenset({"trust the length of a download (the check of the zip file stays)"})
"""What another guard catches as well, and so no history can notice: named, so that nobody takes it for tested here."""


def main() -> int:
    """Try every mutation; print caught / all."""
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    chosen = [each for each in MUTATIONS if asked.only in each.means]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(pool.map(lambda each: _caught(each, asked.seeds), chosen))
    missed = [each.means for each, how in zip(chosen, found, strict=True) if not how and each.means not in SURVIVES]
    for each, how in zip(chosen, found, strict=True):
        print(f"{'caught' if how else 'MISSED':<7} {each.means:<72} {how}")
    print(f"{sum(map(bool, found))} caught of {len(chosen)}")
    return 1 if missed else 0


def _caught(mutation: Mutation, seeds: int) -> str:
    """How a mutation was noticed: the seed and what it broke; empty where it was not."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-mutant-") as folder:
        root = Path(folder)
        for name in _COPIED:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        path = root / mutation.file
        text = path.read_text()
        if text.count(mutation.old) != 1:
            raise SystemExit(f"{mutation.file} has not exactly one place for: {mutation.means}")
        path.write_text(_imported(text.replace(mutation.old, mutation.new), mutation))
        command = [sys.executable, "-m", "tests.simulation", "--seeds", str(seeds), "--jobs", "1", "--first"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("seed ")]
        if done.returncode and not lines:
            return f"the product stops: {done.stderr.strip().splitlines()[-1][:100]}"
        return lines[0][:110] if lines else ""


def _imported(text: str, mutation: Mutation) -> str:
    """The mutated text with the name that the mutation needs."""
    if "Put(" in mutation.new:
        return text.replace("import Conflict, Delete, Insert, Replace", "import Conflict, Delete, Insert, Put, Replace")
    return text


if __name__ == "__main__":
    sys.exit(main())
