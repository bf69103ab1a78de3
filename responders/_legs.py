"""What each session of a collection left, and what comes next: the legs that a memory image and a bundle share.

Whatever a leg finds, the device is cleaned up in the end, and the clean-up is looked at. Every step can be repeated:
its names derive from what things are, and what was fetched stays fetched.
"""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._calls import FETCHES, a_whole_call
from responders._capture import (
    TRIES,
    Fetched,
    Leg,
    Progress,
    commands,
    left_in,
    less,
    onward,
    smaller,
)
from responders._interface import Again, Finished, NotObtainable
from responders._live import Printed, kept, printed, result_of, session
from shared.errors import Cause, Incomplete, Transient
from shared.models.archive.contents import GZIP
from shared.models.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from responders._interface import Desk, Gathered
    from responders._live import Session
    from shared.models.action import Action, Artefact

_HEAD = 4096


class Look:
    """A look at one session of an action's collection, at a desk."""

    def __init__(self, action: Action, desk: Desk, progress: Progress) -> None:
        """`progress` is how far it was when the session was sent."""
        self.action = action
        self.desk = desk
        self.progress = progress
        self.poll = desk.settings.LIVE_RESPONSE_POLL
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """What became of it; asked once."""
        if self._session is None:
            self._session = session(self.action, self.desk, commands(self.progress, self.action.id))
        return self._session

    def said(self, index: int = 0, *, keep: bool = True) -> Printed | None:
        """What the script at this place among the commands said; None where it did not come to its end."""
        if self.session.done <= index:
            return None
        result = result_of(self.action, self.desk, index)
        if keep:
            self.progress = with_artefact(self.progress, kept(self.desk, self.name, result))
        told = printed(result)
        self.desk.device_time(told.text("utc"), self.session.action.updated)
        return told

    @property
    def name(self) -> str:
        """How this session is called among the artefacts."""
        return f"{self.progress.sessions:03d}-{self.progress.leg}"

    def again(self, why: str) -> Gathered:
        """This leg once more, later each time. Where it came to nothing too often, what is left is cleaned up; what
        cannot be cleaned up is said.
        """
        progress = self.progress
        failures = progress.failures + 1
        counted = progress.model_copy(update={"failures": failures, "sessions": progress.sessions + 1})
        if failures < TRIES:
            wait = self.poll * 2 ** (failures - 1)
            return onward(counted, f"{progress.leg} is tried again: {why}", wait)
        if progress.leg is Leg.CLEAN:
            return ended(progress, left_in(progress, self.action.id), why)
        said = f"{progress.leg} came to nothing {failures} times: {why}"
        if progress.leg is Leg.PREFLIGHT:
            return NotObtainable(said[:300], progress.todo, progress.artefacts)
        return less(counted, said)

    def less(self, why: str, todo: str = "", leg: Leg = Leg.CLEAN) -> Gathered:
        """There is less than was asked for."""
        return less(self.progress, why, todo, leg)


def with_artefact(progress: Progress, artefact: Artefact) -> Progress:
    """The progress with another artefact; one that it has already is not doubled."""
    others = tuple(each for each in progress.artefacts if each.name != artefact.name)
    return progress.model_copy(update={"artefacts": (*others, artefact)})


def bundle(look: Look) -> Gathered:
    """After `triage` or `logs`: where the bundle is."""
    said = look.said()
    if said is None:
        return look.again(look.session.why)
    if said.error:
        return look.again(f"{said.error}: {said.why}")
    path, size, sha256 = said.text("path"), said.number("size"), said.digest("sha256")
    folder = said.text("dir") or look.progress.folder
    if not path or size is None or not folder:
        return look.again("the script did not say where the collection is")
    return onward(
        look.progress.to(Leg.FETCH, path=path, size=size, sha256=sha256, folder=folder, parts=(), packed=None)
    )


