"""The processes round the alerts: what started what, down from the oldest known ancestor. Pure.

A process is known by its device, number and creation time; numbers are used again, so that nothing is ever joined on
the number alone. Whatever the sources claim, the tree ends: no process is its own ancestor, and none is shown twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shared.models.action import target_of
from shared.models.findings import Process, ProcessKey, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from responders._report.value import Report
    from shared.models.incident import Evidence

PER_DEVICE, IN_ALL = 200, 2000
"""Processes that are shown at the most; all are in the timeline."""

_UP, _DOWN = 24, 16
_ROUNDING = 1000
"""Milliseconds within which no number is given to two processes."""

Identity = tuple[str, int, int | None]


@dataclass(frozen=True, slots=True)
class Node:
    """A process that is shown: `number` names it in the page, `alerts` are the titles of alerts that name it, `more` is
    how many of its children are left out, `known` says that more is known of it than that it was somebody's parent.
    """

    number: int
    process: Process
    alerts: tuple[str, ...]
    known: bool
    children: tuple[Node, ...] = ()
    more: int = 0


@dataclass(slots=True)
class Forest:
    """The trees by device (its id in small letters), and the number of every process that is shown."""

    trees: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    numbers: dict[Identity, int] = field(default_factory=dict)
    total: int = 0


def identity(key: ProcessKey) -> Identity:
    """What two sources name the same process by: the device, the number, and the creation time to the millisecond."""
    created = int(key.created.timestamp() * 1000) if key.created else None
    return (target_of(key.device), key.pid, created)


def forest(report: Report) -> Forest:
    """The trees of every device that has a process which an alert or Defender names."""
    known, alerts = _known(report)
    parents = {each: identity(process.parent) for each, process in known.items() if process.parent}
    for process in [each for each in known.values() if each.parent]:
        parent = process.parent
        if parent and identity(parent) not in known:
            known[identity(parent)] = Process(parent, name=process.parent_name)
    grown = Forest(total=len(known))
    seeds: dict[str, list[Identity]] = {}
    for each, process in known.items():
        if each in alerts or process.defender:
            seeds.setdefault(each[0], []).append(each)
    children: dict[Identity, list[Identity]] = {}
    for each, parent_id in parents.items():
        children.setdefault(parent_id, []).append(each)
    for device, named in sorted(seeds.items()):
        if len(grown.numbers) < IN_ALL:
            chosen = _chosen(sorted(named, key=lambda each: each not in alerts), parents, children)
            tree = _Tree(known, alerts, children, chosen, grown.numbers)
            grown.trees[device] = tuple(tree.node(root) for root in _roots(chosen, parents))
    return grown


def _known(report: Report) -> tuple[dict[Identity, Process], dict[Identity, tuple[str, ...]]]:
    """Every process by its identity, and the titles of the alerts that name it."""
    titles = {alert.id: alert.title for alert in report.incident.alerts}
    known: dict[Identity, Process] = {}
    alerts: dict[Identity, dict[str, None]] = {}
    for process in report.findings.processes:
        each = identity(process.key)
        known[each] = _fuller(known[each], process) if each in known else process
        for name in process.alerts:
            alerts.setdefault(each, {})[titles.get(name, name)] = None
    numbered: dict[tuple[str, int], list[Identity]] = {}
    for each in known:
        numbered.setdefault(each[:2], []).append(each)
    for alert in report.incident.alerts:
        for process in _named(alert.evidence):
            each = _same(identity(process.key), numbered)
            above = process.parent and _same(identity(process.parent), numbered)
            if process.parent and above in known:
                process = replace(process, parent=known[above].key)  # noqa: PLW2901 - as the other source calls it
            known[each] = _fuller(known[each], process) if each in known else process
            alerts.setdefault(each, {})[alert.title] = None
    return known, {each: tuple(found) for each, found in alerts.items()}


def _same(each: Identity, numbered: dict[tuple[str, int], list[Identity]]) -> Identity:
    """The same process as another source calls it: sources round its creation time, and an alert may tell none."""
    others = numbered.get(each[:2], [])
    if each[2] is None:
        return others[0] if len(others) == 1 else each
    near = [one for one in others if one[2] is not None and abs(one[2] - each[2]) <= _ROUNDING]
    return near[0] if near else each


def _named(evidence: Iterable[Evidence]) -> Iterator[Process]:
    """The processes that an alert names, as far as it says which they are."""
    for each in evidence:
        if each.kind != "process" or each.process_id is None or not each.device_id:
            continue
        started_by = each.parent_id is not None
        parent = ProcessKey(each.device_id, each.parent_id or 0, each.parent_created) if started_by else None
        yield Process(
            ProcessKey(each.device_id, each.process_id, each.process_created),
            name=each.image.name,
            path=_path(each),
            command_line=each.command_line,
            parent=parent,
            parent_name=each.parent_image.name,
            account=next((name for name in each.account.names[1:2] or each.account.names), ""),
            sha1=each.image.sha1,
            sha256=each.image.sha256,
            signer=each.image.signer or each.image.publisher,
            defender=each.remediation if each.handled else each.detection if each.detection == "blocked" else "",
            where=Where("alerts"),
        )


def _path(each: Evidence) -> str:
    path, name = each.image.path, each.image.name
    if not name or path.lower().endswith(name.lower()):
        return path
    between = "/" if path.startswith("/") else "\\"
    return f"{path.rstrip(between)}{between}{name}"


def _fuller(one: Process, other: Process) -> Process:
    """What two sources know of the same process; the first one's word counts."""
    named = [each for each in Process.__dataclass_fields__ if each not in {"key", "where"}]
    return replace(one, **{each: getattr(one, each) or getattr(other, each) for each in named})


