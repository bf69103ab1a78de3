"""Policy text to policy, or every problem at once: the line, what is wrong, and what was probably meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared.models.policy.document import Policy
from shared.models.policy.fields import meant
from shared.models.policy.problems import PolicyError, Problem, spelt
from shared.models.policy.schema import at
from shared.models.policy.yaml_tree import line_of, parse, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.models.policy.problems import Path
    from shared.models.policy.yaml_tree import Node

_SHOWN = 60
_IN_RULE = re.compile(r"rules\[(\d+)\]")
_EXAMPLES: tuple[Path, ...] = tuple(("rules", "*", "examples", kind, "*") for kind in ("match", "no_match", "unknown"))
SAMPLES: tuple[Path, ...] = tuple((*example, part) for example in _EXAMPLES for part in ("incident", "device"))
"""Where Microsoft's own JSON stands in a policy."""


@dataclass(frozen=True, slots=True)
class Source:
    """A policy with the text's tree, which knows the lines. `problems` are those of the text's form: then `policy` is
    what is left without the rules that have them, or None where that is not enough. `places` are the places that its
    rules have in the text.
    """

    policy: Policy | None
    problems: tuple[Problem, ...]
    tree: Node | None
    places: tuple[int, ...] = ()

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at a path in the policy."""
        if path[:1] == ("rules",) and isinstance(path[1], int):
            path = ("rules", self.places[path[1]], *path[2:])
        return Problem(line_of(self.tree, path) if self.tree else 0, spelt(path), message)


def read(text: str) -> Policy:
    """The policy in a text.

    Raises:
        PolicyError: with every problem of the text's form. What it means is looked at by `responders._policy_check`.
    """
    found = source(text)
    if found.policy is None or found.problems:
        raise PolicyError(found.problems)
    return found.policy


def source(text: str) -> Source:
    """The policy in a text, its lines, and every problem of its form. Never raises."""
    tree, problems = parse(text)
    if tree is None:
        return Source(None, tuple(problems), None)
    if tree.kind != "mapping":
        told = Problem(tree.line, "", "is not a mapping; it begins with 'version: 1'")
        return Source(None, (*problems, told), tree)
    value, unfolded = plain(tree, samples=SAMPLES)
    problems += unfolded
    found, policy = _validated(tree, value)
    told_already = {problem.path for problem in problems}
    problems += [problem for problem in found if problem.path not in told_already]
    if policy is not None and not problems:
        return Source(policy, (), tree, tuple(range(len(policy.rules))))
    return _remaining(tree, value, problems)


def _validated(tree: Node, value: object) -> tuple[list[Problem], Policy | None]:
    try:
        return [], Policy.model_validate(value)
    except ValidationError as error:
        found = [dict(item) for item in error.errors(include_url=False)]
        return [_problem(tree, item) for item in found if not _hollow(item)], None


def _hollow(error: Mapping[str, object]) -> bool:
    """Whether a list is called too short only because its items have problems of their own."""
    return error.get("type") == "too_short" and bool(error.get("input"))


def _remaining(tree: Node, value: object, problems: Sequence[Problem]) -> Source:
    """What is left of a policy without the rules that have problems, if nothing else has one."""
    wrong = {
        int(found[1]) if (found := _IN_RULE.match(problem.path)) else -1
        for problem in problems
        if problem.path not in _STAND_INS
    }
    rules = value.get("rules") if isinstance(value, dict) else None
    policy: Policy | None = None
    places: tuple[int, ...] = ()
    if isinstance(value, dict) and isinstance(rules, list) and -1 not in wrong:
        places = tuple(place for place in range(len(rules)) if place not in wrong)
        lacking = {problem.path for problem in problems} & _STAND_INS.keys()
        stand_ins = {name: _STAND_INS[name] for name in lacking}
        _, policy = _validated(tree, {**value, **stand_ins, "rules": [rules[place] for place in places]})
    return Source(policy, tuple(problems), tree, places)


_STAND_INS: Mapping[str, object] = {"version": 1, "name": "policy", "why": "It is missing."}
"""For members that say nothing of the rules, so that those can be looked at though one of these is wrong."""

_ADVICE = {
    "string_type": "needs a text",
    "string_pattern_mismatch": "is not a name: letters, digits, dots, hyphens and underscores",
    "string_too_long": "is too long",
    "tuple_type": "needs a list: lines that begin with '- '",
    "list_type": "needs a list: lines that begin with '- '",
    "dict_type": "needs a mapping: lines of 'key: value'",
    "model_type": "needs a mapping: lines of 'key: value'",
    "model_attributes_type": "needs a mapping: lines of 'key: value'",
    "too_short": "is empty",
    "int_parsing": "needs a whole number",
    "int_type": "needs a whole number",
    "float_parsing": "needs a number",
    "float_type": "needs a number",
    "union_tag_not_found": "says nothing to do: the key 'do' is missing",
}
"""What to do about an error of pydantic's, by its type, where its own words leave that open."""


def _problem(tree: Node, error: Mapping[str, object]) -> Problem:
    where = error.get("loc")
    path: Path = tuple(part for part in where if part != "[key]") if isinstance(where, tuple) else ()
    kind, context = str(error.get("type", "")), error.get("ctx")
    told: Mapping[str, object] = context if isinstance(context, dict) else {}
    _, real = at(path)
    if kind == "extra_forbidden":
        known = list(at(path[:-1])[0].get("properties", ()))
        key = str(path[-1])[:_SHOWN]
        message = f"the key '{key}' is not known{_meant(key, known)}"
    elif kind == "missing":
        message = f"the key '{path[-1]}' is missing: {_explained(path)}"
    elif kind == "union_tag_invalid":
        known = [each.strip(" '") for each in str(told.get("expected_tags", "")).split(",")]
        tag = str(told.get("tag", ""))[:_SHOWN]
        message = f"'{tag}' is nothing that a rule can ask for{_meant(tag, known)}"
    elif kind == "literal_error":
        message = f"'{str(error.get('input'))[:_SHOWN]}' has to be {told.get('expected')}"
    else:
        own = str(error.get("msg", ""))
        said = own.removeprefix("Value error, ") if kind == "value_error" else own[:1].lower() + own[1:]
        message = _ADVICE.get(kind, said)
    return Problem(line_of(tree, real), spelt(real), message)


def _meant(written: str, known: Sequence[str]) -> str:
    return meant(written, known) or f"; known are {', '.join(known)}"


def _explained(path: Path) -> str:
    described = str(at(path)[0].get("description", "it is needed")).partition(". ")[0].rstrip(".")
    return described[:1].lower() + described[1:]
