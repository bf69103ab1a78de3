"""A policy's conditions on alerts and on their evidence, compiled once into checks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from responders._leaves import HIDDEN, severity, text, word
from responders._truth import Check, Parts, every, exists
from shared.models.incident import SEVERITIES, Alert, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

    from shared.models.policy.conditions import AlertIs, EvidenceIs

S = TypeVar("S")
Builder = Callable[[Any], Check[S]]
"""Makes a check of what a policy asks for under one key."""

# Kinds of evidence of which the schema says that they bear no file, or no account: of these it is known that none fits.
_NO_FILE = frozenset({"device", "user", "ip", "url", "registrykey", "registryvalue", "mailbox", "dns", "nic"})
_NO_ACCOUNT = frozenset({"device", "file", "filehash", "ip", "url", "registrykey", "registryvalue", "dns", "nic"})
_UNKNOWN = ("unknown",)


def built(asked: BaseModel, builders: Mapping[str, Builder[S]]) -> list[Check[S]]:
    """A check for each key that is asked for."""
    wanted = ((build, getattr(asked, name)) for name, build in builders.items())
    return [build(value) for build, value in wanted if value is not None]


def evidence_check(asked: EvidenceIs) -> Check[Evidence]:
    """One entity of which all of this is true."""
    return every(built(asked, EVIDENCE))


def alert_check(asked: AlertIs) -> Check[Alert]:
    """One alert of which all of this is true."""
    return every(built(asked, ALERT))


def unsent(name: str) -> Callable[[BaseModel], bool]:
    """Whether a member is missing from what was sent. One that is there and empty says that there is nothing."""
    return lambda sent: name not in sent.model_fields_set


def called(item: Evidence) -> str:
    """Evidence as people speak of it, without accounts."""
    name = item.file.name or item.image.name or (item.dns_name or item.host_name).partition(".")[0]
    return f"({item.kind or 'of unknown kind'}{f' {name[:80]}' if name else ''})"


def _lacks(get: Callable[[Evidence], Iterable[str]], never: frozenset[str]) -> Callable[[Evidence], bool]:
    """Whether what is asked for is not said of an entity that may well have it."""
    return lambda item: item.kind.lower() not in never and not any(get(item))


def _hidden_role(item: Evidence) -> bool:
    return "roles" not in item.model_fields_set or not HIDDEN.isdisjoint(item.roles)


def _of_file(what: str, member: str, *, quiet: bool = False) -> Builder[Evidence]:
    """What a file, or a process's image, says of itself."""
    get = attrgetter(f"file.{member}", f"image.{member}")
    return lambda asked: text(what, get, asked, _lacks(get, _NO_FILE), quiet=quiet)


def _hash(what: str, member: str) -> Builder[Evidence]:
    def get(item: Evidence) -> tuple[str, ...]:
        return (getattr(item.file, member), getattr(item.image, member), item.hash if item.algorithm == member else "")

    return lambda asked: text(what, get, asked, _lacks(get, _NO_FILE))


def _accounts(item: Evidence) -> tuple[str, ...]:
    return item.account.names


EVIDENCE: Mapping[str, Builder[Evidence]] = {
    "kind": partial(word, "kind", lambda item: item.kind.lower()),
    "verdict": partial(word, "verdict", attrgetter("verdict")),
    "remediation": partial(word, "remediation", attrgetter("remediation")),
    "detection": partial(word, "detection", attrgetter("detection")),
    "role": lambda asked: text("role", attrgetter("roles"), asked, _hidden_role),
    "file_name": _of_file("file name", "name"),
    "file_path": _of_file("folder", "path", quiet=True),
    "sha1": _hash("SHA-1", "sha1"),
    "sha256": _hash("SHA-256", "sha256"),
    "signer": _of_file("signer", "signer"),
    "publisher": _of_file("publisher", "publisher"),
    "account": lambda asked: text("account", _accounts, asked, _lacks(_accounts, _NO_ACCOUNT), quiet=True),
}
"""What can be asked of evidence, by key."""


def _categories(alert: Alert) -> tuple[str, ...]:
    """`category` is the older member, which `categories` replaces."""
    return (*alert.categories, alert.category) if alert.category else alert.categories


def _no_category(alert: Alert) -> bool:
    return alert.model_fields_set.isdisjoint({"category", "categories"})


def _techniques(alert: Alert) -> tuple[str, ...]:
    """Each technique, and the one that it is a sub-technique of."""
    named = [each.strip() for each in alert.techniques]
    return (*named, *(each.partition(".")[0] for each in named if "." in each))


def _technique(asked: Sequence[str]) -> Check[Alert]:
    """An alert that names only the parent of a sub-technique leaves open which one it was."""
    parents = frozenset(each.partition(".")[0] for each in asked if "." in each)

    def left_open(alert: Alert) -> bool:
        named = {each.strip().upper() for each in alert.techniques}
        return "techniques" not in alert.model_fields_set or not parents.isdisjoint(named)

    return text("technique", _techniques, asked, left_open)


def _classification(asked: Sequence[str]) -> Check[Alert]:
    """Looked for among all alerts, those that are classified as benign too."""
    check: Check[Alert] = word("classification", attrgetter("classification"), asked)
    return Check(check.test, check.say, check.asked, frozenset({"classification"}))


def _rank(alert: Alert) -> int:
    return SEVERITIES.get(alert.severity, 0)


ALERT: Mapping[str, Builder[Alert]] = {
    "title": lambda asked: text("title", lambda alert: (alert.title,), asked, unsent("title")),
    "description": lambda asked: text("description", lambda alert: (alert.description,), asked, unsent("description")),
    "category": lambda asked: text("category", _categories, asked, _no_category),
    "technique": _technique,
    "severity": partial(word, "severity", attrgetter("severity"), unknown=_UNKNOWN),
    "severity_at_least": partial(severity, "severity", _rank),
    "status": partial(word, "status", attrgetter("status"), unknown=_UNKNOWN),
    "classification": _classification,
    "determination": partial(word, "determination", attrgetter("determination")),
    "service_source": partial(word, "service source", attrgetter("service_source"), unknown=_UNKNOWN),
    "detection_source": partial(word, "detection source", attrgetter("detection_source"), unknown=_UNKNOWN),
    "system_tag": lambda asked: text("system tag", attrgetter("system_tags"), asked, unsent("system_tags")),
    "evidence": lambda asked: exists(_OF_ALERT, evidence_check(asked)),
}
"""What can be asked of an alert, by key."""

_OF_ALERT: Parts[Alert, Evidence] = Parts(
    "evidence", attrgetter("evidence"), lambda alert: "evidence" in alert.model_fields_set, called
)
