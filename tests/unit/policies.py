"""Policies to try things with, and arbitrary ones: made up, like every incident that they are tried on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from responders._policy import CompiledPolicy, compile_policy
from shared.models.policy import words
from shared.models.policy.conditions import Condition
from shared.models.policy.document import Policy
from shared.models.policy.reading import read

Raw = dict[str, Any]

ROOT = Path(__file__).parents[2]
DEFAULT_TEXT = (ROOT / "policies" / "default.yaml").read_text(encoding="utf-8")
DEFAULT = compile_policy(read(DEFAULT_TEXT))


def rule(name: str = "a", when: Raw | None = None, **members: object) -> Raw:
    """A rule that says harmful, always, unless members say otherwise."""
    own: Raw = {"name": name, "why": "to see", "when": when or {"always": True}}
    asks = {"verdict", "doubt", "actions", "notify"} & members.keys()
    return own | ({} if asks else {"verdict": "harmful"}) | members


def policy(*rules: Raw, **members: object) -> Policy:
    """A policy of these rules."""
    return Policy.model_validate({"version": 1, "name": "test", "why": "to see", "rules": list(rules)} | members)


def compiled(*rules: Raw, **members: object) -> CompiledPolicy:
    """The same, ready to be asked."""
    return compile_policy(policy(*rules, **members))


def text(*rules: Raw, **members: object) -> str:
    """The same, as somebody might write it (JSON is YAML)."""
    return json.dumps({"version": 1, "name": "test", "why": "to see", "rules": list(rules)} | members, indent=1)


# Anything that a policy may ask for

_PATTERNS = ("*", "Multi-stage*", "*hidden*", "host1*", "dc*", "Ubuntu", "evil.exe", "*.exe", "?", "Lab", "nothing")


def _of(known: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True)


_TEXTS = _of(_PATTERNS)
_SEVERITY = st.sampled_from(words.SEVERITY[1:])


def _some(members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Raw]:
    """A mapping of one to three of these keys."""
    keys = st.lists(st.sampled_from(sorted(members)), min_size=1, max_size=3, unique=True)
    return keys.flatmap(lambda chosen: st.fixed_dictionaries({key: members[key] for key in chosen}))


EVIDENCE_CONDITIONS = _some(
    {
        "kind": _of(words.EVIDENCE_KIND),
        "verdict": _of(words.VERDICT),
        "remediation": _of(words.REMEDIATION),
        "detection": _of(words.DETECTION),
        "role": _of(words.EVIDENCE_ROLE),
        "file_name": _TEXTS,
        "sha1": st.just(["5f1e8acedc065031aad553b710838eb366cfee9a"]),
        "signer": _TEXTS,
        "account": _TEXTS,
    }
)
ALERT_CONDITIONS = _some(
    {
        "title": _TEXTS,
        "category": _TEXTS,
        "technique": st.sampled_from([["T1059"], ["T1059.001"]]),
        "severity": _of(words.SEVERITY),
        "severity_at_least": _SEVERITY,
        "status": _of(words.ALERT_STATUS),
        "classification": _of(words.CLASSIFICATION),
        "service_source": _of(words.SERVICE_SOURCE),
        "system_tag": _TEXTS,
        "evidence": EVIDENCE_CONDITIONS,
    }
)
DEVICE_CONDITIONS = _some(
    {
        "name": _TEXTS,
        "tag": _TEXTS,
        "group": _TEXTS,
        "os": _of(words.OS),
        "health": _of(words.HEALTH),
        "risk": _of(words.RISK),
        "value": _of(words.VALUE),
        "role": _of(words.ROLE),
        "user": _TEXTS,
        "dealt_with": st.booleans(),
        "evidence": EVIDENCE_CONDITIONS,
    }
)
_LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "title": _TEXTS,
    "description": _TEXTS,
    "severity": _of(words.SEVERITY),
    "severity_at_least": _SEVERITY,
    "status": _of(words.INCIDENT_STATUS),
    "classification": _of(words.CLASSIFICATION),
    "determination": _of(words.DETERMINATION),
    "tag": _TEXTS,
    "system_tag": _TEXTS,
    "priority_at_least": st.integers(0, 100),
    "merged": st.booleans(),
    "classified_benign": st.booleans(),
    "all_alerts_benign": st.booleans(),
    "informational_only": st.booleans(),
    "all_dealt_with": st.booleans(),
    "disrupted": st.booleans(),
    "alert": ALERT_CONDITIONS,
    "every_alert": ALERT_CONDITIONS,
    "evidence": EVIDENCE_CONDITIONS,
    "every_evidence": EVIDENCE_CONDITIONS,
    "device": DEVICE_CONDITIONS,
}
RAW_CONDITIONS: st.SearchStrategy[Raw] = st.recursive(
    _some(_LEAVES),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda several: {"all": several})
        | st.lists(inner, min_size=1, max_size=3).map(lambda several: {"any": several})
        | inner.map(lambda one: {"not": one})
    ),
    max_leaves=6,
)
CONDITIONS: st.SearchStrategy[Condition] = RAW_CONDITIONS.map(Condition.model_validate)

ACTIONS = st.lists(
    st.sampled_from(
        [
            {"do": "isolate"},
            {"do": "isolate", "type": "selective", "auto_release": True},
            {"do": "isolate", "approval": "PT4H"},
            {"do": "collect_package"},
            {"do": "restrict"},
            {"do": "scan", "type": "full"},
            {"do": "stop_quarantine", "verdict": ["malicious", "suspicious"]},
            {"do": "run_script", "script": "triage.ps1", "args": "-All"},
            {"do": "hunt", "query": "process-tree"},
            {"do": "tag", "tag": "seen"},
            {"do": "comment", "text": "seen"},
        ]
    ),
    max_size=3,
)


def _rule(name: str, conditions: st.SearchStrategy[Raw]) -> st.SearchStrategy[Raw]:
    return st.builds(
        lambda when, verdict, actions: {
            "name": name,
            "why": "to see",
            "when": when,
            "notify": "somebody",
            "actions": actions,
            **({"verdict": verdict} if verdict else {}),
        },
        conditions,
        st.sampled_from([None, "harmless", "harmful"]),
        ACTIONS,
    )


def _rules(conditions: st.SearchStrategy[Raw]) -> st.SearchStrategy[list[Raw]]:
    return st.integers(1, 4).flatmap(
        lambda number: st.tuples(*(_rule(f"rule-{place}", conditions) for place in range(number))).map(list)
    )


RULE_LISTS = _rules(RAW_CONDITIONS)
"""Rules that make a policy, however little sense it makes."""

_LAB: Raw = {"device": {"group": "Lab"}}
DETAIL_RULES: st.SearchStrategy[list[Raw]] = st.lists(
    st.builds(
        lambda when, verdict, actions: (
            {"why": "to see", "when": when, "notify": "somebody", "actions": actions}
            | ({"verdict": verdict} if verdict else {})
        ),
        st.sampled_from(
            [
                *(_LAB, _LAB, {"not": _LAB}, {"device": {"tag": "Lab"}}, {"device": {"risk": "high"}}),
                *(
                    {"always": True},
                    {"always": True},
                    {"severity": "high"},
                    {"any": [_LAB, {"device": {"value": "high"}}]},
                ),
                {"device": {"role": "domainController"}},
            ]
        ),
        st.sampled_from([None, "harmless", "harmful"]),
        st.sampled_from([[], [{"do": "isolate"}], [{"do": "isolate", "type": "selective"}], [{"do": "scan"}]]),
    ),
    min_size=2,
    max_size=3,
).map(lambda rules: [each | {"name": f"rule-{place}"} for place, each in enumerate(rules)])
"""The same, hanging on what only a device's details tell."""