def fetch(look: Look, name: str) -> Gathered:
    """After `fetch`: the bundle itself."""
    if look.session.done < 1:
        return look.again(look.session.why)
    part = fetched(look, name, 0, 1, look.progress.sha256)
    look.progress = look.progress.model_copy(update={"parts": (part,)})
    artefact = joined(look, name, kind=str(look.action.responder))
    return onward(with_artefact(look.progress, artefact).to(Leg.CLEAN))


def clean(look: Look) -> Gathered:
    """After `clean`: the end, once the device said that nothing is left."""
    said = look.said()
    if said is None:
        return look.again(look.session.why)
    if said.members.get("clean") is not True:
        return look.again(said.text("left") or said.why)
    return ended(look.progress)


def ended(progress: Progress, left: str = "", why: str = "") -> Gathered:
    """Everything is over: with what was asked for, or with less, and why. `left` is what is still on the device, and
    `why` it is; where nothing but the removal was asked for, that is what cannot be had.
    """
    still = f"what is in {left} on the device could not be removed: {why}" if left else ""
    todo = f"remove {left} on the device by hand" if left else ""
    if progress.why or (left and progress.of):
        detail, todo = _both(progress.why, still), _both(progress.todo, todo)
        return NotObtainable(detail, todo, progress.artefacts)
    return Finished(progress.artefacts, _both(progress.decision, still))


def _both(one: str, other: str) -> str:
    return "; ".join(filter(None, (one, other)))


def fetched(look: Look, name: str, index: int, number: int, device: str, offset: int = 0) -> Fetched:
    """One result that is a file, in staging and looked at. `index` is its place among the session's commands."""
    part: Part = look.desk.part(_received(look, name, index), number, link(look, index), device=device)
    return Fetched(offset=offset, **{field: getattr(part, field) for field in _PART})


_PART = ("number", "size", "sha256", "content_size", "content_sha256", "device", "bounded")


def link(look: Look, index: int) -> Callable[[], str]:
    """Where a result is to be had, asked anew each time."""
    return lambda: look.desk.devices.result_link(look.action.machine_action, index)


def _received(look: Look, name: str, index: int) -> str:
    """What a file is to be called as it is received: GetFile answers are gzip, of which the first one's bytes tell. A
    file that is gzip by itself is packed once more, unless transport left it alone.
    """
    if look.progress.packed is None:
        head = look.desk.starts(link(look, index), _HEAD)
        packed = (_unpacked(head) if name.endswith(".gz") else head).startswith(GZIP)
        look.progress = look.progress.model_copy(update={"packed": packed})
    return f"{name}.gz" if look.progress.packed else name


