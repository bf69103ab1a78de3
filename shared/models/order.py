"""What a person asks of Bulkhead: the messages of the queue `orders`, read strictly, every problem at once.

Who may put a message there may give orders; the name in it is only what the sender claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from shared.models.lenient import device_id

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
OrderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
IncidentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
DeviceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$"), AfterValidator(device_id)]
ActionId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]
ScriptName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")]
Arguments = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 _.,:=/\\@+-]{0,500}$")]
"""What no shell makes anything of but words: nobody says by what Defender hands arguments on to the script."""

DevicePath = Annotated[str, StringConstraints(pattern=r"^(/|[A-Za-z]:\\)[^\x00-\x1f\x7f]{1,1000}$")]
LetterKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}:[A-Za-z0-9._~-]{1,200}$")]

_ADVICE = {
    "id": "8 to 64 letters, digits and hyphens, another one for every order",
    "by": "who asks, in 1 to 200 characters",
    "why": "why, in at most 1,000 characters",
    "at": "when it was asked, an ISO 8601 instant with a zone, for example 2026-08-20T10:00:00Z",
    "incident": "the incident's number",
    "device": "a device's id in Defender",
    "responder": "a responder's name, for example isolate",
    "action": "the 16 hex digits of an action of ours",
    "letter": "a dead letter's key, queue and id with a colon between",
    "script": "a script's name in the live response library",
    "args": "its arguments, at most 500 letters, digits, blanks and _ . , : = / \\ @ + -",
    "paths": "1 to 20 full paths of files on the device",
    "text": "the remark, in 1 to 4,000 characters",
}
"""What a member has to be, by its name."""


class NotAnOrder(ValueError):
    """A message that is no order; `problems` are all of them, in words for whoever wrote it."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep the problems, one sentence each."""
        self.problems = problems
        super().__init__("; ".join(problems))


