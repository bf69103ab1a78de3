"""The fates of a call: try again, give up with a reason, or find out what happened.

Transient errors rise until somebody turns them into a due time. Permanent ones carry a reason that a person can act on.
An acting call that may or may not have taken effect is neither: it is `OutcomeUnknown`, and only a listing settles it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class BulkheadError(Exception):
    """Anything that this product raises on purpose."""


class SettingsError(BulkheadError):
    """Settings that cannot be used; `problems` names every one of them at once, each with what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems, one sentence each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(f"- {problem}" for problem in self.problems))


class Transient(BulkheadError):
    """Later is likely to go better. `retry_after` is in seconds, None where the other side did not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep the wait that was asked for."""
        self.retry_after = retry_after
        super().__init__(message)


class Throttled(Transient):
    """A budget is used up: ours before the call, or theirs with a 429."""


class OutcomeUnknown(BulkheadError):
    """An acting call whose effect nobody knows (time-out, reset, 5xx, an answer cut short). Never repeat it blindly."""


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


class NotFound(Rejected):
    """404: not there, or not visible yet."""


class Denied(Rejected):
    """401 or 403: a token, a role or a tenant feature is missing."""


class Busy(Rejected):
    """ActiveRequestAlreadyExists: something, visible or not, is already running on the device."""


class Incomplete(Transient):
    """A download that ended early, late or not as the thing it should be."""


class LinkExpired(Transient):
    """A download link that no longer works; a new one may."""


class Forbidden(BulkheadError):
    """A request that our own rules forbid, such as a download from a host that is not on the allow-list."""
