"""What download links, chat and storage say in their own words, and what nobody foresaw. Pure: rows only.

Codes: Slack, "Incoming webhooks" and its changelog of 2016-05-17; Microsoft, "Status and error codes" of Blob, Queue
and Table storage. What was only seen is marked.
"""

from __future__ import annotations

from responders._refusal import APIS, CHATS, Fate, Refusal, Service

_DOWNLOADS = (Service.DOWNLOADS,)
_STORAGE = (Service.STORAGE,)
_SUMMARY = "the summary of the incident"
_AT_LAST = f"{_SUMMARY}, in the end"
_FETCH_AGAIN = "after {fetch_wait}, twice as long each time, {fetch_longest} at the most"
_FETCHES = "{fetches} downloads"
_FETCHING = "the action stays *fetching*, with the reason; in the end *failed*"
_STORE_AGAIN = (
    "an archive after {fetch_wait}, twice as long each time; everything else when its message or the next tick comes"
)
_STORE_UNTIL = "{fetches} downloads; a message after {dequeues} times"
_STORED = "an archive is *failed*, in the end; else nothing: it cannot be written"
_UNKNOWN = "any other status from 300 to 499, any code that is not in this table"
_OTHER_CHANNEL = "an alarm on the other channel, once, until a message is taken again"
_PACKAGE = "fetch the package in the Defender portal, from the device's action centre, before it is gone"

