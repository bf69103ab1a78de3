"""What a device says that somebody else holds: whatever its scripts print, an action goes on or ends aloud."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._calls import FETCHES
from responders._capture import Leg, Progress, commands
from responders._interface import Finished, Onward
from responders._library import scripts
from responders._live import LONGEST, MOST_TEXT
from responders._memory import Facts, decide
from responders._transfer import Damaged
from responders.capture_memory import CaptureMemory
from responders.collect_logs import CollectLogs
from responders.run_script import RunScriptOn
from shared.errors import Altered, Cause, Incomplete, Transient
from shared.models.tool import Tool
from shared.storage.interface import MAX_TEXT_UNITS
from shared.storage.limits import utf16_units
from tests.unit.desks import Desk
from tests.unit.live_answers import Answering, desk, leg, printed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.models.action import Artefact
    from shared.models.part import Part

FOLDER = "/root/bulkhead-0123456789abcdef"
HELLO = hashlib.sha256(b"hello").hexdigest()
READY = {"state": "ready", "size": 5, "sha256": HELLO, "format": "lime"}
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def said(**members: object) -> bytes:
    return printed(json.dumps({"bulkhead": 1, "step": "x", **members}))


def progress(leg_: Leg, **changes: object) -> str:
    return Progress(leg=leg_, part=1 << 20).model_copy(update={"folder": FOLDER, **changes}).model_dump_json()


def after(leg_: Leg, *results: bytes, **changes: object) -> Progress:
    """How far it is after a session; what is kept of that can be kept, and there is something to be asked next."""
    found = CaptureMemory().gather(leg("capture_memory", progress(leg_, **changes)), desk(*results))
    assert isinstance(found, Onward)
    assert utf16_units(found.progress) < MAX_TEXT_UNITS
    assert utf16_units(found.detail) < MAX_TEXT_UNITS
    known = Progress.model_validate_json(found.progress)
    assert commands(known, "0123456789abcdef")
    return known


@pytest.mark.parametrize("line", ["[" * 100_000, '{"bulkhead":' * 50_000, "9" * 5000])
def test_a_last_line_that_is_nested_for_ever_is_none(line: str) -> None:
    assert after(Leg.STATUS, printed(line)).failures == 1


@pytest.mark.parametrize("size", [None, 0, -5, "5", 10**30, [5]])
def test_an_image_without_a_size_is_none(size: object) -> None:
    known = after(Leg.STATUS, said(**{**READY, "size": size}))
    assert known.leg is Leg.TRIAGE
    assert "how large" in known.why


GIB = 1 << 30


@pytest.mark.parametrize(
    ("ram_gib", "free_gib", "most", "why"),
    [
        (16, 500, 80 * GIB, "its memory has 16384 MiB"),
        (16, 20, 40 * GIB, "its disk had room for 20480 MiB"),
        (16, None, 80 * GIB, "its memory"),
        (None, None, 2048 * GIB, "live response"),
        (1 << 40, 1 << 40, 2048 * GIB, "live response"),
    ],
)
def test_an_image_larger_than_the_device_can_have_is_refused(
    ram_gib: int | None, free_gib: int | None, most: int, why: str
) -> None:
    """Memory and disk are as its preflight told."""
    sizes = {"ram_kib": ram_gib and ram_gib << 20, "free_kib": free_gib and free_gib << 20}
    facts = Facts.model_validate(sizes)
    assert after(Leg.STATUS, said(**{**READY, "size": most}), facts=facts).leg is Leg.CUT
    known = after(Leg.STATUS, said(**{**READY, "size": most + 1}), facts=facts)
    assert known.leg is Leg.TRIAGE
    assert known.why.startswith("the device says that the image has ")
    assert why in known.why


def test_a_format_or_a_hash_in_other_words_names_nothing() -> None:
    known = after(Leg.STATUS, said(**{**READY, "format": "../../x", "sha256": "zz"}))
    assert (known.format, known.sha256) == ("image", "")


@pytest.mark.parametrize("format_", ["lime", "avml", "raw", "raw.gz", "dmp", "zip"])
def test_the_formats_of_our_scripts_are_known(format_: str) -> None:
    assert after(Leg.STATUS, said(**{**READY, "format": format_})).format == format_
    assert any(re.search(rf"(=|return '){re.escape(format_)}\b", text.decode()) for text in scripts().values())


@pytest.mark.parametrize("odd", [{"offset": [], "length": 5}, {"offset": 0, "length": {}}, {"offset": 0, "length": 5}])
def test_a_part_that_is_told_oddly_is_none(odd: dict[str, object]) -> None:
    asked = {"asked": ((0, 5),), "size": 5}
    known = after(Leg.CUT, said(parts=[{**odd, "sha256": "nothing"}, 7]), gzip.compress(b"hello"), **asked)
    assert (known.leg, known.parts) == (Leg.CUT, ())


def test_texts_are_cut_to_what_a_row_of_the_ledger_holds() -> None:
    known = after(Leg.PREFLIGHT, said(base="/" + "\x00x" * 400_000, os="\ud800", ram_kib=1, free_kib=1), folder="")
    assert len(known.facts.base) <= LONGEST
    assert known.facts.os == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("memory", [10**400, -(10**400), 1 << 63, 10**18], ids=["vast", "less", "64 bits", "huge"])
def test_a_size_that_no_device_has_ends_no_worker(memory: int) -> None:
    """No float holds it: what is computed of it would raise, and the action would be taken up for hours."""
    facts = {"base": "/root", "arch": "x86_64", "ram_kib": memory, "free_kib": 10**9, "live_dump": True}
    row = leg("capture_memory", progress(Leg.PREFLIGHT, platform="windows"))
    assert CaptureMemory().gather(row, desk(said(**facts))).detail
    assert decide(Facts.model_validate(facts), {"avml": Tool(sha256="0" * 64)}, 1 << 20).why


@given(
    st.dictionaries(st.sampled_from([*READY, "base", "metered", "hvci", "tools", "lockdown", "parts", "error"]), ODD)
)
def test_no_answer_is_odd_enough_to_end_a_capture_by_an_error(members: dict[str, object]) -> None:
    for step in (Leg.PREFLIGHT, Leg.STATUS, Leg.CLEAN):
        found = CaptureMemory().gather(leg("capture_memory", progress(step)), desk(said(**members)))
        assert utf16_units(found.detail) < MAX_TEXT_UNITS


def test_a_bundle_under_an_odd_name_can_be_asked_for() -> None:
    line = '{"bulkhead":1,"path":"/\\ud800","size":5,"sha256":"zz","dir":"/x"}'
    found = CollectLogs().gather(leg("collect_logs", progress(Leg.LOGS)), desk(printed(line)))
    assert isinstance(found, Onward)
    assert Progress.model_validate_json(found.progress).sha256 == ""


def test_files_that_a_script_names_beyond_reason_are_counted() -> None:
    files = ["/a", 7, "/" + "x" * 30_000, *(f"/{number}" for number in range(150))]
    found = RunScriptOn().gather(leg("run_script", script="a.sh"), desk(said(files=files)))
    assert isinstance(found, Onward)
    assert utf16_units(found.progress) < MAX_TEXT_UNITS
    assert json.loads(found.progress)["said"].endswith("52 names of files more, or too long, are not asked for")
    ended = RunScriptOn().gather(leg("run_script", script="a.sh"), desk(said(files=[7])))
    assert isinstance(ended, Finished)


@pytest.mark.parametrize(("head", "code"), [('"exit_code": 3, ', "3"), ("", "unknown")])
def test_an_output_that_is_too_large_to_be_read_is_kept_as_it_came(head: str, code: str) -> None:
    result = f'{{"script_name": "a.sh", {head}"script_output": "{"x" * MOST_TEXT}", "exit_code": 7}}'.encode()
    at = desk(result)
    found = RunScriptOn().gather(leg("run_script", script="a.sh"), at)
    assert isinstance(found, Finished)
    assert at.kept["data/sessions/script.json"] == result
    assert "data/sessions/script.json" in [each.name for each in found.artefacts]
    assert found.detail.startswith(f"a.sh: exit code {code}; it printed more than 4 MiB")


def test_an_image_that_no_call_can_read_to_its_end_is_given_up_aloud() -> None:
    """What was read in a call is lost with it: without a bound it would be begun anew every eight minutes for ever."""

    class Slow(Desk):
        def join(self, name: str, parts: Sequence[Part], *, kind: str, media_type: str, device: str = "") -> Artefact:
            del name, parts, kind, media_type, device
            raise Incomplete("the time of one call ran out", cause=Cause.TIME)

    known = progress(Leg.JOIN, size=5, format="lime")
    for fetches, left in ((1, 480.0), (FETCHES - 1, 480.0), (FETCHES, 240.0)):
        row = leg("capture_memory", known).model_copy(update={"fetches": fetches})
        with pytest.raises(Incomplete):  # a call that began with other work shows nothing
            CaptureMemory().gather(row, Slow(Answering(), snapshot=b"{}", left=left))
    row = leg("capture_memory", known).model_copy(update={"fetches": FETCHES})
    found = CaptureMemory().gather(row, Slow(Answering(), snapshot=b"{}"))
    assert isinstance(found, Onward)
    ended = Progress.model_validate_json(found.progress)
    assert (ended.leg, ended.todo[:9]) == (Leg.CLEAN, "its parts")
    assert "too large to be read through in one call" in ended.why


@pytest.mark.parametrize("error", [Altered("part-00001/000/000003"), Damaged("part-00001 is not whole")])
def test_an_image_whose_parts_are_no_longer_what_came_ends_with_the_device_cleaned_up(error: Transient) -> None:
    """Its sessions are over, so nothing can be fetched anew. Another reading may be right, and seven are tried."""

    class Spoilt(Desk):
        def join(self, name: str, parts: Sequence[Part], *, kind: str, media_type: str, device: str = "") -> Artefact:
            del name, parts, kind, media_type, device
            raise error

    known = progress(Leg.JOIN, size=5, format="lime")
    row = leg("capture_memory", known)
    with pytest.raises(type(error)):
        CaptureMemory().gather(row.model_copy(update={"fetches": FETCHES - 1}), Spoilt(Answering(), snapshot=b"{}"))
    last = row.model_copy(update={"fetches": FETCHES})
    found = CaptureMemory().gather(last, Spoilt(Answering(), snapshot=b"{}", left=240.0))
    assert isinstance(found, Onward)
    ended = Progress.model_validate_json(found.progress)
    assert (ended.leg, ended.todo[:8]) == (Leg.CLEAN, "find out")
    assert "its parts are no longer what came" in ended.why


def test_other_trouble_while_an_image_is_joined_rises_the_last_time_too() -> None:
    class Away(Desk):
        def join(self, name: str, parts: Sequence[Part], *, kind: str, media_type: str, device: str = "") -> Artefact:
            del name, parts, kind, media_type, device
            raise Transient("the storage is away", status=503)

    row = leg("capture_memory", progress(Leg.JOIN, size=5, format="lime")).model_copy(update={"fetches": FETCHES})
    with pytest.raises(Transient, match="away"):
        CaptureMemory().gather(row, Away(Answering(), snapshot=b"{}"))


def test_a_result_that_is_nested_for_ever_is_asked_for_again() -> None:
    with pytest.raises(Incomplete):
        RunScriptOn().gather(leg("run_script", script="a.sh"), desk(b"[" * 100_000))
