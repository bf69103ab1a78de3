"""What may pass by itself: trouble on the way, answers that are none, and what every service may say. Pure: rows only.

The same trouble is met differently where an API is asked, a package fetched or a message told; so each row stands here
once for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from responders._refusal import APIS, CHATS, Fate, Refusal, Service


@dataclass(frozen=True, slots=True)
class _Way:
    """How those who ask some services go on after a trouble that may pass."""

    services: tuple[Service, ...]
    again: str
    until: str
    records: str
    shown: str


_WAYS = (
    _Way(
        APIS,
        "a read twice at once where the connection failed; then with the next tick, or after {again}. A call that acts"
        " only where it was never sent (else *outcome-unknown*)",
        "a device's details: {patience}, then a person decides; containment: `MAX_AGE_TO_CONTAIN`; the rest goes on",
        "the row keeps its state, with the reason",
        "an alarm where incidents cannot be read for `WATCH_ALARM`; else the log",
    ),
    _Way(
        (Service.DOWNLOADS,),
        "with a new link, after {fetch_wait}, twice as long each time that brought nothing, {fetch_longest} at the most"
        ": from there on where it comes in pieces and only broke off, else from the beginning",
        "{fetches} downloads; one that broke off and brought some more in pieces is none of them, for {slow_for}",
        "the action stays *fetching*, with the reason; in the end *failed*, or, where the whole of what was announced"
        " came and is no whole package, *unavailable*: then it is kept as it came, and marked",
        "the summary of the incident, in the end",
    ),
    _Way(
        CHATS,
        "after {tell_wait}, from the {tell_often}th time on twice as long each time, {tell_longest} at the most; then"
        " it says that it may be a repeat",
        "{tells} attempts",
        "the notice stays *sending*, with the reason; in the end *failed*",
        "an alarm on the other channel, in the end",
    ),
    _Way(
        (Service.STORAGE,),
        "by the storage's client at once; then the message comes again, or the next tick takes the work up",
        "a message: {dequeues} times, then it becomes a dead letter, and people are told; the ledger goes on",
        "nothing: it cannot be written",
        "the log; an alarm for a dead letter",
    ),
)


@dataclass(frozen=True, slots=True)
class _Trouble:
    name: str
    services: tuple[Service, ...]
    when: str
    means: str
    todo: str
    fate: Fate = Fate.AGAIN


_SPOKEN = (*APIS, Service.DOWNLOADS, *CHATS)
_EVERY = (*_SPOKEN, Service.STORAGE)
_LASTS = "where it lasts,"
_PROXY = f"{_LASTS} look whether a proxy or firewall between the app and the service"

_TROUBLES = (
    _Trouble(
        "no-connection",
        _EVERY,
        "no answer: the connection is refused, or not made in time",
        "the service cannot be reached",
        f"{_LASTS} look at the app's outbound network rules and at the service's health",
    ),
    _Trouble(
        "name-not-found",
        _SPOKEN,
        "no answer: the name does not resolve",
        "the service's name does not resolve",
        f"{_LASTS} look at the app's DNS, and at DEFENDER_API_URL and GRAPH_API_URL",
    ),
    _Trouble(
        "tls-failed",
        _SPOKEN,
        "no answer: TLS fails, or the certificate is not trusted",
        "there is no safe connection to the service",
        f"{_PROXY} breaks TLS open: only publicly trusted certificates are taken",
    ),
    _Trouble(
        "connection-lost",
        _EVERY,
        "no answer: the connection is reset or closed",
        "the connection was lost",
        f"{_LASTS} look at the service's health",
    ),
    _Trouble(
        "timed-out",
        _SPOKEN,
        "no answer in time",
        "the answer did not come in time",
        f"{_LASTS} look at the service's health",
    ),
    _Trouble(
        "cut-short",
        _SPOKEN,
        "2xx with fewer bytes than announced, JSON that breaks off, or a zip file that ends early",
        "the answer was cut short",
        f"{_PROXY} cuts answers",
    ),
    _Trouble(
        "too-long",
        (*APIS, Service.DOWNLOADS),
        "2xx with something behind the end of its JSON or its zip file, or far longer than any answer",
        "the answer has more than belongs to it",
        f"{_PROXY} changes answers",
    ),
    _Trouble(
        "wrong-content",
        _SPOKEN,
        "2xx that is not what was asked for: a page, no JSON, JSON without its value, no zip file",
        "the answer is not what was asked for",
        f"{_PROXY} answers in its place",
    ),
    _Trouble(
        "throttled-calls",
        _EVERY,
        "429 (storage: 503 `ServerBusy` too); for Teams also a success whose body says 'HTTP error 429'",
        "the service asked to wait",
        "where it lasts, lower RATE_LIMITS, or look which other tool uses the same limits",
        Fate.LATER,
    ),
    _Trouble(
        "server-error",
        _EVERY,
        "500 to 599, 408, 425 (`InternalServerError`, `UnknownError`, `rollup_error`)",
        "the service is in trouble",
        f"{_LASTS} look at the service's health",
    ),
    _Trouble(
        "passing-trouble",
        _EVERY,
        "anything else that may pass, a row that keeps changing for example",
        "it cannot be had now",
        f"{_LASTS} read the log, and tell us",
    ),
)


_WAITS = _Way(
    _SPOKEN,
    "after Retry-After, {longest_wait} at the most; where there is none, after {unsaid} ({tell_wait} in chat)",
    "waiting is no attempt; containment: `MAX_AGE_TO_CONTAIN`, the rest goes on",
    "the row keeps its state, with a due time",
    "the log",
)
"""How they go on where a service says how long to wait."""


def _row(trouble: _Trouble, way: _Way) -> Refusal:
    how = _WAITS if trouble.fate is Fate.LATER and way.services[0] in _WAITS.services else way
    return Refusal(
        trouble.name,
        tuple(service for service in way.services if service in trouble.services),
        when=trouble.when,
        means=trouble.means,
        fate=trouble.fate,
        again=how.again,
        until=how.until,
        records=how.records,
        shown=how.shown,
        todo=trouble.todo,
    )


ROWS: tuple[Refusal, ...] = tuple(
    row for way in _WAYS for row in (_row(trouble, way) for trouble in _TROUBLES) if row.services
)