class _Head(BaseModel):
    """What every order says: its id, by which a repetition is known, who asks (as claimed), why and when."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: OrderId
    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    why: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""
    at: AwareDatetime


class _AnyHead(_Head):
    """The same of an order whose kind nobody knows."""

    model_config = ConfigDict(extra="ignore")


class _OnWaiting(_Head):
    """About one action, or about all waiting ones of an incident, perhaps of one device (its id, the start of it, or
    its name's first label) or one responder.
    """

    incident: IncidentId | None = None
    device: DeviceId | None = None
    responder: Name | None = None
    action: ActionId | None = Field(None, validate_default=True)

    @field_validator("action")
    @classmethod
    def _one_of_both(cls, value: str | None, info: ValidationInfo) -> str | None:
        """An action is named alone; without one an incident is."""
        if value and any(info.data.get(name) for name in ("incident", "device", "responder")):
            raise ValueError("names one action, so leave incident, device and responder out")
        if not value and info.data.get("incident", "wrong") is None:
            raise ValueError("name an action or an incident")
        return value


class Approve(_OnWaiting):
    """Let what waits for a person go on."""

    kind: Literal["approve"] = "approve"


class Refuse(_OnWaiting):
    """Have what waits for a person never done."""

    kind: Literal["refuse"] = "refuse"


class Release(_Head):
    """Give a device back what was taken from it, whoever took it: its network or, with `unrestrict`, its programs."""

    kind: Literal["release"] = "release"
    device: DeviceId
    incident: IncidentId | None = None
    responder: Literal["release", "unrestrict"] = "release"
    why: Words


class Isolate(_Head):
    """Take a device off the network."""

    kind: Literal["isolate"] = "isolate"
    device: DeviceId
    incident: IncidentId | None = None


class Collect(_Head):
    """Collect from a device."""

    kind: Literal["collect"] = "collect"
    device: DeviceId
    incident: IncidentId | None = None
    responder: Name = "collect_package"


class Run(_Head):
    """Run a script of the live response library on a device, and keep what it prints and the files it names."""

    kind: Literal["run_script"] = "run_script"
    device: DeviceId
    incident: IncidentId | None = None
    script: ScriptName
    args: Arguments = ""


class Fetch(_Head):
    """Get files from a device, by their full paths."""

    kind: Literal["get_files"] = "get_files"
    device: DeviceId
    incident: IncidentId | None = None
    paths: Annotated[tuple[DevicePath, ...], Field(min_length=1, max_length=20)]
    why: Words


class Retry(_Head):
    """Try anew what failed, was refused, was taken back or could not be had."""

    kind: Literal["retry"] = "retry"
    action: ActionId


class Cancel(_Head):
    """Stop an action of ours."""

    kind: Literal["cancel"] = "cancel"
    action: ActionId


class Hold(_Head):
    """Send nothing that touches a device, until somebody resumes."""

    kind: Literal["hold"] = "hold"
    why: Words


class Resume(_Head):
    """End a hold."""

    kind: Literal["resume"] = "resume"


class Reassess(_Head):
    """Read an incident again and judge it anew."""

    kind: Literal["reassess"] = "reassess"
    incident: IncidentId


class Note(_Head):
    """Keep a remark with an incident."""

    kind: Literal["note"] = "note"
    incident: IncidentId
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class SyncLibrary(_Head):
    """Have the live response library hold our scripts as they are here, and look at what else of it we use."""

    kind: Literal["sync_library"] = "sync_library"


class Replay(_Head):
    """Send a dead letter to its queue again."""

    kind: Literal["replay"] = "replay"
    letter: LetterKey


class Drop(_Head):
    """Give a dead letter up. Its text is kept."""

    kind: Literal["drop"] = "drop"
    letter: LetterKey
    why: Words


AnyOrder: TypeAlias = (
    Approve
    | Refuse
    | Release
    | Isolate
    | Collect
    | Run
    | Fetch
    | Retry
    | Cancel
    | Hold
    | Resume
    | Reassess
    | Note
    | SyncLibrary
    | Replay
    | Drop
)
_ORDER: TypeAdapter[AnyOrder] = TypeAdapter(Annotated[AnyOrder, Field(discriminator="kind")])
KINDS: Mapping[str, type[AnyOrder]] = {each.model_fields["kind"].default: each for each in get_args(AnyOrder)}
"""Every kind of order by its name."""


def read_order(text: str) -> AnyOrder:
    """The order that a message holds.

    Raises:
        NotAnOrder: with every problem at once.
    """
    try:
        return _ORDER.validate_json(text)
    except ValidationError as error:
        problems = [_problem(dict(item)) for item in error.errors()]
        raise NotAnOrder(tuple(dict.fromkeys([*problems, *_of_the_head(text, error)]))) from None


def _of_the_head(text: str, error: ValidationError) -> list[str]:
    """What else is wrong where the kind is not known: of what every order has, at least that can be told."""
    if not error.errors()[0]["type"].startswith("union_tag"):
        return []
    try:
        _AnyHead.model_validate_json(text)
    except ValidationError as more:
        return [_problem({**item, "loc": ("", *item["loc"])}) for item in more.errors()]
    return []


def problems_of(text: str) -> tuple[str, ...]:
    """What is wrong with a message that should be an order; nothing where it is one."""
    try:
        read_order(text)
    except NotAnOrder as error:
        return error.problems
    return ()


def _problem(error: Mapping[str, Any]) -> str:
    kind, where = str(error["type"]), error["loc"]
    if kind == "json_invalid":
        return "the message is not JSON"
    if not where:
        known = f"known are {', '.join(KINDS)}"
        return "the message is not a JSON object" if kind == "dict_type" else f"kind: {known}"
    name = str(where[1])
    if kind == "extra_forbidden":
        return f"{name[:40]!r}: no member of an order to {where[0]}"
    if kind == "value_error":
        return f"{name}: {error['ctx']['error']}"
    return f"{name}: {'missing; ' if kind == 'missing' else ''}{_ADVICE[name]}"
