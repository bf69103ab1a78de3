"""The one place where ports meet adapters. Nothing happens here before the first function is called."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from functools import cache, partial, wraps
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from responders._diagnosis import DEFENDER, GRAPH
from responders._flow import Flow
from responders._governed import GovernedHunting, GovernedIncidents, GovernedReputation
from responders._governor import Governor
from responders._holding import held_in
from responders._ledger import Ledger
from responders._library import PinnedDevices
from responders._ports import DOCUMENTS, EVIDENCE, PAGER, REVIEW, STAGING, TABLE, Ports
from shared.config import LOOPBACK, load
from shared.errors import BulkheadError, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.credentials import TokenCredential

    from responders._interface import Responder
    from shared.clients.interface import Chat, Grants, Reputation, Signer
    from shared.clients.web import Api
    from shared.config import Settings
    from shared.storage.connections import Connection
    from shared.storage.interface import Rows

T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """What `make` makes, the same for all threads: a cold start gets many calls at once, and `cache` lets each make
    its own. Where it raises, the next call tries again.
    """
    lock, made = Lock(), cache(make)

    @wraps(make)
    def get() -> T:
        with lock:
            return made()

    return get


def responders() -> dict[str, Responder]:
    """Every responder by name: each public module beside this one offers its own as `RESPONDER`. Containment first."""
    return {each.name: each for each in _found()}


@cache
def _found() -> tuple[Responder, ...]:
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    every: list[Responder] = [import_module(f"responders.{name}").RESPONDER for name in names]
    return tuple(sorted(every, key=lambda each: (not each.contains, each.name)))


@once
def flow() -> Flow:
    """The flow of this process. Raises SettingsError, naming everything that is wrong."""
    from shared.storage.allocation import give_back_large  # noqa: PLC0415 - see build

    logging.getLogger("azure").setLevel(logging.WARNING)
    give_back_large()
    return Flow(build(os.environ))


def build(environment: Mapping[str, str]) -> Ports:
    """The ports as the environment names them. Raises SettingsError."""
    from responders._policies import Policies  # noqa: PLC0415 - costs pydantic models and YAML; indexing is free of it
    from shared.clients.defender import DefenderDevices  # noqa: PLC0415 - costs an import of requests; indexing is free of it
    from shared.clients.downloads import LinkDownloads  # noqa: PLC0415 - likewise
    from shared.clients.graph import GraphIncidents  # noqa: PLC0415 - likewise
    from shared.clients.hunting import GraphHunting  # noqa: PLC0415 - likewise
    from shared.clients.web import session  # noqa: PLC0415 - likewise
    from shared.storage.connections import Connection, locate  # noqa: PLC0415 - likewise
    from shared.storage.mac import StoredMac  # noqa: PLC0415 - likewise

    settings = load(environment)
    host = Connection(locate("AzureWebJobsStorage", environment))
    evidence = Connection(locate("EVIDENCE_STORAGE", environment))
    rows = host.rows(TABLE)
    ledger, mac = Ledger(rows), StoredMac(rows, host.clock)
    documents = host.documents(DOCUMENTS)
    governor = Governor(rows, host.clock, settings)
    graph, defender, grants = _apis(settings)
    deadline = settings.ACTION_VISIBILITY.total_seconds() / 3
    local = urlsplit(settings.defender_url).hostname in LOOPBACK
    return Ports(
        settings=settings,
        clock=host.clock,
        ledger=ledger,
        governor=governor,
        documents=documents,
        queues=host.queues(),
        evidence=evidence.evidence(EVIDENCE, mac.of),
        staging=host.evidence(STAGING),
        signer=_signer(settings, rows),
        mac=mac,
        pages=evidence.pages(REVIEW),
        incidents=GovernedIncidents(GraphIncidents(graph), governor),
        devices=PinnedDevices(DefenderDevices(defender, deadline), governor, settings, partial(held_in, ledger)),
        downloads=LinkDownloads(settings.DOWNLOAD_HOSTS, session(), loopback=local),
        hunting=GovernedHunting(GraphHunting(graph), governor),
        responders=responders(),
        policies=Policies(_policy(settings, host), ledger, documents, host.clock),
        chats=_chats(settings),
        grants=grants,
        protections=evidence.protections(EVIDENCE),
        host_time=lambda: datetime.now(UTC),
        queries=_queries(settings, host),
        reputation=_reputation(settings, governor),
    )


def _reputation(settings: Settings, governor: Governor) -> Reputation | None:
    """VirusTotal, where there is a key for it."""
    if not settings.VIRUSTOTAL_API_KEY:
        return None
    from shared.clients.virustotal import PUBLIC, VirusTotal  # noqa: PLC0415 - see build
    from shared.clients.web import session  # noqa: PLC0415 - see build

    base = settings.VIRUSTOTAL_URL or PUBLIC
    return GovernedReputation(VirusTotal(settings.VIRUSTOTAL_API_KEY, session(), base), governor)


def _signer(settings: Settings, rows: Rows) -> Signer:
    """The key in Key Vault that the settings name, else one of our own."""
    if settings.CUSTODY_KEY:
        from shared.clients.vault import VaultSigner  # noqa: PLC0415 - see build

        return VaultSigner(settings.CUSTODY_KEY, _credential(settings))
    from shared.storage.local_key import LocalSigner  # noqa: PLC0415 - see build

    return LocalSigner(rows)


def _policy(settings: Settings, host: Connection) -> Callable[[], str]:
    """Reads the text of the policy that the settings name."""
    from responders._policies import SHIPPED  # noqa: PLC0415 - see build

    named = settings.POLICY_FILE
    if not named.startswith("https://") and not named.startswith("http://"):
        path = SHIPPED.parents[1] / named if named else SHIPPED
        return lambda: path.read_text(encoding="utf-8")

    def read() -> str:
        data = _blob("POLICY_FILE", named, host)
        if data is None:
            raise BulkheadError("POLICY_FILE names a blob that does not exist")
        return data.decode("utf-8")

    return read


def _queries(settings: Settings, host: Connection) -> Callable[[str], str | None]:
    """Reads hunting queries by name: the shipped ones, and those in the folder that the settings name."""
    from responders._queries import in_folder, queries, shipped_only  # noqa: PLC0415 - see build

    named = settings.HUNT_QUERIES.rstrip("/")
    if not named:
        return shipped_only
    if not named.startswith(("https://", "http://")):
        return queries(in_folder(Path(__file__).parents[1] / named))

    def read(name: str) -> str | None:
        data = _blob("HUNT_QUERIES", f"{named}/{name}.kql", host)
        return None if data is None else data.decode("utf-8", errors="replace")

    return queries(read)


def _blob(setting: str, named: str, host: Connection) -> bytes | None:
    """What stands in host storage at an address that a setting names. Raises Rejected where it is elsewhere."""
    account = host.blobs.url.rstrip("/")
    container, _, name = named.removeprefix(f"{account}/").partition("/")
    if not named.startswith(f"{account}/") or not name:
        raise Rejected(f"{setting} is no blob of host storage ({account}/CONTAINER/NAME)", status=0)
    return host.documents(container).read(name)


def _chats(settings: Settings) -> dict[str, Chat]:
    from shared.clients.web import session  # noqa: PLC0415 - see build
    from shared.clients.webhooks import WebhookChat  # noqa: PLC0415 - see build

    urls = {"slack": settings.SLACK_WEBHOOK_URL, "teams": settings.TEAMS_WEBHOOK_URL}
    urls |= {PAGER: settings.PAGER_WEBHOOK_URL}
    return {name: WebhookChat(url, session()) for name, url in urls.items() if url}


def _apis(settings: Settings) -> tuple[Api, Api, Mapping[str, Grants]]:
    """Graph and Defender, each behind its own tokens of the one identity, and what those tokens allow."""
    from shared.clients.tokens import Tokens  # noqa: PLC0415 - see build
    from shared.clients.web import Api, session  # noqa: PLC0415 - see build

    credential, http = _credential(settings), session()
    graph, defender = (
        Tokens(audience, credential, lambda: _credential(settings))
        for audience in (settings.graph_audience, settings.defender_audience)
    )
    return (
        Api(settings.graph_url, graph.current, http, graph.renew),
        Api(settings.defender_url, defender.current, http, defender.renew),
        {GRAPH: graph, DEFENDER: defender},
    )


def _credential(settings: Settings) -> TokenCredential:
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - see build

    if settings.AZURE_CLIENT_ID:
        return DefaultAzureCredential(managed_identity_client_id=settings.AZURE_CLIENT_ID)
    return DefaultAzureCredential()