def _unpacked(head: bytes) -> bytes:
    """The first bytes of what the beginning of a gzip file holds; none where it is no such file."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, len(GZIP))
    except zlib.error:
        return b""


def joined(look: Look, name: str, kind: str) -> Artefact:
    """The parts as one object. Raises Incomplete, with `Cause.TIME` where another call has to go on."""
    progress = look.progress
    whole = f"{name}.gz" if progress.packed else name
    media_type = "application/gzip" if whole.endswith(".gz") else "application/octet-stream"
    parts = [Part(**{field: getattr(part, field) for field in _PART}) for part in progress.parts]
    return look.desk.join(whole, parts, kind=kind, media_type=media_type, device=progress.sha256)


def _far(progress: Progress) -> str:
    done, whole = progress.offset >> 20, progress.size >> 20
    return f"{done} of {whole} MiB are fetched"


def cut(look: Look, name: str) -> Gathered:
    """After `cut`: as many parts as the session brought. One that took too long, or had no room, is cut smaller."""
    said = look.said(keep=False)
    if said is None:
        return _smaller(look, look.session.why) if look.session.late else look.again(look.session.why)
    if said.error == "disk":
        return _smaller(look, said.why)
    if said.error:
        return look.less(f"the image cannot be cut: {said.why}")
    before = look.progress.asked[0][0]
    _take(look, name, _told(said))
    if look.progress.offset == before:
        return _smaller(look, look.session.why or "the device made no part")
    if look.progress.offset < look.progress.size:
        part = smaller(look.progress.part, look.progress.least) if look.session.why else look.progress.part
        return onward(look.progress.to(Leg.CUT, part=part), _far(look.progress))
    return Again(look.progress.to(Leg.JOIN).model_dump_json(), timedelta(0), look.progress.artefacts, "all is fetched")


def _take(look: Look, name: str, told: Mapping[tuple[int, int], str]) -> None:
    """Fetch what the session brought, part by part; those that are there already are left. Raises Incomplete."""
    for index, (offset, length) in enumerate(look.progress.asked[: look.session.done - 1], start=1):
        sha256 = told.get((offset, length), "")
        if offset < look.progress.offset:
            continue
        if not sha256:
            return
        part = fetched(look, name, index, len(look.progress.parts) + 1, sha256, offset)
        if part.content_size != length:
            raise Incomplete(f"a part has {part.content_size} bytes instead of {length}", cause=Cause.CONTENT)
        look.progress = look.progress.model_copy(update={"parts": (*look.progress.parts, part)})


def _smaller(look: Look, why: str) -> Gathered:
    """The same with smaller parts, at once; a failure counts only where they cannot be smaller."""
    part = smaller(look.progress.part, look.progress.least)
    if part >= look.progress.part:
        return look.again(why)
    return onward(look.progress.to(Leg.CUT, part=part), f"cut is tried again with parts of {part >> 10} KiB: {why}")


def _told(said: Printed) -> Mapping[tuple[int, int], str]:
    """The hashes that the device gave, by offset and length."""
    found: dict[tuple[int, int], str] = {}
    parts = said.members.get("parts")
    for part in parts if isinstance(parts, list) else ():
        told = Printed(None, "", "", part if isinstance(part, dict) else {})
        offset, length = told.number("offset"), told.number("length")
        if offset is not None and length is not None:
            found[offset, length] = told.digest("sha256")
    return found


def join(look: Look, name: str, kind: str, purpose: str) -> Gathered:
    """All parts are there: join them, and write down what was done. Needs no session."""
    whole = a_whole_call(look.desk.left(), look.desk.settings.TIME_BUDGET)
    try:
        image = joined(look, name, kind)
    except Transient as error:
        if look.action.fetches < FETCHES:
            raise  # one of the two readings may be done by the next call, and another one may be right
        if error.cause is Cause.CONTENT:
            todo = "find out who altered or cleared what lay in the container staging; then have it captured anew"
            return look.less(f"the image was fetched, and its parts are no longer what came: {error}", todo)
        if error.cause is not Cause.TIME or not whole:
            raise
        todo = "its parts lie in the container staging until that is cleared: join them by hand"
        return look.less(f"the image is fetched, and too large to be read through in one call: {error}", todo)
    progress = look.progress
    record = {
        "purpose": purpose,
        "device": progress.facts.model_dump(mode="json"),
        "decision": progress.decision,
        "how": progress.how or "image",
        "tool": {"name": progress.tool, "sha256": progress.tool_sha256, "compressed": progress.compress},
        "image": {"format": progress.format, "size": progress.size, "sha256": progress.sha256},
        "interrupted": progress.interrupted,
        "parts": [part.model_dump(mode="json") for part in progress.parts],
    }
    text = json.dumps(record, indent=1, sort_keys=True).encode()
    beside = look.desk.keep_bytes("data/memory/memory.json", text, kind=kind, media_type="application/json")
    for artefact in (image, beside):
        look.progress = with_artefact(look.progress, artefact)
    return onward(look.progress.to(Leg.CLEAN, decision=_complete(look.progress)), "the image is archived")


def _complete(progress: Progress) -> str:
    """What there is, in words, with what a reader has to know of it."""
    differing = [str(part.number) for part in progress.parts if part.device not in {part.content_sha256, part.sha256}]
    odd = f"; parts {', '.join(differing)} are not what the device hashed" if differing else ""
    restarted = "; the device restarted during the capture" if progress.interrupted else ""
    return f"{progress.decision}: {progress.size >> 20} MiB in {len(progress.parts)} parts{odd}{restarted}"