def _chosen(
    seeds: list[Identity], parents: dict[Identity, Identity], children: dict[Identity, list[Identity]]
) -> dict[Identity, None]:
    """Whom to show: those that are named, what they come from, and what came of them."""
    chosen: dict[Identity, None] = {}
    for seed in seeds[:PER_DEVICE]:
        each: Identity | None = seed
        for _ in range(_UP):
            if each is None or each in chosen:
                break
            chosen[each] = None
            each = parents.get(each)
    layer = list(chosen) if len(chosen) < PER_DEVICE else []
    layer = [each for each in layer if each in set(seeds)]
    for _ in range(_DOWN):
        layer = [child for each in layer for child in children.get(each, []) if child not in chosen]
        layer = layer[: max(0, PER_DEVICE - len(chosen))]
        chosen.update(dict.fromkeys(layer))
    return chosen


def _roots(chosen: dict[Identity, None], parents: dict[Identity, Identity]) -> list[Identity]:
    """Those whose parent is not shown; of a ring of parents, which only a lie can make, one."""
    roots = [each for each in chosen if parents.get(each) not in chosen]
    reached: set[Identity] = set()
    for each in chosen:
        above: list[Identity] = []
        at: Identity | None = each
        while at in chosen and at not in above and at not in reached:
            above.append(at)
            at = parents.get(at)
        if at in above:
            roots.append(at)
        reached.update(above)
    return roots


@dataclass(slots=True)
class _Tree:
    known: dict[Identity, Process]
    alerts: dict[Identity, tuple[str, ...]]
    children: dict[Identity, list[Identity]]
    chosen: dict[Identity, None]
    numbers: dict[Identity, int]

    def node(self, each: Identity) -> Node:
        """A process with what it started; each is given once."""
        self.numbers[each] = len(self.numbers) + 1
        number = self.numbers[each]
        process = self.known[each]
        below = sorted(self.children.get(each, []), key=lambda child: (child[2] or 0, child[1]))
        shown = tuple(self.node(child) for child in below if child in self.chosen and child not in self.numbers)
        more = sum(child not in self.chosen for child in below)
        known = bool(process.path or process.command_line or process.where.source)
        return Node(number, process, self.alerts.get(each, ()), known, shown, more)
