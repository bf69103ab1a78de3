"""What a reviewer needs: custody, what is missing, whom to ask, and how to check it all. Pure."""

from __future__ import annotations

from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING

from responders._afterwards import called, state_told
from responders._report.chapters import SNAPSHOT
from responders._report.moments import own_sources, span
from responders._report.summary import GOOD, Row, part
from shared.models.action import target_of

if TYPE_CHECKING:
    from responders._languages import Words
    from responders._report.value import Report
    from shared.models.action import Artefact
    from shared.models.incident import Alert

BEFORE, AFTER = timedelta(hours=24), timedelta(hours=1)
"""How far round the alerts the device's owner is asked about."""

QUESTIONS, LIMITS = 10, 6
_SHEETS, _STEPS, _RUNS = 100, 300, 200

TIMESKETCH, TABLE, LAYER, PLAIN = "timeline.jsonl", "timeline.csv", "attack-layer.json", "report.md"
FILES = (TIMESKETCH, TABLE, LAYER, PLAIN)
"""What lies beside a report."""


def interview(report: Report, names: dict[str, str]) -> list[Row]:
    """A sheet for the owner of each device, with what is known filled in."""
    devices = [target_of(each.id) for each in report.assessment.devices] if report.assessment else []
    devices = devices or list(dict.fromkeys(target_of(each.device) for each in report.actions if each.device))
    sheets = []
    for device in devices[:_SHEETS]:
        alerts = [each for each in report.incident.alerts if _on(each, device)] or list(report.incident.alerts)
        since, until = span(alerts)
        sheets.append(
            {
                "device": names.get(device, device),
                "id": device,
                "since": since - BEFORE if since else None,
                "until": until + AFTER if until else None,
                "alerts": [(each.first or each.created, each.title) for each in alerts[:8]],
                "accounts": ", ".join(_accounts(alerts, device)[:8]),
                "open": len(devices) == 1,
            }
        )
    return sheets


def _on(alert: Alert, device: str) -> bool:
    return any(target_of(each.device_id) == device for each in alert.evidence)


def _accounts(alerts: list[Alert], device: str) -> list[str]:
    found: dict[str, None] = {}
    for alert in alerts:
        for each in alert.evidence:
            here = target_of(each.device_id) in {device, ""}
            for account in (each.account, *each.logged_on) if here else ():
                name = next(iter(account.names[1:2] or account.names), "")
                found |= {name: None} if name else {}
    return list(found)


def custody(report: Report) -> list[Row]:
    """What the archive says of every run."""
    return [
        {
            "run": run.folder.rpartition("/")[2],
            "folder": run.folder,
            "sealed": run.sealed,
            "head": run.head,
            "signer": run.signer,
            "steps": list(run.steps[:_STEPS]),
            "open": len(report.custody) == 1,
        }
        for run in report.custody[:_RUNS]
    ]


def missing(report: Report, words: Words, names: dict[str, str]) -> Row:
    """What is not there: collections that brought nothing, what the sources themselves could not give, and alerts that
    did not come with the incident and were not read apart.
    """
    rows = [
        {
            "device": names.get(target_of(action.device), ""),
            "what": called(action, words),
            "why": f"{state_told(action, words)}{f': {action.detail}' if action.detail else ''}",
            "todo": action.todo,
        }
        for action in report.actions
        if action.responder in report.gathers and action.state not in GOOD
    ]
    planned = {action.responder for action in report.actions}
    rows += [
        {"device": "", "what": words.of("responder", each), "why": words("missing.unplanned"), "todo": ""}
        for each in sorted(report.gathers - planned)
    ]
    rows += [
        {
            "device": names.get(target_of(each.device), each.device),
            "what": each.what,
            "why": each.why,
            "todo": each.todo,
        }
        for each in report.findings.missing
    ]
    if not report.incident.whole and not report.incident.merged:
        told = {"why": words("missing.alerts", count=len(report.incident.alerts)), "todo": words("missing.alerts.todo")}
        rows.append({"device": "", "what": words("tile.alerts"), **told})
    return part(rows)


def sources(report: Report, words: Words, names: dict[str, str]) -> Row:
    """Where everything comes from, and how much of it is there."""
    counts = {"alerts": len(report.incident.alerts), "ledger": len(report.actions), "notes": len(report.notes)}
    rows = [
        {
            "title": each.title,
            "name": each.name,
            "query": each.query,
            "device": names.get(target_of(each.device), each.device),
            "rows": f"{counts.get(each.id, each.rows):,}",
            "since": each.since,
            "until": each.until,
            "truncated": each.truncated,
            "zone": each.zone,
        }
        for each in (*own_sources(words), *report.findings.sources)
    ]
    return part(rows)


def kept(report: Report) -> list[Artefact]:
    """Everything that was archived, each object once."""
    found = {each.name: each for action in report.actions for each in action.artefacts}
    return list(found.values())


def verify(report: Report, words: Words) -> list[tuple[str, str]]:
    """Commands to copy, for an evidence account that people reach by their own sign-in."""
    items = kept(report)
    if not items:
        return []
    account = report.account or "https://ACCOUNT.blob.core.windows.net"
    folder = _shared([each.name for each in items])
    sealed = [run.folder for run in report.custody if run.sealed]
    told = [
        (words("verify.login"), "azcopy login"),
        (words("verify.download"), f"azcopy copy {quote(f'{account}/evidence/{folder}')} . --recursive"),
    ]
    told += [(words("verify.run"), f"python3 {quote(f'{_tail(run, folder)}/verify.py')}") for run in sealed[:20]]
    sums = [f"{each.sha256}  {_tail(each.name, folder)}" for each in items[:200]]
    told.append((words("verify.sums"), "sha256sum -c <<'END'\n" + "\n".join(sums) + "\nEND"))
    windows = f"Get-ChildItem -Recurse -File {folder.rpartition('/')[2]} | Get-FileHash -Algorithm SHA256"
    told.append((words("verify.windows"), windows))
    return told + _opened(items, folder, words)


def _shared(names: list[str]) -> str:
    """The deepest folder that holds all of these."""
    folders = [name.split("/")[:-1] for name in names]
    same = []
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        same.append(level[0])
    return "/".join(same[:4])


def _tail(name: str, folder: str) -> str:
    """A name from where it is once its folder was downloaded."""
    return name[len(folder.rpartition("/")[0]) :].lstrip("/")


_OPENERS = (
    (".zip", "open.zip", "unzip -l {file}"),
    (".jsonl", "open.jsonl", "head -n 3 {file} | python3 -m json.tool --json-lines"),
    (".json", "open.json", "python3 -m json.tool {file} | less"),
    (".evtx", "open.evtx", "hayabusa csv-timeline -f {file} -o timeline.csv -U"),
    (".lime.gz", "open.memory", "vol -f {file} banners.Banners"),
    (".raw.gz", "open.memory", "vol -f {file} windows.info"),
    (".dmp.gz", "open.dump", "gunzip -k {file}"),
)


def _opened(items: list[Artefact], folder: str, words: Words) -> list[tuple[str, str]]:
    """How to open one of each kind; nothing that is collected should be run."""
    found: dict[str, tuple[str, str]] = {}
    for each in items:
        for ending, label, command in _OPENERS:
            if each.name.endswith(ending) and SNAPSHOT not in each.name:
                file = quote(_tail(each.name, folder))
                found.setdefault(label, (words(label), command.format(file=file)))
                break
    return list(found.values())
