"""The fates of a call: try again, give up with a reason, or find out what happened.

Transient errors rise until somebody turns them into a due time. Permanent ones carry a reason that a person can act on.
An acting call that may or may not have taken effect is neither: it is `OutcomeUnknown`, and only a listing settles it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cause(StrEnum):
    """Why a call went wrong, as far as its status does not say: what the taxonomy of refusals tells apart.

    `NAME`, `CONNECTION` and `TLS` mean that nothing was heard at all, `LOST` and `LATE` that the answer did not come,
    `CUT`, `LONG` and `CONTENT` that what came was no answer. `CPU` is a budget of computing instead of calls, `TAKEN` a
    conditional write that somebody else won, `TIME` our own time for one call. `PLAIN`: nothing more is known.
    """

    PLAIN = "plain"
    TOKEN = "token"  # noqa: S105 - a word, no secret
    NAME = "name"
    CONNECTION = "connection"
    TLS = "tls"
    LOST = "lost"
    LATE = "late"
    CUT = "cut"
    LONG = "long"
    CONTENT = "content"
    CPU = "cpu"
    TIME = "time"
    TAKEN = "taken"


NOT_LICENSED, NO_TABLE = "NotLicensed", "NoSuchTable"
"""Codes that our adapter for hunting gives to what the service says in words only."""


class BulkheadError(Exception):
    """Anything that this product raises on purpose.

    `status` is the HTTP status that was answered (0: none), `code` the service's own code (may be empty). With
    `of_storage` it was our own storage that failed or refused, and no service that is looked after or called.
    """

    cause: Cause = Cause.PLAIN
    status: int = 0
    code: str = ""
    of_storage: bool = False


class SettingsError(BulkheadError):
    """Settings that cannot be used; `problems` names every one of them at once, each with what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems, one sentence each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(f"- {problem}" for problem in self.problems))


class Transient(BulkheadError):
    """Later is likely to go better. `retry_after` is in seconds, None where the other side did not say."""

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        *,
        cause: Cause | None = None,
        status: int = 0,
        code: str = "",
    ) -> None:
        """Keep the wait that was asked for, and what is known of the cause (None: what the class stands for)."""
        self.retry_after = retry_after
        self.cause = cause or type(self).cause
        self.status = status
        self.code = code
        super().__init__(message)


class Throttled(Transient):
    """A budget is used up: ours before the call, or theirs with a 429."""


class TooWide(Transient):
    """A question whose answer is too big, or takes too long to find: a narrower one may be answered at once."""


class Unreadable(Transient):
    """A row that this version of the product cannot read: a newer one wrote it, or it is broken. Others go on."""


class OutcomeUnknown(BulkheadError):
    """An acting call whose effect nobody knows (time-out, reset, 5xx, an answer cut short). Never repeat it blindly."""

    def __init__(self, message: str, *, cause: Cause = Cause.PLAIN, status: int = 0) -> None:
        """Keep what is known of the cause."""
        self.cause = cause
        self.status = status
        super().__init__(message)


class Rejected(BulkheadError):
    """The other side said no and will say so again.

    `status` is the HTTP status, `code` the service's own code (may be empty), `target` its correlation id for support.
    """

    def __init__(self, message: str, *, status: int, code: str = "", target: str = "") -> None:
        """Keep what the service said apart, so that callers branch on codes and never on prose."""
        self.status = status
        self.code = code
        self.target = target
        super().__init__(message)


class Unobtainable(BulkheadError):
    """What is asked for cannot be had here, which is no failure; nothing was sent. `todo` is what a person could do."""

    def __init__(self, message: str, todo: str = "") -> None:
        """Keep what a person could do apart."""
        self.todo = todo
        super().__init__(message)


class NotFound(Rejected):
    """404: not there, or not visible yet."""


class Denied(Rejected):
    """401 or 403: a token, a role or a tenant feature is missing."""


class Busy(Rejected):
    """ActiveRequestAlreadyExists: something, visible or not, is already running on the device."""


class Incomplete(Transient):
    """A download that ended early, late or not as the thing it should be."""

    cause = Cause.CUT


class Altered(Incomplete):
    """A piece in staging, called `name`, whose bytes are no longer those that were left there."""

    def __init__(self, name: str) -> None:
        """Keep which one it is apart."""
        self.name = name
        super().__init__(f"{name} is no longer what was staged", cause=Cause.CONTENT)


class LinkExpired(Transient):
    """A download link that no longer works; a new one may."""


class Forbidden(BulkheadError):
    """A request that our own rules forbid, such as a download from a host that is not on the allow-list."""
