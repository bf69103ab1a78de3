"""The process trees as the page shows them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._inert import visible
from responders._report.summary import Row

if TYPE_CHECKING:
    from responders._languages import Words
    from responders._report.tree import Forest, Node
    from responders._report.value import Report
    from shared.models.findings import FileFact

_COMMAND_LINE = 2000
_OPEN = 3


def trees(report: Report, grown: Forest, words: Words, names: dict[str, str]) -> list[Row]:
    """The trees by device; the first few are open."""
    facts = _Facts(report.findings.files)
    found: list[Row] = []
    for device, roots in grown.trees.items():
        rows = [_row(root, words, facts) for root in roots]
        count = sum(map(_count, roots))
        found.append({"device": names.get(device, device), "roots": rows, "count": count, "open": len(found) < _OPEN})
    return found


class _Facts:
    """What is known of files, by either hash."""

    def __init__(self, files: tuple[FileFact, ...]) -> None:
        self._known: dict[str, FileFact] = {}
        for each in files:
            for digest in filter(None, (each.sha256, each.sha1)):
                self._known.setdefault(digest.lower(), each)

    def of(self, *hashes: str) -> FileFact | None:
        found = (self._known.get(digest.lower()) for digest in hashes if digest)
        return next((each for each in found if each), None)


def _count(node: Node) -> int:
    return 1 + sum(map(_count, node.children))


def _row(node: Node, words: Words, facts: _Facts) -> Row:
    process = node.process
    fact = facts.of(process.sha256, process.sha1)
    name = process.name or process.path.replace("\\", "/").rpartition("/")[2] or words("process.unknown")
    line = process.command_line
    cut = line if len(line) <= _COMMAND_LINE else f"{line[:_COMMAND_LINE]}… ({words('cut', count=len(line))})"
    asked = fact.engines if fact else None
    return {
        "number": node.number,
        "name": name,
        "pid": process.key.pid,
        "created": process.key.created,
        "alerts": node.alerts,
        "defender": process.defender,
        "collector": str(process.collector),
        "known": node.known,
        "hidden": any("<U+" in visible(text) and "<U+" not in text for text in (name, line)),
        "command_line": cut,
        "facts": _facts(node, words, fact),
        "ratio": _ratio(fact, words),
        "ratio_kind": "bad" if fact and fact.malicious else "good" if asked else "quiet",
        "children": [_row(child, words, facts) for child in node.children],
        "more": node.more,
        "open": len(node.children) <= 25 or bool(node.alerts),  # noqa: PLR2004 - about a screen
    }


def _ratio(fact: FileFact | None, words: Words) -> str:
    if fact is None or fact.asked is None:
        return ""
    return f"{fact.malicious or 0}/{fact.engines}" if fact.engines else words("ratio.unknown")


def _facts(node: Node, words: Words, fact: FileFact | None) -> list[tuple[str, str]]:
    process = node.process
    signer = process.signer or (fact.signer if fact else "")
    unsigned = process.signature or (words("unsigned") if fact and fact.signed is False else "")
    told = {
        "account": process.account,
        "integrity": " ".join(filter(None, (process.integrity, process.elevation))),
        "signer": " · ".join(filter(None, (signer, unsigned))),
        "path": process.path,
        "sha256": process.sha256,
        "sha1": "" if process.sha256 else process.sha1,
        "prevalence": words("prevalence", count=fact.prevalence) if fact and fact.prevalence is not None else "",
    }
    return [(words(f"fact.{name}"), text) for name, text in told.items() if text]
