"""What was made to start by itself, as the sensor saw it being made. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from responders._investigation.processes import account_of, initiators
from shared.models.findings import Persistence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from responders._investigation.rows import Row

_PLACES = re.compile(
    r"\\currentversion\\(?:run|policies\\explorer\\run|winlogon|image file execution options)", re.IGNORECASE
)
_SERVICES = re.compile(r"\\(?:current)?controlset\d*\\services\\", re.IGNORECASE)
_TASKS = ("scheduledtaskcreated", "scheduledtaskupdated")


def set_in_registry(rows: Iterable[Row]) -> Iterator[Persistence]:
    """Values that start something at logon or with Windows, where they were set within the window."""
    for row in rows:
        key, name = row.text("RegistryKey"), row.text("RegistryValueName")
        service = bool(_SERVICES.search(key)) and name.lower() == "imagepath"
        if "set" not in row.text("ActionType").lower() or not (service or _PLACES.search(key)):
            continue
        yield Persistence(
            device=row.device,
            mechanism="service" if service else "run key",
            name=key.rpartition("\\")[2] if service else name,
            place=key,
            command=row.text("RegistryValueData"),
            account=initiators(row),
            changed=row.moment("Timestamp"),
            new=True,
            where=row.where,
        )


def noticed(rows: Iterable[Row]) -> Iterator[Persistence]:
    """Tasks and services that the sensor saw being made."""
    for row in rows:
        action, more = row.text("ActionType").lower(), row.nested("AdditionalFields")
        task, service = action in _TASKS, action == "serviceinstalled"
        if task or service:
            yield Persistence(
                device=row.device,
                mechanism="task" if task else "service",
                name=str(more.get("TaskName") or more.get("ServiceName") or row.text("FileName")),
                place=row.text("FolderPath"),
                command=str(more.get("TaskContent") or row.text("ProcessCommandLine") or row.text("FolderPath")),
                account=str(more.get("ServiceAccount") or account_of(row) or initiators(row)),
                sha1=row.text("SHA1"),
                sha256=row.text("SHA256"),
                changed=row.moment("Timestamp"),
                new=True,
                where=row.where,
            )
