"""Break the flow on purpose, in one place after the other, and see that a history notices: `make mutate`.

Each mutation is applied to a copy of the product, and seeds are played until one breaks an invariant: first the one
that noticed it last time, if that is written here. A seed that breaks something where nothing is mutated notices
nothing. One that no seed notices is a hole in the simulation, and the exit status says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = 400
_COPIED = ("responders", "shared", "local", "policies", "tests")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A text to be found once in a file of the product, what stands there instead, and what that means; and the seed to
    begin with: as the first histories played it, then as it plays now. That the product raises what it must not, and an
    invariant need not look, counts only where the mutation `stops` it: else any slip in the new text would be caught.
    """

    file: str
    old: str
    new: str
    means: str
    seed: int = 0
    stops: bool = False


MUTATIONS = (
    Mutation(
        "responders/_outcomes.py",
        "        if not isinstance(standing, Clear):\n",
        "        standing = standing if isinstance(standing, Clear | Later) else Clear()\n"
        "        if not isinstance(standing, Clear):\n",
        "POST whatever the listing shows",
    ),
    Mutation(
        "responders/_interface.py",
        '    mine = [each for each in listed if own in each.comment and each.kind in {kind, ""}]\n',
        "    mine: list[MachineAction] = []\n",
        "never know our own marker again",
    ),
    Mutation(
        "responders/_interface.py",
        'and (not each.final or each.status == "succeeded")]',
        "and not each.final]",
        "ask again for what succeeded where a 404 denied it once",
        seed=25,
    ),
    Mutation(
        "responders/_outcomes.py",
        "            to = self._unknown(action, error)\n",
        "            to = action.to(State.PLANNED, self._ports.clock.now(), due=self._ports.clock.now())\n",
        "send again at once where the answer was lost",
        seed=105,
    ),
    Mutation(
        "responders/_settling.py",
        "    wait = visibility * 2 ** min(doubts - 1, 6)\n",
        "    wait = visibility / 20\n",
        "do not wait until Defender must show an action",
        seed=64,
    ),
    Mutation(
        "responders/_containment.py",
        "        if slot and slot.value.owner != action.key:\n",
        "        if False:\n",
        "take a device's slot although another action holds it",
        seed=71,
    ),
    Mutation(
        "tests/fakes/storage.py",
        "                holds = row is not None and row.etag == etag\n            case Delete",
        "                holds = row is not None\n            case Delete",
        "drop the condition of every replacing write",
    ),
    Mutation(
        "responders/_watch.py",
        "            date = self._read(mark.until, until, stop)\n",
        '            self._commit(entry, mark.model_copy(update={"until": max(mark.until, self._ports.clock.now())}))\n'
        "            date = self._read(mark.until, until, stop)\n",
        "move the watermark before the incidents are kept",
    ),
    Mutation(
        "responders/_intake.py",
        "            if state and (state.assessed == version or older(updated, state)):\n",
        "            if state and (state.seen == version or older(updated, state)):\n",
        "take an incident with a snapshot for assessed",
        seed=71,
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
        "            if False:\n",
        "never nudge what is due",
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
        "responders/_carrying.py",
        "sorted(plan.actions, key=lambda each: each.head_start is not None)",
        "plan.actions",
        "write what lets others go first before these",
        seed=364,
    ),
    Mutation(
        "responders/_carrying.py",
        '    if plan.mode != "respond" or not ports.settings.respond:\n',
        '    if plan.mode != "respond" and ports.settings.respond:\n',
        "write rows while observing",
    ),
    Mutation(
        "responders/_carrying.py",
        "        if now - seen > FRESH:\n",
        "        if False:\n",
        "go on with a plan although a newer one came",
        seed=999,
    ),
    Mutation(
        "responders/_news.py",
        "    return seen is None or bool(rounds) or news.beyond(seen.severity, seen.alert)\n",
        "    return True\n",
        "let a switch to respond fire what was observed",
    ),
    Mutation(
        "responders/_containment.py",
        "        return None if isinstance(ruling, Go) else stopped("
        "action, ruling, self._now, settings.APPROVAL_EXPIRES)\n",
        "        return None\n",
        "check the caps when planning only",
    ),
    Mutation(
        "responders/_stock.py",
        "            sent = (*self.caps.value.sent, Spent(id=action.charge, at=now))\n",
        "            sent = self.caps.value.sent\n",
        "do not count isolations by hour and day",
    ),
    Mutation(
        "responders/_stock.py",
        "            found.append(Replace(key, text, self.caps.etag) if self.caps.etag else Insert(key, text))\n",
        "            found.append(Put(key, text))\n",
        "reserve a cap without a condition",
        seed=78,
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
        "            free = [entry for entry in due if not turns.follows(entry.value)]\n",
        "            free = due\n",
        "collect before containment",
    ),
    Mutation(
        "responders/_taking.py",
        "    if persons and not (last.created and news_after(action, last.created)):\n",
        "    if False:\n",
        "isolate what a person released",
        seed=74,
    ),
    Mutation(
        "responders/_zip.py",
        '        raise Incomplete("something stands behind the end of the zip file',
        '        return\n        raise Incomplete("something stands behind the end of the zip file',
        "archive a package with something behind its end",
    ),
    Mutation(
        "responders/_turns.py",
        "        if self._ports.contains(action):\n            return lets_others_go",
        "        if self._ports.contains(action):\n            return False and lets_others_go",
        "isolate although the package was to go first",
    ),
    Mutation(
        "responders/_rivals.py",
        '        if ahead and seen.status == "cancelled":\n',
        '        ahead = None\n        if ahead and seen.status == "cancelled":\n',
        "leave an isolation of ours parked behind a person's",
        seed=20923,
    ),
    Mutation(
        "responders/_wants.py",
        "        asked = item.verdict in ask.verdict and (",
        "        asked = (",
        "stop a file whatever its verdict",
    ),
    Mutation(
        "responders/_policy.py",
        '        cleared = called == "falsepositive"\n',
        "        cleared = True\n",
        "give back what nobody called benign",
        seed=3,
    ),
    Mutation(
        "responders/_sealing.py",
        "for item in manifest.items}),",
        "for item in manifest.items[1:]}),",
        "leave an object out of its bag's list",
    ),
    Mutation(
        "responders/_notify.py",
        '            self._mark(state, entry, SENT, "")\n',
        "            pass\n",
        "never note that a notice was sent",
    ),
    Mutation(
        "responders/_notify.py",
        "        repeat = again or notice.attempts > 1\n",
        "        repeat = False\n",
        "do not say that a notice may be a repeat",
    ),
    Mutation(
        "responders/_notify.py",
        "            if not notice.pending:\n",
        "            if notice.state != OPEN:\n",
        "never send a notice again whose sender vanished",
    ),
    Mutation(
        "responders/_notify.py",
        "            told[place] = notice = notice.model_copy(update=tells)\n",
        "            told[place] = notice\n",
        "remember of an end what was written down, and not what was told",
        seed=416,
    ),
    Mutation(
        "responders/_notify.py",
        "            notices = self._ports.ledger.notices(incident)\n"
        "            entry = self._ports.ledger.incident(incident)\n"
        "            if entry is None:\n"
        "                return\n"
        "            state = entry.value\n"
        "            if state.assessed != state.seen:\n"
        "                self._ports.queues.send(INCIDENTS, incident)\n"
        "                return\n"
        "            actions = self._actions(state)\n",
        "            entry = self._ports.ledger.incident(incident)\n"
        "            if entry is None:\n"
        "                return\n"
        "            state = entry.value\n"
        "            if state.assessed != state.seen:\n"
        "                self._ports.queues.send(INCIDENTS, incident)\n"
        "                return\n"
        "            actions = self._actions(state)\n"
        "            notices = self._ports.ledger.notices(incident)\n",
        "read what was told after what it is about",
        seed=286,
    ),
    Mutation(
        "responders/_notify.py",
        "            for channel in self._channels(state, kind)\n",
        "            for channel in self._channels(state, kind)[:1]\n",
        "tell one channel only",
    ),
    Mutation(
        "responders/_notices.py",
        "    if not done:\n        return False\n",
        "    if not actions:\n        return False\n    done = done or [now]\n",
        "announce containment before it is final",
    ),
    Mutation(
        "responders/_settling.py",
        '    if seen.status == "succeeded" or came_to_something:\n',
        '    if seen.status in {"succeeded", "inprogress"} or came_to_something:\n',
        "take an action under way for done",
    ),
    Mutation(
        "shared/models/action.py",
        'model_config = ConfigDict(frozen=True, extra="allow")',
        'model_config = ConfigDict(frozen=True, extra="ignore")',
        "drop what a newer version wrote into a row",
    ),
    Mutation(
        "responders/_entries.py",
        "        except Unreadable as error:\n",
        "        except ValueError as error:\n",
        "let a row that cannot be read stop all others",
    ),
    Mutation(
        "responders/_outcomes.py",
        "            if refused and remembers(refused):\n",
        "            if False:\n",
        "ask for every device what the tenant cannot have",
        seed=36,
    ),
    Mutation(
        "responders/_health.py",
        "    if last is None or now - last <= patience:\n",
        "    if last is None or now - last <= patience * 1000:\n",
        "never miss a timer that stands still",
    ),
    Mutation(
        "responders/_assess.py",
        "        existing = self._ports.ledger.history(state.id)\n",
        "        existing = self._ports.ledger.actions(state.id)\n",
        "forget what was done for a merged incident",
    ),
    Mutation(
        "responders/_follow.py",
        "                self._ports.queues.delete(poison, message)\n",
        "                pass\n",
        "leave dead letters where they are",
    ),
    Mutation(
        "responders/_releasing.py",
        "        return call_off(ports, entry, f\"Released {why}. {ports.marker(other.id, 'cancel')}\")\n",
        '        return ""\n',
        "release without cancelling the pending isolation",
        seed=213,
    ),
    Mutation(
        "responders/_releasing.py",
        '        return "whether our isolation was sent is being found out"\n',
        '        return ""\n',
        "release while it is not known whether our isolation was sent",
        seed=1624,
    ),
    Mutation(
        "responders/_guardrails.py",
        "    if released and not news_after(action, released.since):\n",
        "    if False:\n",
        "isolate what a person ordered to be free",
        seed=178,
    ),
    Mutation(
        "responders/_holding.py",
        '    return _words(entry.value) if entry and entry.value.active else ""\n',
        '    return "" if entry else ""\n',
        "forget the hold where an action is sent",
    ),
    Mutation(
        "responders/_job.py",
        '            if self.order.id in entry.value.orders:\n                return ""\n',
        "            if False:\n                pass\n",
        "carry an order out twice",
    ),
    Mutation(
        "responders/_consent.py",
        "    if lapsed(action, now):\n",
        "    if False:\n",
        "let an approval count after its expiry",
    ),
    Mutation(
        "responders/_waiting.py",
        "    for record in ports.ledger.every(OrderRecord, ORDERED, due_by=now):\n",
        "    for record in ports.ledger.every(OrderRecord, ORDERED, due_by=now)[:0]:\n",
        "never take up an order whose worker died",
    ),
    Mutation(
        "responders/_orders.py",
        "        if entry.value.order != order:\n",
        "        if False:\n",
        "take another order for the one that has its id",
    ),
    Mutation(
        "responders/_sessions.py",
        "        if len(self._held) >= self._most or action.target in self._held.values():\n",
        "        if False:\n",
        "have as many live response sessions as anybody asks for",
    ),
    Mutation(
        "responders/_follow.py",
        '        if seen.status == "pending" and overdue(entry.value, responder.api, now, patience):\n',
        '        if seen.status == "never" and overdue(entry.value, responder.api, now, patience):\n',
        "let a session wait for a device that is away for as long as Defender does",
    ),
    Mutation(
        "responders/_leftovers.py",
        "        if planned and planned.key not in there:\n",
        "        if planned and planned.key in there:\n",
        "leave on devices what was ended half-way",
        seed=16,
    ),
    Mutation(
        "responders/_taking.py",
        "    if action.approved:\n",
        "    if action:\n",
        "give back of itself what a person took on top of ours",
        seed=18,
    ),
    Mutation(
        "responders/_rivals.py",
        "        behind = left_behind(action, seen, beside, responder.kinds, ours=ours)\n",
        "        behind = False\n",
        "wait for days behind what somebody else tried in vain",
        seed=11,
    ),
    Mutation(
        "responders/tag.py",
        "            may_be_new = action.fetches > 1",
        "            may_be_new = False",
        "take a tag for settled whose write had no answer",
        seed=58,
    ),
    Mutation(
        "responders/_reconciling.py",
        "                if last:\n",
        "                if last and not held:\n",
        "go on holding what a person released",
        seed=19,
    ),
    Mutation(
        "responders/_legs.py",
        '    if said.members.get("clean") is not True:\n',
        "    if said.error:\n",
        "take a device for clean without its word",
    ),
    Mutation(
        "shared/models/action.py",
        "            due = now if self.progress else None\n",
        "            due = None\n",
        "leave unsealed what a collection gathered that ended half-way",
        seed=5,
    ),
    Mutation(
        "responders/_archive.py",
        "        if ended not in _HAD | _LESS:\n",
        "        if ended not in _LESS:\n",
        "gather anew what was sealed before its worker died",
        seed=255,
    ),
    Mutation(
        "responders/_holding.py",
        '    job.ports.ledger.put_single(HOLD, made, entry.etag if entry else "")\n',
        "",
        "answer that everything is held, and hold nothing",
    ),
    Mutation(
        "responders/_releasing.py",
        "    if job.actions():\n        return job.ending()\n    ports = job.ports\n",
        '    if responder == "release":\n        return Answer.done("released")\n'
        "    if job.actions():\n        return job.ending()\n    ports = job.ports\n",
        "answer that a device is released, and release nothing",
    ),
    Mutation(
        "responders/_cancelling.py",
        "    return Answer.waiting(call_off(job.ports, entry, comment))\n",
        '    return Answer.done("cancelled")\n',
        "answer that an action is cancelled, and let it go on",
        seed=47,
    ),
    Mutation(
        "responders/_guardrails.py",
        "    if named:\n",
        '    if named and action.responder == "isolate":\n',
        "restrict protected devices",
        seed=35,
    ),
    Mutation(
        "responders/_stock.py",
        "        if not self.counts(action):\n",
        '        if action.responder == "isolate" and not self.counts(action):\n',
        "restrict without caps by hour and day",
        seed=9,
    ),
    Mutation(
        "responders/_cancelling.py",
        "    if action.foreign:\n",
        "    if False:\n",
        "cancel by order what another asked for",
        seed=77,
    ),
    Mutation(
        "responders/_notices.py",
        "key=_late if len(actions) > _TOLD else comes_after)[:_TOLD]:",
        "key=_late if len(actions) > _TOLD else comes_after)[:0]:",
        "tell the end without its actions",
    ),
    Mutation(
        "responders/_notify.py",
        "        try:\n            self._deliver(state, notice, message)\n        except Throttled as error:\n",
        '        self._mark(state, entry, SENT, "")\n'
        "        try:\n            self._deliver(state, notice, message)\n        except Throttled as error:\n",
        "mark a notice as sent before it is",
        seed=34,
    ),
    Mutation(
        "responders/_run.py",
        "    run = run_name(begun, action.responder, action.goal, action.round)\n",
        "    run = run_name(begun, action.responder, action.goal, action.round + 10 * action.fetches)\n",
        "begin a run of the archive anew with every attempt",
    ),
    Mutation(
        "shared/models/incident.py",
        "    told = _important(raw)\n    if lacks_alerts",
        '    told = _important({name: each for name, each in raw.items() if name != "alerts"})\n    if lacks_alerts',
        "take an incident with new alerts for the same version",
    ),
    Mutation(
        "shared/models/rates.py",
        '    "package_uri": "2/min,120/h",\n',
        '    "package_uri": "30/min,900/h",\n',
        "take another rate for the documented one",
        seed=1,
    ),
    Mutation(
        "responders/_notify.py",
        "            wait = timedelta(seconds=max(1.0, error.retry_after or STALE.total_seconds()))\n",
        "            wait = timedelta(seconds=1)\n",
        "post again before the chat takes more",
        seed=428,
    ),
    Mutation(
        "responders/_containment.py",
        "        holders = tuple(dict.fromkeys((*slot.holders, action.incident)))\n",
        "        holders = slot.holders\n",
        "forget who else wants a device held",
        seed=270,
    ),
    Mutation(
        "responders/_sealing.py",
        "        self._put(TAGS, digests(hashes | events | {CHECKPOINT: _hash(point)}))\n",
        "        self._put(TAGS, digests(hashes))\n",
        "leave the custody out of a bag's tag manifest",
    ),
    Mutation(
        "responders/_outcomes.py",
        '        return f"everything is held {hold}" if hold else ""\n',
        '        return ""\n',
        "do not look at the hold once more before a POST",
        seed=397,
    ),
    Mutation(
        "responders/_library.py",
        "        self._look()\n        return super()",
        "        return super()",
        "begin a session though everything came to be held while the library was read",
        seed=180,
    ),
    Mutation(
        "responders/_releasing.py",
        "    elif other.foreign:\n",
        "    elif False:\n",
        "cancel what others isolate for the sake of a release",
        seed=47,
    ),
    Mutation(
        "responders/_notify.py",
        "        pause = breather(told, now) if kind == FINAL else []\n",
        "        pause: list[timedelta] = []\n",
        "tell every end at once",
        seed=2662,
    ),
    Mutation(
        "responders/_carrying.py",
        "key=lambda each: each.head_start is not None):\n",
        "key=lambda each: each.head_start is not None)[:1]:\n",
        "carry out the first action of a plan only",
        seed=127,
    ),
    Mutation(
        "responders/_assess.py",
        "            if carry_out(self._ports, plan, now):\n"
        "                worked = self._record(entry, plan) or worked\n",
        "            if self._record(entry, plan):\n"
        "                worked = carry_out(self._ports, plan, now) or worked\n",
        "count a version as assessed before its plan is carried out",
        seed=137,
    ),
    Mutation(
        "responders/_planning.py",
        "        facts_at=facts.now if device.id in facts.machines else None,\n",
        "        facts_at=facts.now if device.id in facts.machines else None,\n"
        "        approved=any(each.approved for each in rounds),\n",
        "take the next round for approved as well",
        seed=114,
    ),
    Mutation(
        "responders/_repeats.py",
        "    if touches:\n",
        "    if False:\n",
        "write into an incident what was to be told there before the mode was switched",
        seed=167,
    ),
)


