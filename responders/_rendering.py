"""Messages as Slack's blocks and as a Teams Adaptive Card. Pure.

Titles and names come from telemetry, and so from attackers: they are shown, never live. Markup is escaped, links and
addresses are defanged, control and direction characters are made visible.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from responders._notices import ALARM, CONTAINED, FINAL, SEVERITY_NAMES, STARTED

if TYPE_CHECKING:
    from responders._notices import Message

_HEADINGS = {
    STARTED: "Response started",
    CONTAINED: "Contained",
    FINAL: "Response ended",
}
_SECTION = 2900
_HEADER = 150
_BLOCKS = 45
_CARD_LINES = 40
_VALUE = 900
_SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+]{1,11})://")
_DOTTED = re.compile(r"(?<=[A-Za-z0-9_-])\.(?=[A-Za-z0-9-]{2,})|(?<=\d)\.(?=\d)")
_HEX_PATH = re.compile(r"^\d{4}/\d{2}/inc-")


def inert(text: str, limit: int = _VALUE) -> str:
    """Foreign text that nothing can click, run or hide behind."""
    shown = "".join(_visible(character) for character in text[:limit])
    shown = _SCHEME.sub(lambda match: f"{match[1]}[:]//", shown)
    shown = shown if _HEX_PATH.match(shown) else _DOTTED.sub("[.]", shown)
    return shown.replace("@", "(at)") + ("…" if len(text) > limit else "")


def _visible(character: str) -> str:
    if character in "\t\r\n":
        return " "
    category = unicodedata.category(character)
    return f"<U+{ord(character):04X}>" if category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} else character


def escape_slack(text: str) -> str:
    """Exactly the three characters that Slack asks to have escaped, and those that would format."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([*_~`])", "\u200b\\1", escaped)


def heading(message: Message) -> str:
    """The first line of a message, ours but for the incident's number."""
    if message.kind == ALARM:
        return "Bulkhead needs somebody to look"
    said = _HEADINGS.get(message.kind, "Not sure yet")
    if message.mode == "observe":
        said = "Observed (nothing was touched)"
    repeat = " (possibly repeated)" if message.repeat else ""
    return f"{said}: incident {message.incident}, severity {SEVERITY_NAMES[message.severity]}{repeat}"


def slack(message: Message) -> dict[str, Any]:
    """The payload of an incoming webhook: a fallback text and blocks within Slack's sizes."""
    head = heading(message)
    body = [f"*{escape_slack(inert(message.title, 300))}*"]
    body += [f"{escape_slack(line.label)}: {escape_slack(inert(line.text))}" for line in message.lines]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": head[:_HEADER], "emoji": False}}
    ]
    blocks += [
        {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in _packed(body)
    ]
    if message.links:
        links = "  ".join(f"<{_address(address)}|{escape_slack(label)}>" for label, address in message.links)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": links, "verbatim": True}})
    return {"text": escape_slack(head), "blocks": blocks[:_BLOCKS], "unfurl_links": False, "unfurl_media": False}


def _packed(lines: list[str]) -> list[str]:
    """Lines joined into as few sections as their size allows."""
    packed: list[str] = []
    for line in lines:
        cut = line[:_SECTION]
        if packed and len(packed[-1]) + 1 + len(cut) <= _SECTION:
            packed[-1] += "\n" + cut
        else:
            packed.append(cut)
    return packed


def _address(address: str) -> str:
    """A link of Defender's own, with nothing in it that could end it early."""
    return address.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C").replace(" ", "%20")


def teams(message: Message) -> dict[str, Any]:
    """The envelope that a Workflows webhook takes: one Adaptive Card."""
    body: list[dict[str, Any]] = [
        _text(heading(message), size="Large", weight="Bolder"),
        _text(inert(message.title, 300), weight="Bolder"),
    ]
    body += [_text(f"{line.label}: {inert(line.text, 400)}") for line in message.lines[:_CARD_LINES]]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": address} for label, address in message.links],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _text(text: str, **style: str) -> dict[str, Any]:
    """A text block; Adaptive Cards read Markdown, so what would format is escaped."""
    plain = re.sub(r"([\\*_~`\[\]#>|])", r"\\\1", text)
    return {"type": "TextBlock", "wrap": True, "text": plain, **style}


def comment(message: Message, marker: str) -> str:
    """The comment on the incident in Defender: plain text, short, with our marker at its end."""
    lines = [heading(message), *(f"{line.label}: {inert(line.text, 200)}" for line in message.lines)]
    text = "\n".join(lines)
    return f"{text[: 900 - len(marker)]}\n{marker}"


RENDERERS = {"slack": slack, "teams": teams}
