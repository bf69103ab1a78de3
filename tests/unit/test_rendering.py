"""Text that attackers choose is shown in Slack, Teams and Defender, and is live in none of them."""

import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._guardrails import Counts
from responders._inert import inert
from responders._news import Facts, Stock
from responders._notices import ALARM, CONTAINED, EVIDENCE, FINAL, STARTED, UNSURE, Line, Message, compose
from responders._planning import decide
from responders._rendering import RENDERERS, comment, heading, slack, teams
from responders.isolate import Isolate
from shared.config import Settings
from shared.models.action import Action, State
from shared.models.incident import Incident
from tests.unit.incidents import HOST1, NOW, alert, device, file, incident, machine, process, state
from tests.unit.policies import DEFAULT

TEAMS_BYTES = 21_000
LINK = ("Open the incident in Defender", "https://security.microsoft.com/incidents/2972395?tid=b3&x=1")


def message(*lines: Line, title: str = "An incident", kind: str = FINAL, **members: Any) -> Message:  # noqa: ANN401 - whatever a message has
    own: dict[str, Any] = {"incident": "2972395", "severity": 4, "observed": False, "links": (LINK,)}
    return Message(**(own | members), kind=kind, title=title, lines=lines)


def sections(payload: dict[str, Any]) -> list[str]:
    """Slack's texts but for the header, our own links and the incident's key."""
    return [block["text"]["text"] for block in payload["blocks"][1:] if block["type"] == "section"][:-1]


def card(payload: dict[str, Any]) -> list[str]:
    (attachment,) = payload["attachments"]
    return [block["text"] for block in attachment["content"]["body"]]


# One text


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("Suspicious PowerShell command line", "Suspicious PowerShell command line"),
        ("マルウェアが検出されました", "マルウェアが検出されました"),
        ("https://evil.example/a", "https[:]//evil[.]example/a"),
        ("averyverylongscheme://evil", "averyverylongscheme[:]//evil"),
        ("x://evil", "x[:]//evil"),
        ("evil.exe from t.co", "evil[.]exe from t[.]co"),
        ("10.0.0.1", "10[.]0[.]0[.]1"),
        ("пример.рф", "пример[.]рф"),
        ("bücher.example", "bücher[.]example"),
        ("alice@contoso.com", "alice(at)contoso[.]com"),
        ("a sentence. Another", "a sentence. Another"),
        ("one\ntwo\r\n\tthree", "one two   three"),
        ("a\u202eb\u0000c\u200bd\u2066e\ud800", "a<U+202E>b<U+0000>c<U+200B>d<U+2066>e<U+D800>"),
        ("\u2028\u2029\ufeff\U000e0041", "<U+2028><U+2029><U+FEFF><U+E0041>"),
        ("2026/08/inc-1 see evil.example", "2026/08/inc-1 see evil[.]example"),
        ("😀 fire", "😀 fire"),
    ],
)
def test_foreign_text_is_shown_and_not_live(foreign: str, shown: str) -> None:
    assert inert(foreign) == shown


def test_an_enormous_text_is_cut_and_says_so() -> None:
    assert inert("x" * 5_000_000, 10) == "xxxxxxxxxx…"
    assert inert("x" * 10, 10) == "xxxxxxxxxx"


# Slack


def test_slacks_own_markup_is_escaped() -> None:
    hostile = "<!channel> <@U0> <https://evil.example|click> & &lt;!here&gt;"
    (text,) = sections(slack(message(Line("Why", hostile), title=hostile)))
    assert "<" not in text
    assert ">" not in text
    assert "&lt;!channel&gt;" in text
    assert "&amp; &amp;lt;!here&amp;gt;" in text


@pytest.mark.parametrize("mark", ["*", "_", "~", "`", "```"])
def test_what_would_format_is_taken_apart(mark: str) -> None:
    (text,) = sections(slack(message(Line("Why", f"{mark}x{mark}"))))
    assert f"{mark}x" not in text.replace("\u200b" + mark[0], "")


def test_a_devices_name_in_a_label_is_foreign_too() -> None:
    """Whoever owns a device chooses its name."""
    payload = message(Line("Isolate, <!here>\nVerdict\u202e (73e7e2de)", "is done"))
    assert "&lt;!here&gt; Verdict&lt;U+202E&gt; (73e7e2de)*: is done" in sections(slack(payload))[0]
    assert "\n" not in card(teams(payload))[2]
    assert "\u202e" not in comment(payload, "[m]")


def test_nothing_unfurls_and_nothing_is_parsed() -> None:
    payload = slack(message(Line("Why", "x")))
    assert (payload["unfurl_links"], payload["unfurl_media"]) == (False, False)
    assert all(block["text"]["verbatim"] for block in payload["blocks"][1:])
    assert payload["blocks"][0]["text"]["type"] == "plain_text"


def test_the_fallback_says_what_the_header_says() -> None:
    payload = slack(message())
    assert payload["text"] == payload["blocks"][0]["text"]["text"] == "Response ended: incident 2972395, severity high"


