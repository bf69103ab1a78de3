"""The other end of the Slack and Teams webhooks: checks a message as the service would, and keeps it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.tenant.clock import stamp
from local.tenant.wire import ApiError, Json, Reply, Request, text_reply

if TYPE_CHECKING:
    from datetime import datetime

    from local.tenant.clock import Clock

_BLOCKS = frozenset(
    {
        "actions",
        "alert",
        "call",
        "card",
        "carousel",
        "context",
        "context_actions",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "plan",
        "rich_text",
        "section",
        "table",
        "task_card",
        "video",
    }
)
_ADAPTIVE = "application/vnd.microsoft.card.adaptive"
_TEAMS_BYTES = 28 * 1024
_CARD_ACTIONS_REFUSED = frozenset({"Action.Submit", "Action.Execute"})


class Chat:
    """Messages received, and Slack's patience for each webhook."""

    def __init__(self, per_second: float, burst: int, now: Clock) -> None:
        """Allow `burst` messages at once and `per_second` afterwards; 0 per second is no limit."""
        self._per_second = per_second
        self._burst = burst
        self._now = now
        self._buckets: dict[str, tuple[float, datetime]] = {}
        self.messages: list[Json] = []

    def slack(self, path: str, request: Request) -> Reply:
        """Answer a Slack incoming webhook: 200 `ok`, or a plain-text error."""
        if "authorization" in request.headers:
            raise ApiError(403, "action_prohibited", "action_prohibited")
        self._take(path)
        message = _object(request, "invalid_payload")
        wrong = _slack_mistake(message)
        if wrong:
            raise ApiError(400, wrong, wrong)
        self._keep("slack", path, message)
        return text_reply(200, "ok")

    def teams(self, path: str, request: Request) -> Reply:
        """Answer a Teams Workflows webhook: 202 for an Adaptive Card."""
        if len(request.body) > _TEAMS_BYTES:
            raise ApiError(413, "RequestEntityTooLarge", "Request Entity too large")
        message = _object(request, "InvalidRequestContent")
        wrong = _teams_mistake(message)
        if wrong:
            raise ApiError(400, "InvalidRequestContent", wrong)
        self._keep("teams", path, message)
        return Reply(202)

    def _keep(self, channel: str, path: str, message: Json) -> None:
        number = len(self.messages) + 1
        self.messages.append(
            {"n": number, "time": stamp(self._now()), "channel": channel, "path": path, "message": message}
        )

    def _take(self, path: str) -> None:
        if self._per_second <= 0:
            return
        now = self._now()
        tokens, since = self._buckets.get(path, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - since).total_seconds() * self._per_second)
        if tokens < 1:
            self._buckets[path] = (tokens, now)
            wait = max(1, round((1 - tokens) / self._per_second + 0.5))
            raise ApiError(429, "rate_limited", "rate_limited", {"Retry-After": str(wait)})
        self._buckets[path] = (tokens - 1, now)


def _object(request: Request, code: str) -> Json:
    try:
        value = request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ApiError(400, code, code) from None
    if not isinstance(value, dict):
        raise ApiError(400, code, code)
    return value


def _slack_mistake(message: Json) -> str | None:
    blocks = message.get("blocks")
    if not message.get("text") and not blocks and not message.get("attachments"):
        return "no_text"
    if not isinstance(message.get("text", ""), str):
        return "invalid_payload"
    if blocks is None:
        return None
    most = 50
    if not isinstance(blocks, list) or len(blocks) > most or not all(_good_block(block) for block in blocks):
        return "invalid_blocks"
    return None


def _good_block(block: object) -> bool:
    if not isinstance(block, dict) or block.get("type") not in _BLOCKS:
        return False
    if len(str(block.get("block_id", ""))) > 255:  # noqa: PLR2004 - Block Kit's limit
        return False
    match block["type"]:
        case "header":
            text = block.get("text")
            return isinstance(text, dict) and text.get("type") == "plain_text" and _good_text(text, 150)
        case "section":
            fields = block.get("fields")
            good_fields = fields is None or (
                isinstance(fields, list) and 1 <= len(fields) <= 10 and all(_good_text(one, 2000) for one in fields)  # noqa: PLR2004
            )
            has_text = "text" in block
            return good_fields and (not has_text or _good_text(block["text"], 3000)) and (has_text or bool(fields))
        case "context":
            elements = block.get("elements")
            return isinstance(elements, list) and 1 <= len(elements) <= 10  # noqa: PLR2004
    return True


def _good_text(text: object, most: int) -> bool:
    if not isinstance(text, dict) or text.get("type") not in {"mrkdwn", "plain_text"}:
        return False
    content = text.get("text")
    return isinstance(content, str) and 1 <= len(content) <= most


def _teams_mistake(message: Json) -> str | None:
    attachments = message.get("attachments")
    if message.get("type") != "message" or not isinstance(attachments, list) or not attachments:
        return "An envelope of type 'message' with attachments is expected."
    for one in attachments:
        card = one.get("content") if isinstance(one, dict) else None
        if not isinstance(card, dict) or one.get("contentType") != _ADAPTIVE or card.get("type") != "AdaptiveCard":
            return "Every attachment must be an Adaptive Card."
        if not isinstance(card.get("version"), str) or not isinstance(card.get("body"), list):
            return "An Adaptive Card needs 'version' and 'body'."
        if _has_refused_action(card):
            return "A webhook's card cannot submit; use Action.OpenUrl."
    return None


def _has_refused_action(value: object) -> bool:
    if isinstance(value, list):
        return any(_has_refused_action(one) for one in value)
    if isinstance(value, dict):
        return value.get("type") in _CARD_ACTIONS_REFUSED or any(_has_refused_action(one) for one in value.values())
    return False
