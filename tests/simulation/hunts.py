"""A tenant in which hunts find something: a few synthetic rows, the same for the same question at the same moment."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from local.tenant.door import FrontDoor
from local.tenant.wire import json_reply
from tests.fakes.clients import QuietHunting

if TYPE_CHECKING:
    from local.tenant.wire import Reply, Request

_SCHEMA = [
    {"name": name, "type": kind}
    for name, kind in (
        *(("Timestamp", "DateTime"), ("DeviceId", "String"), ("DeviceName", "String"), ("ActionType", "String")),
        *(("FileName", "String"), ("SHA1", "String"), ("AdditionalFields", "Dynamic")),
    )
]
_MOST = 30


class FindingHunting(QuietHunting):
    """`Hunting` that answers every query with up to thirty rows; `found` counts those of the answers with any."""

    found = 0

    def _answer(self, request: Request) -> Reply:
        random = Random(request.body)  # noqa: S311 - histories, not secrets
        stamp = self.tenant.now().isoformat().replace("+00:00", "Z")
        rows = [
            {
                "Timestamp": stamp,
                "DeviceId": "d" * 40,
                "DeviceName": "host1.contoso.com",
                "ActionType": "ProcessCreated",
                "FileName": f"synthetic{number}.exe",
                "SHA1": "e" * 40,
                "AdditionalFields": '{"Note": "synthetic"}',
            }
            for number in range(random.choice([0, 1, 3, _MOST]))
        ]
        self.found += bool(rows)
        reply = json_reply(200, {"schema": _SCHEMA, "results": rows})
        self.tenant.journal.write(request, reply, self.tenant.settings.app_name, None)
        return FrontDoor(self.tenant)._dated(reply)