def test_slack_links_to_the_incident() -> None:
    last = slack(message())["blocks"][-1]["text"]["text"]
    assert last == ("<https://security.microsoft.com/incidents/2972395?tid=b3&amp;x=1|Open the incident in Defender>")


@pytest.mark.parametrize("end", [">", "|", "<!here>", " ", "\n", '"', "é", "\ud800"])
def test_a_link_cannot_be_ended_early(end: str) -> None:
    (link,) = re.findall(
        "<([^<>]*)>", slack(message(links=(("Open", f"https://x.example/{end}z"),)))["blocks"][-1]["text"]["text"]
    )
    address, label = link.split("|")
    assert label == "Open"
    assert re.fullmatch(r"https://x\.example/(%[0-9A-F]{2}|!here|\?)+z", address)


def test_a_link_that_is_too_long_is_left_out() -> None:
    endless = message(links=(("Open", "https://x.example/" + "é" * 500),))
    assert "https" not in json.dumps(slack(endless))
    assert teams(endless)["attachments"][0]["content"]["actions"] == []


def test_too_many_lines_say_that_some_are_left_out() -> None:
    payload = slack(message(*[Line("Why", "x" * 900)] * 500))
    assert len(payload["blocks"]) <= 50
    assert "left out" in sections(payload)[-1]
    assert "Open the incident" in payload["blocks"][-1]["text"]["text"]


def test_a_section_fits_as_slack_counts_an_emoji_which_is_two() -> None:
    for text in sections(slack(message(Line("Why", "&" * 480 + "😀" * 420)))):
        assert len(text.encode("utf-16-le")) // 2 <= 3000


# Teams


@pytest.mark.parametrize(
    "foreign", ["[click](https://evil.example)", "**b**", "# h", "> q", "`c`", "a|b", "&#46;", "<at>x</at>"]
)
def test_markdown_is_escaped(foreign: str) -> None:
    text = card(teams(message(Line("Why", foreign))))[2]
    assert not re.search(r"(?<!\\)[\[\]*#>`|&<_]", text.removeprefix("Why: "))


def test_teams_gets_one_card_with_a_link() -> None:
    payload = teams(message(Line("Why", "x")))
    (attachment,) = payload["attachments"]
    assert payload["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    assert attachment["content"]["version"] == "1.4"
    assert attachment["content"]["actions"] == [{"type": "Action.OpenUrl", "title": LINK[0], "url": LINK[1]}]
    assert card(payload) == ["Response ended: incident 2972395, severity high", "An incident", "Why: x"]


@pytest.mark.parametrize("character", ["x", "*", "\u202e", "字", "😀", '"', "\\", "&", "."])
def test_a_card_stays_small_whatever_fills_it(character: str) -> None:
    """Around 21 KB the Workflows webhook says that the request is too large; escapes make one character many bytes."""
    payload = teams(message(*[Line(character * 500, character * 5000)] * 200, title=character * 5000))
    assert len(json.dumps(payload)) < TEAMS_BYTES
    assert "more lines, left out here" in card(payload)[-1]


def test_a_usual_summary_leaves_nothing_out() -> None:
    lines = [Line("Isolate, host1 (73e7e2de)", "is done: through incident 2972395, as it was asked for")] * 60
    assert len(card(teams(message(*lines)))) == 62


# The comment on the incident


def test_the_comment_is_short_and_ends_with_our_marker() -> None:
    text = comment(message(*[Line("Why", "x" * 500)] * 50), "[bulkhead test/17/final-1]")
    assert len(text) <= 1000
    assert text.endswith("\n[bulkhead test/17/final-1]")
    assert text.startswith("Response ended: incident 2972395, severity high\nWhy: ")


# What the first line says


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (STARTED, "Response started: incident 2972395, severity high"),
        (CONTAINED, "Contained: incident 2972395, severity high"),
        (UNSURE, "Not sure yet: incident 2972395, severity high"),
        (FINAL, "Response ended: incident 2972395, severity high"),
        (ALARM, "Bulkhead needs somebody to look"),
    ],
)
def test_the_heading_says_what_happened(kind: str, said: str) -> None:
    assert heading(message(kind=kind)) == said


@pytest.mark.parametrize("kind", [STARTED, CONTAINED, UNSURE, FINAL])
def test_the_heading_says_that_nothing_was_touched_while_observing(kind: str) -> None:
    assert heading(message(kind=kind, observed=True)).startswith("Observed (nothing was touched)")


def test_a_repeat_says_that_it_may_be_one() -> None:
    assert heading(message(repeat=True)).endswith("(possibly repeated)")


# Where evidence lies can be copied


def test_the_name_of_an_artefact_is_shown_as_it_is() -> None:
    name = "2026/08/inc-1/dev-host1-73e7e2de/run-1/data/package/investigation-package.zip (12 bytes, SHA-256 ab)"
    payload = message(Line(EVIDENCE, name))
    assert name in sections(slack(payload))[0]
    assert name in card(teams(payload))[2]
    assert "investigation-package.zip" in comment(payload, "[m]")


# What does not belong into a chat


