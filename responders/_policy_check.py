"""Whether a policy can be used, and whether it means what its author thinks. Pure.

Three layers, and all that can be said is said at once: the form of the text, what rules mean beside each other, and the
rules' own examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._examples import tried
from responders._hours import wrong_hours
from responders._policy import CompiledPolicy
from shared.models.policy import rules, words
from shared.models.policy.conditions import Condition
from shared.models.policy.fields import meant
from shared.models.policy.reading import source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from shared.models.policy.document import Policy
    from shared.models.policy.problems import Path, Problem
    from shared.models.policy.rules import Rule

_ABOUT_INCIDENT = (rules.Tag, rules.Comment)
_COLLECTS = (
    *(rules.CollectPackage, rules.CollectVolatile, rules.CollectLogs, rules.CaptureMemory),
    *(rules.GetFiles, rules.RunScript),
)
_PERSONAL = (rules.CaptureMemory, rules.GetFiles)

Said = tuple["Path", str]


def check(text: str, available: Collection[str] | None = None) -> tuple[Problem, ...]:
    """Every problem of a policy's text, by line; none if it can be used. `available` are the names of the responders
    that there are; without it, each that can be written counts as there.
    """
    read = source(text)
    if read.policy is None:
        return tuple(sorted(set(read.problems)))
    hours = list(wrong_hours(read.policy))
    said = [*hours, *_meaning(read.policy, available, whole=not read.problems)]
    if not hours:
        said += tried(CompiledPolicy(read.policy))
    return tuple(sorted({*read.problems, *(read.problem(path, message) for path, message in said)}))


def _meaning(policy: Policy, available: Collection[str] | None, *, whole: bool) -> Iterator[Said]:
    """What rules mean beside each other; what one of them lacks can only be said where all of them could be read."""
    yield from _names(policy)
    yield from _order(policy)
    if whole:
        yield from _head_starts(policy)
    for place, rule in enumerate(policy.rules):
        path: Path = ("rules", place)
        yield from _actions(rule, path, available)
        yield from _conflicts(rule.when, (*path, "when"))


def _names(policy: Policy) -> Iterator[Said]:
    seen: set[str] = set()
    for place, rule in enumerate(policy.rules):
        if rule.name in seen:
            yield ("rules", place, "name"), f"a rule above is called '{rule.name}' already"
        seen.add(rule.name)


def _order(policy: Policy) -> Iterator[Said]:
    """Rules that are never reached, and verdicts that never count."""
    last: Rule | None = None
    judged: list[Rule] = []
    for place, rule in enumerate(policy.rules):
        path: Path = ("rules", place)
        if last and last.verdict == "harmless":
            yield path, f"is never reached: '{last.name}' above holds every incident for harmless"
        elif last and rule.verdict:
            yield (*path, "verdict"), f"never counts: '{last.name}' above gives every incident its verdict"
        elif rule.verdict:
            same = next((each for each in judged if each.when == rule.when), None)
            if same:
                contrary = "says the contrary" if same.verdict != rule.verdict else "says it already"
                yield (*path, "verdict"), f"never counts: '{same.name}' above asks for the same and {contrary}"
            judged.append(rule)
        if rule.verdict and not last and _always(rule.when):
            last = rule


def _always(condition: Condition) -> bool:
    """Whether it holds for every incident, as far as its form tells."""
    if condition.always is True and condition.model_fields_set == {"always"}:
        return True
    if condition.model_fields_set == {"all"}:
        return all(map(_always, condition.all or ()))
    return condition.model_fields_set == {"any"} and any(map(_always, condition.any or ()))


def _head_starts(policy: Policy) -> Iterator[Said]:
    collects = any(isinstance(ask, _COLLECTS) for rule in policy.rules for ask in rule.actions)
    for place, rule in enumerate(policy.rules):
        for number, ask in enumerate(rule.actions):
            if isinstance(ask, rules.Isolate) and ask.collect_first and not collects:
                path: Path = ("rules", place, "actions", number, "collect_first")
                yield path, "no rule collects anything, so there is nothing to wait for"


def _actions(rule: Rule, path: Path, available: Collection[str] | None) -> Iterator[Said]:
    goals: set[tuple[str, str]] = set()
    for number, ask in enumerate(rule.actions):
        place: Path = (*path, "actions", number)
        if available is not None and ask.do not in available:
            yield (*place, "do"), f"there is no responder '{ask.do}' here{meant(ask.do, available)}"
        if rule.verdict == "harmless" and not isinstance(ask, _ABOUT_INCIDENT):
            yield (
                place,
                f"contradicts the rule's verdict: nothing is done to the devices of a harmless incident ({ask.do})",
            )
        if isinstance(ask, _PERSONAL) and not _names_groups(rule.when):
            yield place, f"{ask.do} takes personal data: the rule has to name the device groups (device: group: ...)"
        goal = (ask.do, ask.model_dump_json(exclude=_HOW.get(ask.do, set())))
        if goal in goals:
            yield place, f"the rule asks for '{ask.do}' already"
        goals.add(goal)
    if rule.doubt and rule.verdict == "harmless":
        yield (*path, "doubt"), "contradicts the rule's verdict: where nothing is done there is nothing to weigh"


_HOW = {
    "isolate": {"approval", "type", "collect_first", "auto_release"},
    "restrict": {"approval", "auto_release"},
    "scan": {"approval", "type"},
    "collect_package": {"approval"},
    "collect_volatile": {"approval"},
    "collect_logs": {"approval"},
    "capture_memory": {"approval", "purpose"},
}
"""Members that say how, and not what: a rule that says both ways contradicts itself."""


def _names_groups(condition: Condition) -> bool:
    """Whether it cannot hold but for devices of groups that are named."""
    device = condition.device
    if device and device.group and all(set(each) - set("*?") for each in device.group):
        return True
    if any(map(_names_groups, condition.all or ())):
        return True
    return bool(condition.any) and all(map(_names_groups, condition.any or ()))


def _conflicts(condition: Condition, path: Path) -> Iterator[Said]:
    """Conditions that can never hold, as far as their form tells."""
    for place, each in condition.whole(path):
        together = list(_together(each))
        denied = [one.not_ for one in together if one.model_fields_set == {"not_"}]
        if any(one in denied for one in together):
            yield place, "can never hold: it asks for something and for its contrary"
        yield from ((place, said) for said in _disjoint(together))
        if each.always is False:
            yield (*place, "always"), "never holds; leave the rule out, or write true"


def _together(condition: Condition) -> Iterator[Condition]:
    """What has to hold at once, taken apart as far as `all` goes, one key each."""
    for name in condition.model_fields_set - {"all"}:
        yield Condition.model_construct(_fields_set={name}, **{name: getattr(condition, name)})
    for each in condition.all or ():
        yield from _together(each)


_SINGLE = ("severity", "status", "classification", "determination")
_FLAGS = (
    *("merged", "classified_benign", "all_alerts_benign", "informational_only", "all_dealt_with", "disrupted"),
    "always",
)


def _disjoint(together: Sequence[Condition]) -> Iterator[str]:
    """Members of which an incident has one only, asked for twice and differently."""
    for name in (*_SINGLE, *_FLAGS):
        asked = [value for each in together if (value := getattr(each, name)) is not None]
        sets = [frozenset(value) if isinstance(value, tuple) else frozenset({value}) for value in asked]
        if sets and not frozenset.intersection(*sets):
            yield f"can never hold: no incident has every '{name}' that is asked for"
    least = max((each.priority_at_least for each in together if each.priority_at_least is not None), default=0)
    most = min((each.priority_at_most for each in together if each.priority_at_most is not None), default=100)
    if least > most:
        yield f"can never hold: no priority is at least {least} and at most {most}"
    ranks = [words.SEVERITY.index(each.severity_at_least) for each in together if each.severity_at_least]
    named = [each.severity for each in together if each.severity]
    if ranks and named and all(words.SEVERITY.index(one) < max(ranks) for one in named[0]):
        yield "can never hold: 'severity' asks for less than 'severity_at_least'"
