"""What the command works at: the ledger and the documents to read, the queue to send orders to."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from responders._governor import Governor
from responders._interface import containment
from responders._ledger import Ledger
from responders._ports import DOCUMENTS, TABLE
from responders._wiring import responders
from shared.config import Settings
from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.credentials import TokenCredential

    from shared.models.action import Action
    from shared.storage.interface import Clock, Documents, Queues, Rows

STORAGE = "AzureWebJobsStorage"


@dataclass(frozen=True, slots=True)
class Desk:
    """Storage as an operator reaches it. `pause` waits some seconds, `elapsed` tells seconds that only go forward."""

    rows: Rows
    documents: Documents
    queues: Queues
    clock: Clock
    settings: Settings
    pause: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic

    @property
    def ledger(self) -> Ledger:
        """The ledger, of which only what reads is used here."""
        return Ledger(self.rows)

    @property
    def governor(self) -> Governor:
        """The budgets, of which only what reads is used here."""
        return Governor(self.rows, self.clock, self.settings)


def contains(action: Action) -> bool:
    """Whether an action contains a device."""
    responder = responders().get(action.responder)
    return bool(responder and responder.contains)


def lasting() -> dict[str, str]:
    """The containments that last until they are given back, each with the responder that does it."""
    return {containment(each): name for name, each in responders().items() if each.contains and containment(each)}


def values_of(path: Path) -> dict[str, str]:
    """The values of a local settings file. Raises SettingsError."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror})"]) from None
    except ValueError:
        raise SettingsError([f"{path}: is not JSON"]) from None
    values = read.get("Values") if isinstance(read, dict) else None
    if not isinstance(values, dict):
        raise SettingsError([f"{path}: has no Values; local.settings.example.json is a start"])
    if read.get("IsEncrypted"):
        raise SettingsError([f"{path}: is encrypted; decrypt it first: func settings decrypt"])
    return {name: value for name, value in values.items() if isinstance(value, str)}


def open_desk(values: Mapping[str, str]) -> Desk:
    """Storage as the values name it; nothing is called yet. Raises SettingsError."""
    from shared.storage.connections import Connection, locate  # noqa: PLC0415 - loads no SDK, yet `--help` has no use for it

    if not any(name.startswith(STORAGE) for name in values):
        raise SettingsError(
            [f"{STORAGE}: missing; say --settings FILE (or BULKHEAD_SETTINGS), or name it in the environment"]
        )
    connection = Connection(locate(STORAGE, values), credential=developer)
    rows = connection.rows(TABLE)
    return Desk(rows, connection.documents(DOCUMENTS), connection.queues(), connection.clock, told_settings(values))


def told_settings(values: Mapping[str, str]) -> Settings:
    """What the command is told of the app's settings: the rates, where they differ from the documented ones. Raises
    SettingsError.
    """
    try:
        return Settings.model_validate({"RATE_LIMITS": values.get("RATE_LIMITS") or {}})
    except ValidationError as error:
        said = [item["msg"].removeprefix("Value error, ") for item in error.errors()]
        raise SettingsError([f"RATE_LIMITS: {each}" for each in said]) from None


def developer(_client_id: str | None) -> TokenCredential:
    """Who is signed in at this machine. The app's identity is none of a person's, so its client id does not matter."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow, and needed with identities only

    return DefaultAzureCredential(exclude_managed_identity_credential=True, exclude_workload_identity_credential=True)