def main() -> int:
    """Try every mutation; print caught / all."""
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    chosen = [each for each in MUTATIONS if asked.only in each.means]
    missed = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        tried = {pool.submit(_caught, each, asked.seeds): each for each in chosen}
        for done in as_completed(tried):
            how = done.result()
            missed += not how
            print(f"{'caught' if how else 'MISSED':<7} {tried[done].means:<72} {how}", flush=True)
    print(f"{len(chosen) - missed} caught of {len(chosen)}")
    return 1 if missed else 0


def _caught(mutation: Mutation, seeds: int) -> str:
    """How a mutation was noticed: the invariant, the seed and what it broke; empty where it was not."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-mutant-") as folder:
        root = Path(folder)
        for name in _COPIED:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        path = root / mutation.file
        text = path.read_text()
        if text.count(mutation.old) != 1:
            raise SystemExit(f"{mutation.file} has not exactly one place for: {mutation.means}")
        path.write_text(_imported(text.replace(mutation.old, mutation.new), mutation))
        counts = () if mutation.stops else ("--no-stops",)
        only = range(mutation.seed, mutation.seed + 1)
        for how in (("--earlier",), ()) if mutation.seed else ():
            known = noticed(_play(root, mutation, *how, *counts), _play(ROOT, mutation, *how), only)
            if known:
                return f"{known[:-1]}, earlier)" if how else known
        return noticed(_play(root, mutation, *counts), _play(ROOT, mutation), range(seeds))


def noticed(mutated: Callable[[range], str], plain: Callable[[range], str], seeds: range) -> str:
    """The invariant that the first of these seeds breaks in the `mutated` product which breaks nothing in the `plain`
    one, and what; empty where none does. Each gives the first that breaks something as `seed 1: invariant: what`.
    """
    while seeds:
        broken = mutated(seeds)
        if not broken:
            return ""
        seed, invariant, what = (part.strip() for part in broken.removeprefix("seed ").split(":", 2))
        if not plain(range(int(seed), int(seed) + 1)):
            return f"by {invariant}: {what[:80]} (seed {seed})"
        seeds = range(int(seed) + 1, seeds.stop)
    return ""


def _play(root: Path, mutation: Mutation, *how: str) -> Callable[[range], str]:
    """How to find the first of some seeds that breaks something in the product there, with what it broke."""

    def broken(seeds: range) -> str:
        fixed = os.environ | {"PYTHONHASHSEED": "0"}  # the same histories, so the same answer, every time
        which = ["--start", str(seeds.start), "--seeds", str(len(seeds)), "--jobs", "1", "--first", *how]
        command = [sys.executable, "-m", "tests.simulation", *which]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=fixed)
        lines = [line for line in done.stdout.splitlines() if line.startswith("seed ")]
        if done.returncode and not lines:
            raise SystemExit(f"not a mutation, for nothing runs: {mutation.means}: {done.stderr.strip()[-200:]}")
        return lines[0] if lines else ""

    return broken


def _imported(text: str, mutation: Mutation) -> str:
    """The mutated text with the name that the mutation needs."""
    if "Put(" in mutation.new:
        return text.replace("import Insert, Replace", "import Insert, Put, Replace")
    return text


if __name__ == "__main__":
    sys.exit(main())