ROWS: tuple[Refusal, ...] = (
    Refusal(
        "link-expired",
        _DOWNLOADS,
        when="401, 403, 404 or 410 of a link (how long links live is not documented)",
        means="the download link no longer works",
        fate=Fate.OTHERWISE,
        again=f"with a new link, {_FETCH_AGAIN}",
        until=_FETCHES,
        records=_FETCHING,
        shown=_AT_LAST,
        todo=_PACKAGE,
    ),
    Refusal(
        "host-not-allowed",
        _DOWNLOADS,
        when="no answer: the link, or where it redirects to, is not on a host of `DOWNLOAD_HOSTS`, or no https",
        means="downloads from there are not allowed",
        fate=Fate.GIVE_UP,
        records="the action is *failed*, with the host",
        shown=_SUMMARY,
        todo="where the host is Microsoft's, add it to DOWNLOAD_HOSTS; " + _PACKAGE,
    ),
    Refusal(
        "out-of-time",
        _DOWNLOADS,
        when="no answer: the download is longer than `TIME_BUDGET` allows",
        means="the download is longer than one call may take",
        fate=Fate.AGAIN,
        again=f"at once, from there on, for {{slow_for}}; what brought nothing, from the beginning, {_FETCH_AGAIN}",
        until=_FETCHES,
        records=_FETCHING,
        shown=_AT_LAST,
        todo=_PACKAGE,
    ),
    Refusal(
        "staging-altered",
        _DOWNLOADS,
        when="no answer: a piece in the container staging is no longer what was left there",
        means="what had come of the download was altered in staging",
        fate=Fate.AGAIN,
        again=f"from the beginning, {_FETCH_AGAIN}",
        until=_FETCHES,
        records=_FETCHING,
        shown=_AT_LAST,
        todo="find out who alters what lies in the container staging; " + _PACKAGE,
    ),
    Refusal(
        "webhook-gone",
        CHATS,
        when=(
            "404 `no_service`, `no_team`, `channel_not_found`; 410 `channel_is_archived`; 403 `action_prohibited`,"
            " `invalid_token`; 400 `user_not_found`; for any other text 401, 403, 404, 410, or a redirect (some codes"
            " only seen; those of Teams not documented)"
        ),
        means="the webhook is gone",
        fate=Fate.GIVE_UP,
        records="the notice is *failed*, with what the service said",
        shown=_OTHER_CHANNEL,
        todo="make a new webhook for the channel, and put its address into the app's settings",
    ),
    Refusal(
        "message-refused",
        CHATS,
        when=(
            "400 `invalid_payload`, `invalid_blocks`, `no_text`, `missing_text_or_fallback_or_attachments`, or any"
            " other 400; 413"
        ),
        means="the message was refused, not the webhook",
        fate=Fate.OTHERWISE,
        again="at once and once, as a plain text",
        until="the plain text is refused too",
        records="the notice is *sent*, or *failed*",
        shown="the channel itself; in the end an alarm on the other channel",
        todo="look at the incident in the Defender portal, and tell us: our message is wrong",
    ),
    Refusal(
        "taken",
        _STORAGE,
        when="409, 412: a conditional write that somebody else won",
        means="somebody else was faster",
        fate=Fate.OTHERWISE,
        again="what stands there now is read, and decided anew",
        until="it is done, by whomever",
        records="what the other one wrote",
        shown="nowhere: it is usual",
        todo="nothing",
    ),
    Refusal(
        "storage-denied",
        _STORAGE,
        when=(
            "401, 403: `AuthenticationFailed`, `AuthorizationFailure`, `AuthorizationPermissionMismatch`,"
            " `InsufficientAccountPermissions`, `KeyBasedAuthenticationNotPermitted`, `AccountIsDisabled`"
        ),
        means="the storage does not let the app in",
        fate=Fate.AGAIN,
        again=f"{_STORE_AGAIN}: a role that was given may need minutes to work",
        until=_STORE_UNTIL,
        records=_STORED,
        shown=f"{_SUMMARY}; the log, which names what to check for each code",
        todo="give the app's identity its data roles on this account, and look at the account's network rules",
    ),
    Refusal(
        "no-token",
        _STORAGE,
        when="no answer: the identity gives no token for the storage",
        means="the app's identity gives no token for the storage",
        fate=Fate.AGAIN,
        again=_STORE_AGAIN,
        until=_STORE_UNTIL,
        records=_STORED,
        shown=f"{_SUMMARY}; the log",
        todo="check that the function app has an identity, and AZURE_CLIENT_ID where it has several",
    ),
    Refusal(
        "storage-missing",
        _STORAGE,
        when="404 `TableNotFound`, `QueueNotFound`, `ContainerNotFound`, `ResourceNotFound`",
        means="the storage lacks what the app keeps its things in",
        fate=Fate.AGAIN,
        again=_STORE_AGAIN,
        until=_STORE_UNTIL,
        records=_STORED,
        shown=f"{_SUMMARY}; the log",
        todo="deploy again: the deployment makes tables, queues and containers",
    ),
    Refusal(
        "evidence-differs",
        _STORAGE,
        when="no answer: what stands under an evidence name has another hash than what belongs there",
        means="other content stands there already",
        fate=Fate.GIVE_UP,
        records="the action is *failed*, with the name; nothing is written over",
        shown=_SUMMARY,
        todo="find out who wrote to the evidence container beside this app, and " + _PACKAGE,
    ),
    Refusal(
        "unknown-refusal",
        APIS,
        when=_UNKNOWN,
        means="the service refused with an answer that this table does not know",
        fate=Fate.GIVE_UP,
        records="the action is *failed*, with the answer and its correlation id",
        shown=f"{_SUMMARY}; for Graph and for listings an alarm of the deployment",
        todo="read what the service says, do it in the Defender portal, and tell us the code",
    ),
    Refusal(
        "unknown-refusal",
        _DOWNLOADS,
        when=_UNKNOWN,
        means="the download's host refused with an answer that this table does not know",
        fate=Fate.AGAIN,
        again=f"with a new link, {_FETCH_AGAIN}",
        until=_FETCHES,
        records=_FETCHING,
        shown=_AT_LAST,
        todo=_PACKAGE,
    ),
    Refusal(
        "unknown-refusal",
        CHATS,
        when=_UNKNOWN,
        means="the channel refused with an answer that this table does not know",
        fate=Fate.GIVE_UP,
        records="the notice is *failed*, with what the service said",
        shown=_OTHER_CHANNEL,
        todo="read what the service says; if the webhook is still there, tell us",
    ),
    Refusal(
        "unknown-refusal",
        _STORAGE,
        when=_UNKNOWN,
        means="the storage refused with an answer that this table does not know",
        fate=Fate.AGAIN,
        again=_STORE_AGAIN,
        until=_STORE_UNTIL,
        records=_STORED,
        shown="the log; an alarm for a dead letter",
        todo="read the log, and tell us the code",
    ),
    Refusal(
        "defect",
        tuple(Service),
        when="no answer: something that must not happen",
        means="Bulkhead met what must not happen",
        fate=Fate.GIVE_UP,
        again="when its message comes again",
        until="a message after {dequeues} times",
        records="a dead letter",
        shown="an alarm of the deployment",
        todo="read the log, and tell us",
    ),
)
