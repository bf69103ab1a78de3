"""Messages as Slack's blocks and as a Teams Adaptive Card. Pure.

Titles and names come from telemetry, and so from attackers: they are shown, never live. Markup is escaped, links and
addresses are defanged, control and direction characters are made visible.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from responders._notices import ALARM, CONTAINED, EVIDENCE, FINAL, SEVERITY_NAMES, STARTED

if TYPE_CHECKING:
    from responders._notices import Line, Message

_HEADINGS = {
    STARTED: "Response started",
    CONTAINED: "Contained",
    FINAL: "Response ended",
}
_SECTION = 2900
_HEADER = 150
_BLOCKS = 45
_CARD_BYTES = 20_000
_VALUE = 900
_CARD_VALUE = 400
_DOTTED = re.compile(r"(?<=[\w-])\.(?=[\w-]{2,})|(?<=\d)\.(?=\d)")
_HALF_ENTITY = re.compile(r"&[a-z]{0,3}$")
_LONGEST_LINK = 2000
_IN_URL = ":/?#[]@!$&'()*+,;=%"


def inert(text: str, limit: int = _VALUE, *, dots: bool = True) -> str:
    """Foreign text that nothing can click, run or hide behind; `dots` False leaves the dots of our own names."""
    shown = "".join(_visible(character) for character in text[:limit]).replace("://", "[:]//")
    shown = _DOTTED.sub("[.]", shown) if dots else shown
    return shown.replace("@", "(at)") + ("…" if len(text) > limit else "")


def _said(line: Line, limit: int = _VALUE) -> tuple[str, str]:
    """A line's label and text. A label may end in a device's name; where evidence lies is in our own words."""
    return inert(line.label, 100), inert(line.text, limit, dots=line.label != EVIDENCE)


def _visible(character: str) -> str:
    if character in "\t\r\n":
        return " "
    category = unicodedata.category(character)
    return f"<U+{ord(character):04X}>" if category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} else character


def escape_slack(text: str) -> str:
    """Exactly the three characters that Slack asks to have escaped, and those that would format."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([*~`]|(?<!\w)_|_(?!\w))", "\u200b\\1", escaped)


def heading(message: Message) -> str:
    """The first line of a message, ours but for the incident's number."""
    if message.kind == ALARM:
        return "Bulkhead needs somebody to look"
    said = _HEADINGS.get(message.kind, "Not sure yet")
    if message.observed:
        said = "Observed (nothing was touched)"
    repeat = " (possibly repeated)" if message.repeat else ""
    return f"{said}: incident {message.incident}, severity {SEVERITY_NAMES[message.severity]}{repeat}"


def slack(message: Message) -> dict[str, Any]:
    """The payload of an incoming webhook: a fallback text and blocks within Slack's sizes."""
    head = heading(message)
    body = [f"*{escape_slack(inert(message.title, 300))}*"]
    body += [": ".join(map(escape_slack, _said(line))) for line in message.lines]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": head[:_HEADER], "emoji": False}}
    ]
    sections = _packed(body)
    if len(sections) > _BLOCKS:
        sections = [*sections[:_BLOCKS], "(and more, left out here)"]
    links = [f"<{address.replace('&', '&amp;')}|{escape_slack(label)}>" for label, address in _links(message)]
    sections += ["  ".join(links)] if links else []
    blocks += [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in sections]
    return {"text": escape_slack(head), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _packed(lines: list[str]) -> list[str]:
    """Lines joined into as few sections as their size allows."""
    packed: list[str] = []
    for line in lines:
        cut = _clipped(line)
        if packed and _units(packed[-1]) + 1 + _units(cut) <= _SECTION:
            packed[-1] += "\n" + cut
        else:
            packed.append(cut)
    return packed


def _clipped(line: str) -> str:
    """As much of an escaped line as a section takes, not cut within an escape."""
    cut = line
    while _units(cut) > _SECTION:
        cut = _HALF_ENTITY.sub("", cut[: len(cut) * _SECTION // _units(cut)])
    return cut


def _units(text: str) -> int:
    """The length as chat services count it: an emoji has two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _links(message: Message) -> list[tuple[str, str]]:
    """Links of Defender's own, with nothing in them that could end them early."""
    found = [(label, quote(address, safe=_IN_URL, errors="replace")) for label, address in message.links]
    return [(label, address) for label, address in found if len(address) <= _LONGEST_LINK]


def teams(message: Message) -> dict[str, Any]:
    """The envelope that a Workflows webhook takes: one Adaptive Card, with as many lines as its size allows."""
    head = [_text(heading(message), size="Large", weight="Bolder"), _text(inert(message.title, 300), weight="Bolder")]
    lines = [_text(": ".join(_said(line, _CARD_VALUE))) for line in message.lines]
    size = len(json.dumps(_envelope(message, head)))
    for number, line in enumerate(lines):
        size += len(json.dumps(line)) + 2
        if size > _CARD_BYTES:
            left_out = _text(f"(and {len(lines) - number} more lines, left out here)")
            return _envelope(message, [*head, *lines[:number], left_out])
    return _envelope(message, [*head, *lines])


def _envelope(message: Message, body: list[dict[str, Any]]) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": address} for label, address in _links(message)],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _text(text: str, **style: str) -> dict[str, Any]:
    """A text block; Adaptive Cards read Markdown, so what would format is escaped."""
    plain = re.sub(r"([\\*_~`\[\]#<>|&])", r"\\\1", text)
    return {"type": "TextBlock", "wrap": True, "text": plain, **style}


def comment(message: Message, marker: str) -> str:
    """The comment on the incident in Defender: plain text, short, with our marker at its end."""
    lines = [heading(message), *(": ".join(_said(line, 200)) for line in message.lines)]
    text = "\n".join(lines)
    return f"{text[: 900 - len(marker)]}\n{marker}"


RENDERERS = {"slack": slack, "teams": teams}