@pytest.mark.parametrize("kind", [STARTED, FINAL])
def test_neither_accounts_nor_command_lines_reach_a_chat(kind: str) -> None:
    """From an incident as Graph sends it through judging, planning and composing (`NOTIFY_DETAIL` is `minimal`)."""
    secret = "S3CRET"
    raw = incident(
        alert(
            device(loggedOnUsers=[{"accountName": secret, "domainName": secret}]),
            process(processCommandLine=f"net use /user:{secret}", userAccount={"accountName": secret}),
            file(fileDetails={"fileName": f"{secret}.exe", "filePath": f"C:\\Users\\{secret}"}),
            description=f"{secret} ran a command",
        ),
        assignedTo=secret,
        comments=[{"comment": secret, "createdByDisplayName": secret}],
    )
    judged = DEFAULT.assess(Incident.model_validate(raw), {HOST1: machine()}, NOW)
    nothing = Counts(incident=0, sent=(), held=0, fleet=100)
    facts = Facts(NOW, {HOST1: machine()}, {}, frozenset(), (), {"isolate": Stock(nothing)})
    plan = decide(state(), judged, facts, [Isolate()], Settings.model_validate({"DEPLOYMENT": "test"})).plan
    told = compose(kind, state(reasons=judged.reasons), plan.actions, lambda _: True)
    assert [each.state for each in plan.actions] == [State.PLANNED]
    for render in RENDERERS.values():
        payload = json.dumps(render(told))
        assert "host1" in payload
        assert secret not in payload


# Whatever is told

FRAGMENTS = st.sampled_from(
    [
        *(
            "<!channel>",
            "<@U123>",
            "<#C1>",
            "<https://evil.example|click>",
            "https://evil.example/a?b=c&d",
            "evil.example",
        ),
        *(
            "*bold*",
            "_i_",
            "~s~",
            "`rm -rf /`",
            "```",
            "&lt;!here&gt;",
            "&",
            "&amp",
            "\u202e",
            "\u2066",
            "\x00",
            "\x1b[31m",
        ),
        *(
            "\ud800",
            "😀",
            "👩‍👩‍👧",
            "é",
            "пример.рф",
            "[a](https://b.example)",
            "@everyone",
            "\n\n> quote",
            "10.0.0.1",
            "|",
        ),
        *(
            "2026/08/inc-1/",
            "x" * 400,
            "字" * 300,
            "<" * 950,
            "&" * 950,
            "*" * 950,
            "😀" * 950,
            " ",
            "\\",
            '"',
            "{{DATE}}",
        ),
    ]
)
HOSTILE = st.lists(FRAGMENTS | st.text(max_size=20), max_size=6).map("".join)
MESSAGES = st.builds(
    lambda title, lines, kind, observed: message(*lines, title=title, kind=kind, observed=observed),
    HOSTILE,
    st.lists(st.builds(Line, HOSTILE.filter(lambda text: text != EVIDENCE), HOSTILE), max_size=12),
    st.sampled_from([STARTED, CONTAINED, UNSURE, FINAL, ALARM]),
    st.booleans(),
)
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def assert_quiet(text: str, ours: str) -> None:
    """Nothing that a client would link, and nothing unseen but what we put there."""
    assert "://" not in text
    assert not re.search(r"(?<=[\w-])\.(?=[\w-]{2,})", text)
    assert "@" not in text
    assert not [each for each in set(text) if unicodedata.category(each) in HIDDEN and each not in ours]


@given(MESSAGES)
def test_nothing_is_live_in_slack_and_every_limit_holds(told: Message) -> None:
    payload = slack(told)
    json.dumps(payload)
    assert 2 <= len(payload["blocks"]) <= 50
    assert len(payload["blocks"][0]["text"]["text"]) <= 150
    for text in sections(payload):
        assert 0 < len(text.encode("utf-16-le")) // 2 <= 3000
        assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", text)
        assert_quiet(text, "\n\u200b")


@given(MESSAGES)
def test_nothing_is_live_in_teams_and_the_card_stays_small(told: Message) -> None:
    payload = teams(told)
    assert len(json.dumps(payload)) < TEAMS_BYTES
    for text in card(payload):
        assert_quiet(text.replace("\\", ""), "")
        assert not re.search(r"(?<!\\)(?:\\\\)*[*_~`\[\]#<>|&]", text)


@given(MESSAGES)
def test_nothing_is_live_in_the_comment(told: Message) -> None:
    text = comment(told, "[bulkhead test/17/final-1]")
    assert len(text) <= 1000
    assert_quiet(text, "\n")


@given(HOSTILE, HOSTILE)
def test_a_message_about_a_hostile_action_stays_quiet(name: str, detail: str) -> None:
    """Through `compose`, where labels are made from names."""
    own: dict[str, Any] = {"device_name": name, "detail": detail, "state": State.FAILED, "todo": "look"}
    hostile = Action(
        **own, incident="1", version="v", device=HOST1, responder="isolate", round=1, created=NOW, since=NOW
    )
    told = compose(FINAL, state(title=name, reasons=(detail,), not_actionable=(name,)), [hostile], lambda _: True)
    for text in sections(slack(told)):
        assert_quiet(text, "\n\u200b")
    for text in card(teams(told)):
        assert_quiet(text.replace("\\", ""), "")
