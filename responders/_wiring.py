"""The one place where ports meet adapters. Nothing happens here before the first function is called."""

from __future__ import annotations

import logging
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from responders._flow import Flow
from responders._governed import GovernedDevices, GovernedIncidents
from responders._governor import Governor
from responders._ledger import Ledger
from responders._ports import DOCUMENTS, EVIDENCE, TABLE, Ports
from shared.config import LOOPBACK, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.credentials import TokenCredential

    from responders._interface import Responder
    from shared.clients.interface import Chat
    from shared.config import Settings


def responders() -> dict[str, Responder]:
    """Every responder by name: each public module beside this one offers its own as `RESPONDER`. Containment first."""
    here = Path(__file__).parent
    names = sorted(path.stem for path in here.glob("*.py") if not path.stem.startswith("_"))
    every: list[Responder] = [import_module(f"responders.{name}").RESPONDER for name in names]
    return {each.name: each for each in sorted(every, key=lambda each: (not each.contains, each.name))}


@cache
def flow() -> Flow:
    """The flow of this process. Raises SettingsError, naming everything that is wrong."""
    logging.getLogger("azure").setLevel(logging.WARNING)
    return Flow(build(os.environ))


def build(environment: Mapping[str, str]) -> Ports:
    """The ports as the environment names them. Raises SettingsError."""
    from shared.clients.defender import DefenderDevices  # noqa: PLC0415 - costs an import of requests; indexing is free of it
    from shared.clients.downloads import LinkDownloads  # noqa: PLC0415 - likewise
    from shared.clients.graph import GraphIncidents  # noqa: PLC0415 - likewise
    from shared.clients.web import Api, session  # noqa: PLC0415 - likewise
    from shared.storage.connections import Connection, locate  # noqa: PLC0415 - likewise

    settings = load(environment)
    host = Connection(locate("AzureWebJobsStorage", environment))
    evidence = Connection(locate("EVIDENCE_STORAGE", environment))
    rows = host.rows(TABLE)
    governor = Governor(rows, host.clock, settings)
    credential = _credential(settings)
    http = session()
    graph = Api(settings.graph_url, _token(credential, settings.graph_audience), http)
    defender = Api(settings.defender_url, _token(credential, settings.defender_audience), http)
    deadline = settings.ACTION_VISIBILITY.total_seconds() / 3
    local = urlsplit(settings.defender_url).hostname in LOOPBACK
    return Ports(
        settings=settings,
        clock=host.clock,
        ledger=Ledger(rows),
        governor=governor,
        documents=host.documents(DOCUMENTS),
        queues=host.queues(),
        evidence=evidence.evidence(EVIDENCE),
        incidents=GovernedIncidents(GraphIncidents(graph), governor),
        devices=GovernedDevices(DefenderDevices(defender, deadline), governor),
        downloads=LinkDownloads(settings.DOWNLOAD_HOSTS, session(), loopback=local),
        responders=responders(),
        chats=_chats(settings),
    )


def _chats(settings: Settings) -> dict[str, Chat]:
    from shared.clients.web import session  # noqa: PLC0415 - see build
    from shared.clients.webhooks import WebhookChat  # noqa: PLC0415 - see build

    urls = {"slack": settings.SLACK_WEBHOOK_URL, "teams": settings.TEAMS_WEBHOOK_URL}
    return {name: WebhookChat(url, session()) for name, url in urls.items() if url}


def _credential(settings: Settings) -> TokenCredential:
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - see build

    if settings.AZURE_CLIENT_ID:
        return DefaultAzureCredential(managed_identity_client_id=settings.AZURE_CLIENT_ID)
    return DefaultAzureCredential()


def _token(credential: TokenCredential, audience: str) -> Callable[[], str]:
    """A current token for one audience; azure-identity keeps it until it is about to expire."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - see build

    from shared.errors import Transient  # noqa: PLC0415 - see build

    def token() -> str:
        try:
            return credential.get_token(f"{audience}/.default").token
        except AzureError as error:
            raise Transient(f"no token for {audience}: {type(error).__name__}", 30.0) from error

    return token
