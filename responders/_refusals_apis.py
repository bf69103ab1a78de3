"""What Graph and Defender say in their own words, whatever is asked of them. Pure: rows only.

Codes: Microsoft, "Common REST API error codes" of Defender for Endpoint and "Microsoft Graph error responses"; what was
only seen, or is nowhere said, is marked.
"""

from __future__ import annotations

from responders._refusal import APIS, Fate, Refusal, Service

_DEFENDER = (Service.DEFENDER,)
_GRAPH = (Service.GRAPH,)
_FAILED = "the action is *failed*, with the answer and its correlation id"
_SUMMARY = "the summary of the incident"
_UNAVAILABLE = "the action is *unavailable*"
_LACKING = (
    "the action is *unavailable*, and for so long no device is asked for it any more; isolations and releases wait"
    " instead (`MAX_AGE_TO_CONTAIN` at the most), and one of them alone asks. What a person orders is asked for at once"
)
_TOMORROW = (
    "after a day; what contains, after an hour; isolation and release, which every licence includes, after a minute,"
    " then ever later, every ten minutes at the latest"
)
_ONCE = "an alarm of the deployment, once, which also wakes people where something cannot be contained; the summary"
_BOTH = f"{_SUMMARY}; for Graph and for listings an alarm of the deployment"

