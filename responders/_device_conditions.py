"""A policy's conditions on the device that is acted on, compiled once into checks. Pure.

Tags, group, health, risk, value and role come from the device's details alone: what an alert once said of them may have
changed since. Of a device whose details could not be read they are not known, and neither is anything of no device.
"""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING

from responders._case import Case, DeviceCase
from responders._evidence_conditions import Builder, built, called, evidence_check
from responders._guardrails import DOMAIN_CONTROLLER, HYPER_V_HOST, sensitive_roles
from responders._leaves import text, word
from responders._truth import NO, UNKNOWN, YES, Check, Parts, every, exists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shared.models.incident import Evidence
    from shared.models.policy.conditions import DeviceIs

_DETAILS = frozenset({"details"})
_ROLES = {"domainController": DOMAIN_CONTROLLER, "hyperVHost": HYPER_V_HOST}
_LINUX = frozenset(
    {
        *("linux", "ubuntu", "redhatenterpriselinux", "centos", "suselinuxenterpriseserver", "sles", "debian"),
        *("oraclelinux", "fedora", "amazonlinux", "rocky", "rockylinux", "almalinux", "mariner", "azurelinux"),
    }
)
_MOBILE = frozenset({"android", "ios", "ipados", "windowsphone"})


def device_check(asked: DeviceIs) -> Check[Case]:
    """The device of a case is so. Where the case has none, it is not known."""
    inner = every(built(asked, DEVICE))

    def test(case: Case) -> int:
        return UNKNOWN if case.device is None else inner.test(case.device)

    def say(case: Case) -> str:
        return "the device is not known" if case.device is None else inner.say(case.device)

    return Check(test, say, f"device with {inner.asked}", inner.looks | {"device"})


@lru_cache(maxsize=256)
def family(platform: str) -> str:
    """Our word for Defender's name of a platform; empty where it is not known."""
    name = platform.strip().lower().replace(" ", "")
    if name.startswith(("windowsserver", "azurestackhci")):
        return "windowsserver"
    if name in _MOBILE:
        return "mobile"
    if name.startswith("windows"):
        return "windows"
    if name.startswith("macos"):
        return "macos"
    return "linux" if name in _LINUX or "linux" in name else ""


def _platform(device: DeviceCase) -> str:
    """The details', else the newest word of the evidence."""
    said = [item.os_platform for item in device.own if item.os_platform]
    return (device.machine.os_platform if device.machine else "") or (said[-1] if said else "")


def _onboarding(device: DeviceCase) -> str:
    return (device.machine.onboarding if device.machine else "") or device.affected.onboarding


def _named(device: DeviceCase) -> Iterable[str]:
    """Full names and first labels."""
    return dict.fromkeys(form for name in device.names for form in (name, name.partition(".")[0]))


def _detail_word(what: str, member: str, unknown: Iterable[str] = ()) -> Builder[DeviceCase]:
    of_machine = attrgetter(member)

    def get(device: DeviceCase) -> str:
        value: str = of_machine(device.machine) if device.machine else ""
        return value

    def build(asked: Sequence[str]) -> Check[DeviceCase]:
        check = word(what, get, asked, unknown=unknown)
        return Check(check.test, _unread(check.say), check.asked, _DETAILS)

    return build


def _detail_texts(what: str, get: Callable[[DeviceCase], Iterable[str]], member: str) -> Builder[DeviceCase]:
    def missing(device: DeviceCase) -> bool:
        return device.machine is None or member not in device.machine.model_fields_set

    def build(asked: Sequence[str]) -> Check[DeviceCase]:
        check = text(what, get, asked, missing)
        return Check(check.test, _unread(check.say), check.asked, _DETAILS)

    return build


def _unread(say: Callable[[DeviceCase], str]) -> Callable[[DeviceCase], str]:
    """Say where it comes from that something is not known."""

    def told(device: DeviceCase) -> str:
        if device.machine is not None:
            return say(device)
        return f"{say(device)} (its details {'could not be' if device.asked else 'are not'} read)"

    return told


def _tags(device: DeviceCase) -> tuple[str, ...]:
    return device.machine.tags if device.machine else ()


def _groups(device: DeviceCase) -> tuple[str, ...]:
    return (device.machine.group,) if device.machine else ()


def _role(asked: Sequence[str]) -> Check[DeviceCase]:
    """By tags and roles, of the evidence too, and by name. Nothing tells so while the details are not read."""
    wanted = frozenset(_ROLES[each] for each in asked)
    either = " or ".join(_ROLES[each] for each in asked)

    def found(device: DeviceCase) -> list[str]:
        return [role for role in sensitive_roles(device.hints, device.names) if role in wanted]

    def test(device: DeviceCase) -> int:
        if found(device):
            return YES
        return UNKNOWN if device.machine is None else NO

    def say(device: DeviceCase) -> str:
        if found(device):
            return f"it looks like a {found(device)[0]}"
        return f"whether it is a {either} is not known" if device.machine is None else f"it looks like no {either}"

    return Check(test, _unread(say), f"role {either}", _DETAILS)


def _no_users(device: DeviceCase) -> bool:
    return not any("logged_on" in item.model_fields_set for item in device.own)


def _users(device: DeviceCase) -> list[str]:
    return [name for item in device.own for account in item.logged_on for name in account.names]


def _dealt_with(asked: bool) -> Check[DeviceCase]:  # noqa: FBT001 - what the policy asks for
    """Known to be so; otherwise it is not the case."""

    def known(device: DeviceCase) -> bool:
        bad = [item for item in device.items if item.bad]
        return bool(bad) and all(item.handled for item in bad) and not any(item.unclear for item in device.items)

    def test(device: DeviceCase) -> int:
        return YES if known(device) == asked else NO

    def say(device: DeviceCase) -> str:
        done = "is remediated, prevented or blocked" if known(device) else "is not known to be dealt with"
        return f"what is malicious or suspicious on it {done}"

    return Check(test, say, "everything on it dealt with" if asked else "not everything on it dealt with")


DEVICE: Mapping[str, Builder[DeviceCase]] = {
    "id": lambda asked: text("device id", lambda device: (device.affected.id,), asked, lambda _: False),
    "name": lambda asked: text("device name", _named, asked, lambda device: not device.names, quiet=True),
    "tag": _detail_texts("device tag", _tags, "tags"),
    "group": _detail_texts("device group", _groups, "group"),
    "os": lambda asked: word("operating system", lambda device: family(_platform(device)), asked),
    "os_platform": lambda asked: text(
        "platform", lambda device: (_platform(device),), asked, lambda device: not _platform(device)
    ),
    "health": _detail_word("health", "health", ("unknown",)),
    "onboarding": lambda asked: word("onboarding", _onboarding, asked),
    "risk": _detail_word("risk", "risk"),
    "value": _detail_word("value", "value"),
    "role": _role,
    "user": lambda asked: text("logged-on account", _users, asked, _no_users, quiet=True),
    "evidence": lambda asked: exists(_ON_DEVICE, evidence_check(asked)),
    "dealt_with": _dealt_with,
}
"""What can be asked of a device, by key."""

_ON_DEVICE: Parts[DeviceCase, Evidence] = Parts(
    "evidence on it", attrgetter("items"), attrgetter("scene.complete"), called
)
