"""What was collected, and what it shows: evidence, network, persistence, accounts, other devices. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from responders._afterwards import called, comes_after, state_told
from responders._inert import defanged
from responders._report.summary import GOOD, Row, kind_of, part, size_of
from responders._several import asked_for
from shared.models.action import State, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._languages import Words
    from responders._report.value import Hashes, Report
    from shared.models.action import Action, Artefact
    from shared.models.findings import Account, Elsewhere, Endpoint, Persistence

_PROOFS = {"verified": "good", "received-only": "good", "mismatch": "bad"}
_GROUPS, _IN_GROUP = 400, 200
_ENDS, _ENDS_IN_ALL = 100, 2500
"""Remote ends that are shown of a process, and of all: a browser opened for a day has thousands."""

_UNFOLDED = 60
_USUAL = re.compile(
    r'\s*"?(?:\\\?\?\\)?'
    r"(?:[a-z]:\\(?:windows|program files)|%(?:systemroot|windir|programfiles)|\\?systemroot\\|system32\\)",
    re.IGNORECASE,
)
"""How commands begin whose programs only an administrator can have put there."""

SNAPSHOT = "/data/incident/"
"""Where the incident itself lies in a run: not what the device gave."""


def evidence(report: Report, words: Words, names: dict[str, str]) -> list[Row]:
    """Every collected item, and every collection that brought none, with the reason. Hunts come last: each leaves a
    dozen files.
    """
    known = {path: hashes for run in report.custody for path, hashes in run.items.items()}
    rows: list[Row] = []
    for action in sorted(report.actions, key=comes_after):
        if action.responder not in report.gathers and not action.artefacts:
            continue
        head = {"device": names.get(target_of(action.device)) or words("whole"), "what": called(action, words)}
        kept = [each for each in action.artefacts if SNAPSHOT not in each.name]
        rows += [{**head, **_item(each, known.get(each.name), words), "name": _name(each, action)} for each in kept]
        if not kept or (action.state not in GOOD and action.state is not State.OBSERVED):
            told = {"state": state_told(action, words), "kind": kind_of(action.state)}
            why = action.detail or action.doubt or action.reason
            rows.append({**head, **told, "detail": why, "todo": action.todo, "name": "", "sha256": ""})
    return rows


def _name(artefact: Artefact, action: Action) -> str:
    """Where an item lies in its run; a file of a device lies under its number there, and is told with its path."""
    name = artefact.name.rpartition("/data/")[2] or artefact.name
    number = name.removeprefix("files/").partition(".")[0]
    paths = {f"{place:03d}": path for place, path in enumerate(asked_for(action), 1)}
    return f"{name}: {paths[number]}" if name.startswith("files/") and number in paths else name


def _item(artefact: Artefact, hashes: Hashes | None, words: Words) -> Row:
    proof = hashes.proof if hashes else ""
    same = "✓"
    return {
        "size": size_of(artefact.size),
        "sha256": artefact.sha256,
        "proof": words.of("proof", proof or "received"),
        "proof_kind": _PROOFS.get(proof, "wait"),
        "device_hash": same if hashes and hashes.device else "–",
        "flight_hash": same,
        "rest_hash": same if hashes and hashes.stored else "–",
    }


def network(report: Report, words: Words, names: dict[str, str]) -> Row:
    """Remote ends by the process that had to do with them; those that reached public addresses come first."""
    groups: dict[tuple[str, int, str, object], list[Endpoint]] = {}
    for each in report.findings.endpoints:
        pid = each.process.pid if each.process else 0
        created = each.process.created if each.process else None
        groups.setdefault((target_of(each.device), pid, each.process_name, created), []).append(each)
    rows: list[Row] = [
        {
            "device": names.get(device, device),
            "process": f"{name or words('process.unknown')}{f' ({pid})' if pid else ''}",
            "collector": str(ends[0].collector),
            "public": sum(each.public is True for each in ends),
            "ends": ends,
            "open": False,
        }
        for (device, pid, name, _), ends in groups.items()
    ]
    rows.sort(key=lambda row: (bool(row["collector"]), -row["public"], row["process"].lower()))
    for row in rows[:3]:
        row["open"] = not row["collector"]
    room = _ENDS_IN_ALL
    for row in rows[:_GROUPS]:
        shown = sorted(row["ends"], key=_public_first)[: min(_ENDS, room)]
        row |= {**part(row["ends"], len(shown)), "rows": [_endpoint(each, words) for each in shown]}
        room -= len(shown)
    return part(rows, _GROUPS)


def _public_first(each: Endpoint) -> tuple[bool, int]:
    return (each.public is not True, -each.count)


def _endpoint(each: Endpoint, words: Words) -> Row:
    return {
        "name": defanged(each.name),
        "address": defanged(each.address),
        "public": each.public,
        "port": each.port or "",
        "protocol": each.protocol,
        "action": words.of("event", each.action) if each.action else "",
        "count": each.count,
        "first": each.first,
        "last": each.last,
    }


def persistence(rows: Sequence[Persistence], words: Words, names: dict[str, str]) -> Row:
    """What starts by itself: first what came within the window, then what lies where programs are not installed. The
    rest of them, hundreds on any Windows, waits folded up.
    """
    told = [
        {
            "device": names.get(target_of(each.device), each.device),
            "mechanism": words.of("mechanism", each.mechanism),
            "name": each.name,
            "place": each.place,
            "command": each.command,
            "account": each.account,
            "signer": each.signer,
            "changed": each.changed,
            "local": each.local,
            "new": each.new is True,
        }
        for each in sorted(rows, key=_foremost)
    ]
    made = part(told)
    return made | {"shown": made["rows"][:_UNFOLDED], "folded": made["rows"][_UNFOLDED:]}


def _foremost(each: Persistence) -> tuple[bool, bool, str, str]:
    usual = not each.command or bool(_USUAL.match(each.command))
    return each.new is not True, usual, each.mechanism, each.name.lower()


def accounts(rows: Sequence[Account], names: dict[str, str]) -> Row:
    """Who was there; administrators first."""
    told = [
        {
            "device": names.get(target_of(each.device), each.device),
            "name": f"{each.domain}\\{each.name}" if each.domain else each.name,
            "sid": each.sid,
            "kind": each.kind,
            "origin": defanged(each.origin),
            "count": each.count,
            "failed": each.failed,
            "first": each.first,
            "last": each.last,
            "administrator": each.administrator is True,
        }
        for each in sorted(rows, key=lambda each: (each.administrator is not True, -each.count, each.name.lower()))
    ]
    return part(told)


def elsewhere(rows: Sequence[Elsewhere]) -> Row:
    """The same behaviour on other devices, by what is the same; the most widespread first."""
    groups: dict[tuple[str, str], list[Elsewhere]] = {}
    for each in rows:
        groups.setdefault((each.trait, each.value), []).append(each)
    told = [
        {
            "trait": trait,
            "value": defanged(value) if trait in {"domain", "address"} else value,
            "count": len({target_of(each.device) for each in found}),
            "rows": [
                {
                    "name": each.device_name or each.device,
                    "device": each.device,
                    "count": each.count,
                    "first": each.first,
                    "last": each.last,
                }
                for each in found[:_IN_GROUP]
            ],
        }
        for (trait, value), found in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    return part(told, _GROUPS)


def log(actions: Sequence[Action], words: Words, names: dict[str, str]) -> Row:
    """Every action with its marker, and Defender's ids: by those it is found in Defender's own record."""
    rows = [
        {
            "at": action.created,
            "device": names.get(target_of(action.device), action.device),
            "what": called(action, words),
            "id": action.id,
            "machine_action": ", ".join(each for each in (*action.ended, action.machine_action) if each),
        }
        for action in actions
    ]
    return part(rows)
