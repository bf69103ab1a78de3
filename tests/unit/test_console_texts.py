"""Whatever somebody else wrote: a terminal shows it, and neither obeys it nor makes a link of it. And a name never
means a device that is not called so.
"""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.devices import Ambiguous, meant
from console.voice import Voice, foreign, ours, table
from responders._consent import called
from shared.models.action import Action
from tests.unit.consoles import Office
from tests.unit.incidents import action

TEXTS = st.text(st.characters(), max_size=80) | st.sampled_from(
    ["\x1b[2J", "[red]x[/red]", "http://a.b", "\u202ea", ":smile:"]
)


def spoken(capsys: pytest.CaptureFixture[str], text: str) -> str:
    Voice(as_json=False).tell({}, foreign(text), table("T", ("a", "b"), [(text, foreign(text))]), ours(text))
    return capsys.readouterr().out


@given(TEXTS)
def test_nothing_that_is_printed_is_obeyed(text: str) -> None:
    for shown in (foreign(text).plain, ours(text).plain):
        kinds = {unicodedata.category(character) for character in shown}
        assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert "://" not in shown


@given(TEXTS)
def test_what_scripts_get_is_ascii_and_the_same_text(text: str) -> None:
    line = json.dumps({"text": text}, ensure_ascii=True)
    assert line.isascii()
    assert json.loads(line) == {"text": text}


def test_markup_and_names_of_emoji_are_only_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert spoken(capsys, "[red]x[/red] :smile:").count("[red]x[/red] :smile:") == 4


def test_a_script_hears_one_object_and_a_person_none(capsys: pytest.CaptureFixture[str]) -> None:
    Voice(as_json=True).tell({"text": "\x1b[2J"}, ours("for people"))
    Voice(as_json=True).aside("for people")
    heard = capsys.readouterr()
    assert (heard.out, heard.err) == ('{"text": "\\u001b[2J"}\n', "")


IDS = [f"{number}{'ab' * 15}{tail}" for number in "12" for tail in ("000000000", "111111111")]
"""Two and two begin alike."""

NAMES = st.sampled_from(["ws1.contoso.com", "ws1.other.com", "WS1", "ws2.contoso.com", ""])


@given(
    st.lists(st.tuples(st.sampled_from(IDS), NAMES), max_size=5),
    st.sampled_from([*IDS, "ws1", "WS2", "1abababab", "1a", "nobody"]),
)
def test_a_device_is_never_guessed(devices: list[tuple[str, str]], written: str) -> None:
    office = Office(asleep=True)
    rows: dict[str, Action] = {}
    for number, (device, name) in enumerate(devices):
        made = action(device=device, device_name=name, incident=str(number))
        rows[made.key] = made
        office.ports.ledger.add(made)
    fitting = {each.target for each in rows.values() if called(each, written)}
    if len(fitting) == 1 or written in {each.device for each in rows.values()} | set(IDS):
        assert meant(office.desk(), written).lower() in fitting | {written}
        assert written not in IDS or meant(office.desk(), written.upper()) == written
        return
    with pytest.raises(Ambiguous) as told:
        meant(office.desk(), written)
    assert all(each in str(told.value) for each in fitting)
