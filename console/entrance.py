"""Where errors become exit statuses, in words for a person or as JSON for a script.

0 done, 1 refused or failed, 2 called wrongly (of `verify` also: could not be checked), 3 not answered in time.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click

from console.devices import Ambiguous
from console.session import Session
from console.voice import ours
from responders._inert import inert
from shared.errors import BulkheadError, Cause, SettingsError
from shared.models.order import NotAnOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED, WRONGLY = 1, 2
_ROLE = frozenset({"AuthorizationPermissionMismatch", "InsufficientAccountPermissions"})


class UncheckedError(Exception):
    """Whether something is as it should be could not be found out; what says that it is not has a status of its own."""

    def __init__(self, why: BulkheadError | OSError) -> None:
        """Keep why."""
        super().__init__(f"this could not be checked: {explained(why)}")


class Bulkhead(click.Group):
    """The command: whatever is raised on purpose ends with one sentence and the status that it stands for."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """See `click.Group.invoke`."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            return self._end(ctx, WRONGLY, "this cannot be used", error.problems)
        except NotAnOrder as error:
            return self._end(ctx, WRONGLY, "this cannot be ordered", error.problems)
        except (Ambiguous, UncheckedError) as error:
            return self._end(ctx, WRONGLY, str(error))
        except BrokenPipeError:
            raise
        except (BulkheadError, OSError) as error:
            return self._end(ctx, FAILED, explained(error))
        except click.UsageError as error:
            if not _as_json(ctx):
                raise
            return self._end(ctx, WRONGLY, error.format_message())

    @staticmethod
    def _end(ctx: click.Context, status: int, said: str, problems: Sequence[str] = ()) -> Any:  # noqa: ANN401 - never returns
        voice = ctx.ensure_object(Session).voice
        voice.complain({"error": said, "problems": list(problems)}, [ours(each) for each in (said, *problems)])
        ctx.exit(status)


def explained(error: BulkheadError | OSError) -> str:
    """What went wrong, with what a person does about it: where the app is told to look at its identity, whoever sits
    here signs in, or needs a role.
    """
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    words = str(error)
    if error.code == "NoToken":
        return f"{words.partition(':')[0]}: nobody is signed in to Azure here who gets a token: az login, then again"
    if error.cause is Cause.TOKEN:
        return f"{words.rpartition(':')[0]}: sign in as an app, or with a developer tool (docs/console.md, The past)"
    if error.status == HTTPStatus.NOT_IMPLEMENTED:
        return f"{words}; this storage cannot do it, as an emulator cannot"
    if error.code in _ROLE:
        return f"{words.partition(';')[0]}; the account that is signed in here needs a role: docs/permissions.md"
    return words


def _as_json(ctx: click.Context) -> bool:
    return ctx.ensure_object(Session).as_json


def asked(question: str, *, session: Session, option: str) -> str:
    """What somebody answers. Raises UsageError where nobody is there to be asked."""
    if not session.as_json:
        try:
            said = str(click.prompt(inert(question, dots=False), err=True)).strip()
        except click.Abort:
            said = ""
        if said:
            return said
    raise click.UsageError(f"say it with {option}")


def confirmed(question: str, *, session: Session) -> None:
    """Go on only where somebody says yes. Raises UsageError where nobody is there to be asked, or says no."""
    try:
        if not session.as_json and click.confirm(inert(question, dots=False), err=True):
            return
    except click.Abort:
        pass
    raise click.UsageError("nothing was sent; to be asked nothing, say --yes")