ROWS: tuple[Refusal, ...] = (
    Refusal(
        "token-refused",
        APIS,
        when="401, whatever its code (`Unauthorized`, `InvalidAuthenticationToken`)",
        means="the token was refused",
        fate=Fate.AGAIN,
        again=(
            "a read or write at once and once, with another token ({renew} apart at the least); a call that acts on a"
            " device after {token_wait}, twice as long each time"
        ),
        until="{token_attempts} attempts of an action",
        records="the action is *planned* again, in the end *failed*",
        shown=_BOTH,
        todo=(
            "check the identity of the function app and its token audience (DEFENDER_CLOUD), then restart the app;"
            " the platform may hand out an old token for hours"
        ),
    ),
    Refusal(
        "role-missing",
        APIS,
        when=(
            "403 `Forbidden`, `AccessDenied`, `Authorization_RequestDenied`, `Unauthorized`, `UnknownError`, none, or"
            " any code that stands in no other row; the message may name the role"
        ),
        means="an app role is missing",
        fate=Fate.GIVE_UP,
        records=_FAILED,
        shown=_BOTH,
        todo=(
            "grant the app role that is missing to the app's identity (needed here: {roles}), then restart the app; a"
            " token of before the grant may be in use for hours"
        ),
    ),
    Refusal(
        "feature-off",
        _DEFENDER,
        when="403 `DisabledFeature`",
        means="the feature is turned off in this tenant",
        fate=Fate.UNAVAILABLE,
        again=_TOMORROW,
        records=_LACKING,
        shown=_ONCE,
        todo="turn the feature on in the Defender portal, under advanced features",
        lasting=True,
    ),
    Refusal(
        "not-licensed",
        APIS,
        when="402, or a code that names a licence (not documented)",
        means="not licensed: the tenant's licence does not include it",
        fate=Fate.UNAVAILABLE,
        again=_TOMORROW,
        records=_LACKING,
        shown=_ONCE,
        todo=(
            "packages, live response and restriction need Defender for Endpoint Plan 2, isolation Plan 1; Defender for"
            " Business also lacks stop-and-quarantine and hunting; until then, do without"
        ),
        lasting=True,
    ),
    Refusal(
        "no-remediation-level",
        _DEFENDER,
        when="403 `DisallowedOperation`",
        means="Defender does not allow it for this device",
        fate=Fate.UNAVAILABLE,
        records=_UNAVAILABLE,
        shown=_SUMMARY,
        todo="give the device's group a remediation level in the Defender portal",
    ),
    Refusal(
        "platform-not-supported",
        _DEFENDER,
        when="400 `OsPlatformNotSupported`",
        means="Defender does not offer it for the device's system",
        fate=Fate.UNAVAILABLE,
        records=_UNAVAILABLE,
        shown=_SUMMARY,
        todo="do it on the device itself; Defender does not offer it for this system",
    ),
    Refusal(
        "sensor-too-old",
        _DEFENDER,
        when="400 `ClientVersionNotSupported`",
        means="the device's Defender sensor is too old for it",
        fate=Fate.UNAVAILABLE,
        records=_UNAVAILABLE,
        shown=_SUMMARY,
        todo="update the Defender sensor of the device; meanwhile, do it on the device itself",
    ),
    Refusal(
        "device-unknown",
        _DEFENDER,
        when="404 `ResourceNotFound`, `NotFound` for a device",
        means="Defender does not know the device",
        fate=Fate.GIVE_UP,
        records=_FAILED,
        shown=_SUMMARY,
        todo="look for the device under a newer id; it may have been onboarded again",
    ),
    Refusal(
        "incident-unknown",
        _GRAPH,
        when="404 for an incident",
        means="Graph does not know the incident",
        fate=Fate.GIVE_UP,
        records="the notice on the incident is *failed*",
        shown="an alarm of the deployment",
        todo="look for the incident in the Defender portal; it may have been merged into another one",
    ),
    Refusal(
        "throttled-cpu",
        APIS,
        when="429 `TooManyRequests` whose message speaks of processing resources or CPU (the body is the only place)",
        means="the tenant's quota of computing is used up",
        fate=Fate.LATER,
        again="after Retry-After ({unsaid} without one, {longest_wait} at most); so long nobody calls the API",
        until="as long as it lasts",
        records="the action is *planned* again: a refusal is a due time",
        shown="the log",
        todo="where it lasts, look which other tool uses the same quota",
    ),
    Refusal(
        "budget-spent",
        APIS,
        when="no answer: our own budget (`RATE_LIMITS`) has no call left",
        means="our own budget of calls is used up for now",
        fate=Fate.LATER,
        again="when the budget has calls again; the most important first",
        until="containment: `MAX_AGE_TO_CONTAIN`; the rest goes on",
        records="the action stays *planned*, with a due time",
        shown="the log",
        todo="nothing; in a storm it is usual",
    ),
    Refusal(
        "filter-refused",
        APIS,
        when="400 `ODataError`, or any 400 to a list",
        means="a filter was refused",
        fate=Fate.OTHERWISE,
        again=(
            "at once, with a simpler filter or none; what comes is filtered here, page by page. With the filter again"
            " after {remembered}"
        ),
        until="a list without a filter is refused too",
        records="nothing",
        shown="the log; an alarm where the list cannot be had at all",
        todo="where no list is to be had any more, do it in the Defender portal, and tell us: the API has changed",
    ),
    Refusal(
        "request-refused",
        APIS,
        when=(
            "400 `BadRequest`, `InvalidInput`, `InvalidRequestBody`, `MissingRequiredParameter`, `InvalidHashValue`,"
            " `InvalidDomainName`, `InvalidIpAddress`, `InvalidUrl`, `MaximumBatchSizeExceeded`, `invalidRequest`, or"
            " no code; 405, 413, 415"
        ),
        means="the request was refused as wrong",
        fate=Fate.GIVE_UP,
        records=_FAILED,
        shown=_BOTH,
        todo=(
            "look whether the device is onboarded; if it is, do it in the Defender portal, and tell us: our request is"
            " wrong"
        ),
    ),
    Refusal(
        "redirected",
        APIS,
        when="300 to 399: never followed, since the bearer would go along",
        means="the address is not the API's",
        fate=Fate.GIVE_UP,
        records=_FAILED,
        shown=_BOTH,
        todo="check DEFENDER_API_URL and GRAPH_API_URL, and whether a proxy answers in the service's place",
    ),
    Refusal(
        "no-token",
        APIS,
        when="no answer: the identity gives no token",
        means="the app's identity gives no token",
        fate=Fate.AGAIN,
        again="after {again}, or with the next tick",
        until="containment: `MAX_AGE_TO_CONTAIN`; the rest goes on",
        records="the row keeps its state, with the reason",
        shown="an alarm where incidents cannot be read for `WATCH_ALARM`",
        todo="check that the function app has an identity, and AZURE_CLIENT_ID where it has several",
    ),
)
