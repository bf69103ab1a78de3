"""Messages as Slack's blocks and as a Teams Adaptive Card. Pure.

Titles and names come from telemetry, and so from attackers: they are shown, never live. Markup is escaped, links and
addresses are defanged, control and direction characters are made visible.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from responders._inert import address, inert
from responders._notices import ALARM, COMMANDS, OURS, SEVERITY_NAMES, WAITING

if TYPE_CHECKING:
    from responders._notices import Line, Message

_SECTION = 2900
_HEADER = 150
_BLOCKS = 45
_CARD_BYTES = 20_000
_VALUE = 900
_CARD_VALUE = 400
_HALF_ENTITY = re.compile(r"&[a-z]{0,3}$")


def _said(line: Line, limit: int = _VALUE) -> tuple[str, str]:
    """A line's label and text. A label may end in a device's name; some lines are in our own words."""
    return inert(line.label, 100), inert(line.text, limit, dots=line.label not in OURS)


def escape_slack(text: str) -> str:
    """Exactly the three characters that Slack asks to have escaped, and those that would format."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([*~`]|(?<!\w)_|_(?!\w))", "\u200b\\1", escaped)


def heading(message: Message) -> str:
    """The first line of a message, ours but for the incident's number."""
    words = message.words
    if message.kind == ALARM:
        return words("heading.alarm")
    kind = "waiting" if message.kind.startswith(WAITING) else f"{message.kind}_but" if message.away else message.kind
    return words(
        "heading",
        said=words("heading.observed" if message.observed else f"heading.{kind}"),
        incident=message.incident,
        severity=words(f"severity.told.{SEVERITY_NAMES[message.severity]}"),
        repeat=words("heading.repeat") if message.repeat else "",
    )


def slack(message: Message) -> dict[str, Any]:
    """The payload of an incoming webhook: a fallback text and blocks within Slack's sizes."""
    head = heading(message)
    body = [f"*{escape_slack(inert(message.title, 300))}*"]
    body += [_line_in_slack(line) for line in message.lines]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": head[:_HEADER], "emoji": False}}
    ]
    sections = _packed(body)
    if len(sections) > _BLOCKS:
        sections = [*sections[:_BLOCKS], message.words("left.sections")]
    links = [f"<{url.replace('&', '&amp;')}|{escape_slack(label)}>" for label, url in _links(message)]
    sections += ["  ".join(links)] if links else []
    blocks += [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in sections]
    if message.key:
        said = escape_slack(message.words("line.key", key=message.key))
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": said, "verbatim": True}]})
    return {"text": escape_slack(head), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _line_in_slack(line: Line) -> str:
    """A line with its label in bold; what is to be copied stands as code."""
    label, text = map(escape_slack, _said(line))
    plain = line.text.isascii() and "`" not in line.text and line.text == inert(line.text, dots=False)
    command = line.label in COMMANDS and plain
    return f"*{label}*: {f'`{line.text}`' if command else text}"


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
    """Our own links, those that are some."""
    found = [(label, address(url)) for label, url in message.links]
    return [(label, url) for label, url in found if url]


def teams(message: Message) -> dict[str, Any]:
    """The envelope that a Workflows webhook takes: one Adaptive Card, with as many lines as its size allows."""
    head = [_text(heading(message), size="Large", weight="Bolder"), _text(inert(message.title, 300), weight="Bolder")]
    lines = [_text(": ".join(_said(line, _CARD_VALUE))) for line in message.lines]
    size = len(json.dumps(_envelope(message, head)))
    for number, line in enumerate(lines):
        size += len(json.dumps(line)) + 2
        if size > _CARD_BYTES:
            left_out = _text(message.words("left.lines", count=len(lines) - number))
            return _envelope(message, [*head, *lines[:number], left_out])
    key = [_text(message.words("line.key", key=message.key), size="Small") | {"isSubtle": True}] if message.key else []
    return _envelope(message, [*head, *lines, *key])


def _envelope(message: Message, body: list[dict[str, Any]]) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in _links(message)],
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


def pager(message: Message) -> dict[str, Any]:
    """What wakes a person: the text of what waits, as Slack's webhooks take it too, and the parts for other tools."""
    lines = _plainly(message)
    return {
        "text": escape_slack("\n".join(lines))[:_SECTION],
        "event": "alarm" if message.kind == ALARM else "waiting",
        "incident": message.incident,
        "severity": SEVERITY_NAMES[message.severity],
        "summary": heading(message),
        "lines": lines[1:],
        "url": next((address for _, address in _links(message)), ""),
    }


def slack_plain(message: Message) -> dict[str, Any]:
    """The message as one text, where Slack finds the blocks wrong: short, and nothing in it can be."""
    text = _clipped("\n".join(map(escape_slack, _plainly(message))))
    return {"text": text, "unfurl_links": False, "unfurl_media": False}


def teams_plain(message: Message) -> dict[str, Any]:
    """The message as a card with one text, where Teams finds the other one wrong."""
    bare = replace(message, links=())
    return _envelope(bare, [_text("\n\n".join(_plainly(message))[:_SECTION])])


def _plainly(message: Message) -> list[str]:
    return [heading(message), inert(message.title, 300), *(": ".join(_said(line, 200)) for line in message.lines)]


RENDERERS = {"slack": slack, "teams": teams, "pager": pager}
PLAIN = {"slack": slack_plain, "teams": teams_plain, "pager": pager}
