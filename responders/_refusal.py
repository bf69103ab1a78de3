"""What a row of the taxonomy of refusals is: a name, a next step, and a place where a person sees it.

Numbers stand in a row as `{name}` and are filled in from the code where the rows are printed (`local/errors_page.py`);
`{roles}` in `todo` are the app roles that somebody needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """Who said no."""

    GRAPH = "Microsoft Graph"
    DEFENDER = "Defender for Endpoint"
    DOWNLOADS = "download links"
    SLACK = "Slack"
    TEAMS = "Teams"
    PAGER = "the pager"
    STORAGE = "storage"


APIS = (Service.GRAPH, Service.DEFENDER)
CHATS = (Service.SLACK, Service.TEAMS, Service.PAGER)


class Fate(StrEnum):
    """What becomes of the call."""

    AGAIN = "tried again"
    LATER = "put off"
    OTHERWISE = "done in another way"
    FIND_OUT = "found out first"
    GIVE_UP = "given up"
    UNAVAILABLE = "cannot be had here"


class Asked(StrEnum):
    """What was asked for, where the same answer means one thing here and another there."""

    CALL = "a call"
    DEVICE = "a device"
    NEW_ACTION = "a machine action that was made just now"
    ACTION = "a machine action"
    PACKAGE = "a package"
    LIST = "a list"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way in which services say no.

    `when` is the status, code and body, marked where the documents do not say it; `means` is a clause for people, to
    stand before the error; `again` and `until` say when it is tried again and when given up; `records` what the ledger
    keeps, `shown` where a person sees it, `todo` what a person should do. `lasting` marks what holds for the whole
    tenant, whichever device is tried next.
    """

    name: str
    services: tuple[Service, ...]
    when: str
    means: str
    fate: Fate
    records: str
    shown: str
    todo: str
    again: str = "never"
    until: str = "at once"
    lasting: bool = False
