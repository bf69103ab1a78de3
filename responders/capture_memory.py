"""Capture a device's memory through live response, which works on an isolated device too, and archive the image.

The capture is detached on the device, so that a session's ten minutes do not matter; the image is fetched in parts, cut
as they are wanted, and joined. What cannot be had is said, and what is volatile is collected instead.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from responders._bundles import After, InLegs
from responders._capture import Leg, Progress, inside, onward
from responders._interface import NotObtainable
from responders._legs import Look, bundle, clean, cut, fetch, join
from responders._live import WINDOWS, asked_on
from responders._memory import Facts, Full, Kernel, Less, Processes, decide, suspects, too_large
from shared.models.archive.canonical import LARGEST

if TYPE_CHECKING:
    from responders._interface import Gathered
    from shared.clients.interface import Devices
    from shared.models.action import Action

_ENOUGH = 2
_FIRST = timedelta(seconds=10)
"""How soon it is asked first how far the capture is; then ever later, up to LIVE_RESPONSE_POLL."""

_MIB = 1 << 20
_FORMATS = frozenset({"lime", "avml", "raw", "raw.gz", "dmp", "zip"})


class CaptureMemory(InLegs):
    """The memory of one device."""

    name = "capture_memory"

    def first(self, action: Action, devices: Devices) -> Progress:
        """See `InLegs`."""
        return Progress(script=asked_on(devices, action.device))

    def after(self) -> After:
        """See `InLegs`."""
        return _AFTER


def _image(look: Look) -> str:
    name = "processes" if look.progress.how == "processes" else "memory"
    return f"data/memory/{name}.{look.progress.format or 'raw'}"


def _triage(look: Look) -> str:
    return f"data/triage/triage.{'zip' if look.progress.script == WINDOWS else 'tar.gz'}"


def _preflight(look: Look) -> Gathered:
    """What the device is decides what is done."""
    said = look.said()
    if said is None:
        return look.again(look.session.why)
    if said.error:
        return look.again(f"{said.error}: {said.why}")
    settings, facts = look.desk.settings, Facts.model_validate({**said.members, **said.texts})
    platform = look.progress.platform
    pids = suspects(look.desk.snapshot(), look.action.device) if platform == "windows" else ""
    decision = decide(facts, settings.TOOLS, settings.MEMORY_PART_SIZE, platform, pids)
    folder = inside(facts.base, f"bulkhead-{look.action.id}", look.progress.script) if facts.base else ""
    if isinstance(decision, Less):
        if not folder:
            return NotObtainable(decision.why, decision.todo, look.progress.artefacts)
        look.progress = look.progress.model_copy(update={"facts": facts, "folder": folder})
        return look.less(decision.why, decision.todo, Leg.TRIAGE)
    known = {
        "facts": facts,
        "folder": folder,
        "decision": decision.why,
        "reserve": decision.reserve_kib,
        "part": settings.MEMORY_PART_SIZE,
        "begun": look.action.since,
        **_by(decision),
    }
    return onward(look.progress.to(Leg.START, **known), decision.why)


def _by(decision: Full | Kernel | Processes) -> dict[str, object]:
    """How it is taken, as the progress says it."""
    match decision:
        case Full(tool, sha256, compress):
            return {"tool": tool, "tool_sha256": sha256, "compress": compress}
        case Kernel():
            return {"how": "kernel"}
        case Processes(tool, sha256, pids):
            return {"how": "processes", "tool": tool, "tool_sha256": sha256, "pids": pids}


def _start(look: Look) -> Gathered:
    said = look.said(1 if look.progress.tool else 0)
    if said is None and look.session.done == 0 and look.progress.tool:
        return _once_more(look, f"{look.progress.tool} cannot be put on the device: {look.session.why}")
    if said is None:
        return _once_more(look, look.session.why)
    if said.error:
        return look.less(f"the capture cannot be started: {said.why}", leg=Leg.TRIAGE)
    return onward(look.progress.to(Leg.STATUS), "the capture goes on by itself", min(_FIRST, look.poll))


def _status(look: Look) -> Gathered:  # noqa: PLR0911 - one answer for each state
    said = look.said(keep=False)
    if said is None:
        return look.again(look.session.why)
    state = said.text("state")
    if said.error == "gone":
        return look.less(f"what was captured is gone from the device: {said.why}", leg=Leg.TRIAGE)
    if state == "failed":
        return look.less(_FAILURES.get(said.error, "the tool captured nothing: {}").format(said.why), leg=Leg.TRIAGE)
    if said.error:
        return look.again(f"{said.error}: {said.why}")
    if state == "ready":
        look.said()
        size = said.number("size") or 0
        if not 0 < size <= LARGEST:
            return look.less("the device does not say how large the image is", leg=Leg.TRIAGE)
        if beyond := too_large(look.progress.facts, size):
            return look.less(beyond, "see who holds the device, and what it says of itself", Leg.TRIAGE)
        known = {
            "size": size,
            "sha256": said.digest("sha256"),
            "format": said.text("format") if said.text("format") in _FORMATS else "image",
            "interrupted": said.number("interrupted") or 0,
        }
        return onward(look.progress.to(Leg.CUT, **known), f"captured; {size // _MIB} MiB to fetch")
    if look.progress.begun and look.action.since - look.progress.begun > look.desk.settings.MEMORY_PATIENCE:
        return look.less(f"the capture was not over after {look.desk.settings.MEMORY_PATIENCE}", leg=Leg.TRIAGE)
    if said.members.get("alive") is not True:
        return _once_more(look, "the capture was ended on the device, and does not start again")
    done = f"{state}: {(said.number('bytes') or 0) // _MIB} MiB"
    polls = look.progress.polls + 1
    return onward(look.progress.to(Leg.STATUS, polls=polls), done, min(_FIRST * 2 ** min(polls, 8), look.poll))


_FAILURES = {
    "lockdown": "the kernel is locked down, and showed its memory to nobody: {}",
    "disk": "the device's disk is full: {}",
    "tool": "the tool captured nothing: {}",
}


def _once_more(look: Look, why: str) -> Gathered:
    """A leg that is worth a second try, and no more."""
    if look.progress.failures + 1 >= _ENOUGH:
        return look.less(why, leg=Leg.TRIAGE)
    return look.again(why)


_AFTER: After = {
    Leg.PREFLIGHT: _preflight,
    Leg.START: _start,
    Leg.STATUS: _status,
    Leg.CUT: lambda look: cut(look, _image(look)),
    Leg.JOIN: lambda look: join(look, _image(look), CaptureMemory.name, look.action.params.get("purpose", "")),
    Leg.TRIAGE: bundle,
    Leg.FETCH: lambda look: fetch(look, _triage(look)),
    Leg.CLEAN: clean,
}

RESPONDER = CaptureMemory()
