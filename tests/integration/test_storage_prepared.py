"""A host on this machine finds its storage ready, although nobody declared it."""

from __future__ import annotations

from local.azurite import AzuriteServer
from local.storage import prepare
from responders._ledger import Ledger
from responders._ports import EVIDENCE, INCIDENTS, TABLE
from shared.storage.connections import Connection, locate


def test_what_is_missing_is_made_and_what_is_there_is_kept() -> None:
    with AzuriteServer() as azurite:
        settings = {"AzureWebJobsStorage": azurite.connection_string, "EVIDENCE_STORAGE": azurite.connection_string}
        prepare(settings)
        connection = Connection(locate("AzureWebJobsStorage", settings))
        connection.queues().send(INCIDENTS, "7")
        prepare(settings)
        assert [message.text for message in connection.queues().receive(INCIDENTS)] == ["7"]
        assert Ledger(connection.rows(TABLE)).open_actions() == []
        assert connection.evidence(EVIDENCE).head("nothing") is None
