"""What `Chat` promises, over the fake and over the receiving ends of Slack and Teams in the simulated tenant."""

import logging
import socket
import traceback
from collections.abc import Iterator

import pytest
import requests

from local.tenant.wire import Json
from shared.clients.web import session
from shared.clients.webhooks import WebhookChat
from shared.errors import Rejected, Throttled, Transient
from tests.contract.test_clients_stand import KINDS, Opened, Stand, Stub, say, stands

TEXT: Json = {"text": "隔離: host1", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "!"}}]}
CARD: Json = {
    "type": "message",
    "attachments": [
        {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "隔離"}]},
        }
    ],
}


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened()


def test_slack_gets_the_message_as_it_was_written(stand: Stand) -> None:
    """Once, and without a bearer: the address is the right."""
    stand.slack.post(TEXT)
    assert [(one["channel"], one["message"]) for one in stand.tenant.chat.messages] == [("slack", TEXT)]
    assert stand.tenant.journal.violations() == []


def test_teams_gets_the_card_as_it_was_written(stand: Stand) -> None:
    """Its 202 has no body, and is a success."""
    stand.teams.post(CARD)
    assert [(one["channel"], one["message"]) for one in stand.tenant.chat.messages] == [("teams", CARD)]
    assert stand.tenant.journal.violations() == []


def test_too_many_messages_are_throttled(stand: Stand) -> None:
    """With the wait that Slack asks for; afterwards the next goes well."""
    for _ in range(5):
        stand.slack.post(TEXT)
    with pytest.raises(Throttled) as error:
        stand.slack.post(TEXT)
    assert error.value.retry_after is not None
    stand.clock.advance(error.value.retry_after)
    stand.slack.post(TEXT)
    assert len(stand.tenant.chat.messages) == 6


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "invalid_payload"),
        (403, "action_prohibited"),
        (404, "no_service"),
        (404, "channel_not_found"),
        (410, "channel_is_archived"),
        (302, ""),
    ],
)
@pytest.mark.parametrize("channel", ["slack", "teams"])
def test_a_webhook_that_is_gone_is_rejected(stand: Stand, channel: str, status: int, said: str) -> None:
    """With what the service said, which is text and not JSON. A redirect, to a sign-in page say, is no success."""
    stand.trouble("status", f"/{channel}/", status=status, body=said)
    with pytest.raises(Rejected) as error:
        getattr(stand, channel).post(TEXT if channel == "slack" else CARD)
    assert type(error.value) is Rejected
    assert (error.value.status, error.value.code) == (status, said)
    assert stand.tenant.chat.messages == []


def test_a_message_that_is_wrong_is_rejected(stand: Stand) -> None:
    with pytest.raises(Rejected) as slack:
        stand.slack.post({})
    assert (slack.value.status, slack.value.code) == (400, "no_text")
    with pytest.raises(Rejected):
        stand.teams.post(TEXT)


@pytest.mark.parametrize(
    ("status", "seconds", "kind"),
    [(429, "12", Throttled), (429, "", Throttled), (500, "", Transient), (503, "30", Transient)],
)
def test_what_may_pass_is_transient(stand: Stand, status: int, seconds: str, kind: type[Exception]) -> None:
    """A wait that is asked for is kept. The message is sent once: whoever calls again decides about doubles."""
    headers = {"Retry-After": seconds} if seconds else {}
    stand.trouble("status", "/slack/", status=status, headers=headers, times=None)
    with pytest.raises(kind) as error:
        stand.slack.post(TEXT)
    assert type(error.value) is kind
    assert getattr(error.value, "retry_after", None) == (float(seconds) if seconds else None)
    assert stand.calls("POST") == 1


@pytest.mark.parametrize(("kind", "sent"), [("reset", 0), ("reset_after_effect", 1)])
def test_a_lost_answer_is_transient(stand: Stand, kind: str, sent: int) -> None:
    """The message may have been posted: a second one does no harm to a device. The library repeats nothing."""
    stand.trouble(kind, "/slack/", times=None)
    with pytest.raises(Transient):
        stand.slack.post(TEXT)
    assert stand.calls("POST") == 1
    assert len(stand.tenant.chat.messages) == sent


# the adapter alone


def test_an_old_connector_hides_a_429_in_a_200() -> None:
    body = (
        b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x"
    )
    with Stub(say(body)) as old, session() as http, pytest.raises(Throttled):
        WebhookChat(old.url, http).post(CARD)


@pytest.mark.parametrize("answer", ["reset", "status", "redirect"])
def test_the_address_is_in_no_error(answer: str) -> None:
    """It is the secret: neither a message nor a traceback that somebody logs shows it."""
    with stands("http") as opening:
        stand = opening()
        stand.trouble(answer, "/slack/", status=302 if answer == "redirect" else 404, times=None)
        with pytest.raises((Transient, Rejected)) as error:
            stand.slack.post(TEXT)
        shown = "".join(traceback.format_exception(error.value))
        assert "slack/one" not in shown


def test_the_address_is_in_no_error_of_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    """Where the library's own error names it, and its log says it again for every repetition."""
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/T000/secret"
    with session() as http, pytest.raises(Transient) as error:
        WebhookChat(url, http).post(TEXT)
    assert "secret" not in "".join(traceback.format_exception(error.value))
    assert "secret" not in caplog.text


def test_a_redirect_is_not_followed() -> None:
    """The message stays where it was sent, whatever the session would do."""
    with Stub(say(b"")) as other, Stub(say(b"", 307, location=other.url)) as hook, requests.Session() as http:
        with pytest.raises(Rejected):
            WebhookChat(hook.url, http).post(TEXT)
        assert other.seen == []
        assert "Authorization" not in hook.seen[0]
