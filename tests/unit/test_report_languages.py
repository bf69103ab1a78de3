"""What people read is there in every language, whole."""

import re
from pathlib import Path
from string import Formatter

import pytest

from responders._languages import ENGLISH, LANGUAGES, Words
from responders._report.closing import FILES, LIMITS, QUESTIONS
from responders._report.page import SCRIPT_WORDS
from responders._wiring import responders
from shared.models.action import EXPLAINED, State
from shared.models.findings import Collector, Kind

ROOT = Path(__file__).parents[2] / "responders"
TEMPLATES = sorted((ROOT / "_report" / "assets").glob("*.j2"))
KEY = re.compile(r"""\b(?:t|words|words_of|telling\.words|message\.words)\(\s*["']([a-z_0-9]+(?:\.[a-z_0-9]+)*)["']""")


def places(text: str) -> list[str]:
    return sorted(f"{name}:{spec}" for _, name, spec, _ in Formatter().parse(text) if name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language: str) -> None:
    assert set(LANGUAGES[language]) == set(LANGUAGES["en"])
    assert [key for key, text in LANGUAGES[language].items() if not text.strip()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_leaves_places_for_the_same_values(language: str) -> None:
    other = [key for key, text in LANGUAGES[language].items() if places(text) != places(LANGUAGES["en"][key])]
    assert other == []


def test_japanese_is_japanese() -> None:
    """But for names and figures, which are written in Latin letters everywhere."""
    plain = {key for key, text in LANGUAGES["ja"].items() if text.isascii()}
    assert plain == {"techniques", "fact.sha256", "fact.sha1"}


def used() -> set[str]:
    files = [*TEMPLATES, *ROOT.glob("*.py"), *(ROOT / "_report").glob("*.py")]
    return {key for file in files for key in KEY.findall(file.read_text(encoding="utf-8"))}


def test_what_is_asked_for_is_there() -> None:
    assert len(used()) > 150
    assert used() - set(LANGUAGES["en"]) == set()


def test_what_is_there_is_asked_for() -> None:
    """By its name, or by a name that is made: those groups are listed here."""
    made = (
        *("nav.", "tile.", "when.", "severity.", "mode.", "verdict.", "state.", "responder.", "kind.", "moment."),
        *("source.", "proof.", "trait.", "mechanism.", "fact.", "collector.", "zone.", "ask.", "limit.", "file."),
        *("revision.", "stands.", "heading.", "headline.", "line.", "trap.", "open.", "verify.", "topic."),
    )
    rest = {key for key in LANGUAGES["en"] if not key.startswith(made)} - used() - set(SCRIPT_WORDS)
    assert rest == {"private", "unsealed"}  # chosen in the template


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_member_of_a_group_has_its_word(language: str) -> None:
    texts = LANGUAGES[language]
    wanted = [f"state.{state}" for state in State] + [f"kind.{kind}" for kind in Kind]
    wanted += [f"responder.{name}" for name in responders()]
    wanted += [f"collector.{each}" for each in Collector if each]
    wanted += [f"ask.{number}" for number in range(1, QUESTIONS + 1)]
    wanted += [f"limit.{number}" for number in range(1, LIMITS + 1)]
    wanted += [f"file.{name.partition('.')[2]}" for name in FILES]
    assert [key for key in [*wanted, *SCRIPT_WORDS] if key not in texts] == []


def test_states_are_explained_in_the_words_of_the_ledger() -> None:
    assert all(ENGLISH.of("state", state) == said for state, said in EXPLAINED.items())


def test_what_nobody_knows_is_called_by_its_own_name() -> None:
    assert ENGLISH.of("responder", "shout_loudly") == "shout loudly"


def test_a_language_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(KeyError):
        Words("xx")
