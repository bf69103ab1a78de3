"""Where an account is, told from settings; and what its answers tell of the time."""

import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.credentials import AccessToken, TokenCredential

from shared.errors import Denied, SettingsError
from shared.storage.connections import Connection, locate
from shared.storage.interface import Put
from shared.storage.provision import provision
from tests.contract.conftest import CONTAINER, TABLE

NAME = "AzureWebJobsStorage"
KEY = "c2VjcmV0"


def test_a_connection_string_is_taken_as_it_is() -> None:
    """It goes before an identity, and is not shown when the location is printed."""
    written = f"AccountName=acc;AccountKey={KEY}"
    location = locate(NAME, {NAME: written, f"{NAME}__accountName": "other"})
    assert location.connection_string == written
    assert location.urls == {}
    assert KEY not in repr(location)


def test_development_storage_is_the_local_azurite() -> None:
    assert "127.0.0.1:10002" in locate(NAME, {NAME: "UseDevelopmentStorage=true"}).connection_string


def test_an_account_name_gives_the_urls_of_all_services() -> None:
    location = locate(NAME, {f"{NAME}__accountName": "acc"})
    assert location.urls == {
        "blob": "https://acc.blob.core.windows.net",
        "queue": "https://acc.queue.core.windows.net",
        "table": "https://acc.table.core.windows.net",
    }
    assert location.client_id is None


@pytest.mark.parametrize(
    ("cloud", "suffix"),
    [
        ("commercial", "core.windows.net"),
        ("gcc", "core.windows.net"),
        ("gcchigh", "core.usgovcloudapi.net"),
        ("dod", "core.usgovcloudapi.net"),
    ],
)
def test_an_account_name_is_one_of_the_cloud_that_the_settings_name(cloud: str, suffix: str) -> None:
    location = locate(NAME, {f"{NAME}__accountName": "acc", "DEFENDER_CLOUD": cloud})
    assert location.urls == {kind: f"https://acc.{kind}.{suffix}" for kind in ("blob", "queue", "table")}


def test_service_uris_go_before_the_account_name() -> None:
    """As in other clouds, where the names end otherwise."""
    settings = {f"{NAME}__accountName": "acc", f"{NAME}__blobServiceUri": "https://acc.blob.core.usgovcloudapi.net/"}
    assert locate(NAME, settings).urls["blob"] == "https://acc.blob.core.usgovcloudapi.net"
    assert locate(NAME, settings).urls["queue"] == "https://acc.queue.core.windows.net"


@pytest.mark.parametrize(
    ("settings", "client_id"),
    [
        ({}, None),
        ({"AZURE_CLIENT_ID": ""}, None),
        ({"AZURE_CLIENT_ID": "app"}, "app"),
        ({"AZURE_CLIENT_ID": "app", f"{NAME}__clientId": "storage"}, "storage"),
    ],
)
def test_a_user_assigned_identity_is_named_by_its_client_id(settings: Mapping[str, str], client_id: str | None) -> None:
    """The connection's own before the app's."""
    assert locate(NAME, {f"{NAME}__accountName": "acc", **settings}).client_id == client_id


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "missing"),
        ({NAME: "  "}, "missing"),
        ({NAME: f"AccountKey={KEY}"}, "AccountName"),
        ({NAME: KEY}, "AccountName"),
        ({f"{NAME}__blobServiceUri": "http://acc.blob.core.windows.net"}, "https"),
        ({f"{NAME}__queueServiceUri": "acc"}, "__queueServiceUri: an identity needs https"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do(settings: Mapping[str, str], problem: str) -> None:
    """By name of the setting, and without its value."""
    with pytest.raises(SettingsError, match=f"{NAME}.*{problem}") as caught:
        locate(NAME, settings)
    assert KEY not in str(caught.value)


class NoIdentity:
    """A credential that gives a made-up token, and notes for whom."""

    def __init__(self) -> None:
        self.asked_for: list[str | None] = []

    def __call__(self, client_id: str | None) -> TokenCredential:
        self.asked_for.append(client_id)
        return self

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken("made up", int(time.time()) + 3600)


def test_the_identity_is_asked_once_for_all_services() -> None:
    """And not before a service is used."""
    credential = NoIdentity()
    opened = Connection(locate(NAME, {f"{NAME}__accountName": "acc", "AZURE_CLIENT_ID": "app"}), credential=credential)
    assert credential.asked_for == []
    opened.rows("t")
    opened.documents("c")
    opened.evidence("c")
    opened.queues()
    assert credential.asked_for == ["app"]
    opened.close()


def test_a_service_without_a_uri_is_named() -> None:
    opened = Connection(locate(NAME, {f"{NAME}__blobServiceUri": "https://acc.example"}), credential=NoIdentity())
    opened.documents("c")
    with pytest.raises(SettingsError, match=f"{NAME}__tableServiceUri"):
        opened.rows("t")
    opened.close()


def test_the_clock_hears_every_answer(connection: Connection, name: str) -> None:
    """Of each of the three services; the first `now` asks by itself."""
    opened = Connection(connection.location)
    moment = opened.clock.now()
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=1.5)
    for number in range(10):
        opened.rows(TABLE).commit(name, [Put("k", str(number))])
        opened.documents(CONTAINER).read(name)
        opened.queues().receive("no-such-queue")
        time.sleep(0.07)
    later = opened.clock.now()
    assert moment < later
    assert abs(later - datetime.now(UTC)) < timedelta(seconds=0.5)
    opened.close()


# azure-data-tables asks an XML element for its truth value.
@pytest.mark.filterwarnings("ignore:Testing an element:DeprecationWarning")
def test_a_wrong_key_is_denied_with_what_to_do(connection: Connection) -> None:
    """And without quoting the request."""
    right = connection.location.connection_string
    parts = [f"AccountKey={KEY}" if part.startswith("AccountKey=") else part for part in right.split(";")]
    opened = Connection(locate(NAME, {NAME: ";".join(parts)}))
    for call in (
        lambda: opened.rows(TABLE).get("p", "k"),
        lambda: opened.documents(CONTAINER).read("d"),
        lambda: opened.queues().send("queue", "text"),
    ):
        with pytest.raises(Denied, match="check the") as caught:
            call()
        assert caught.value.status == 403
        assert "\n" not in str(caught.value)
    opened.close()


def test_provisioning_may_be_repeated(connection: Connection, name: str) -> None:
    for _ in range(2):
        provision(connection, tables=[f"p{name}"], queues=[f"p-{name}"], containers=[f"p-{name}"])
    connection.queues().send(f"p-{name}", "a")
    connection.rows(f"p{name}").commit("p", [Put("k", "")])
    assert connection.documents(f"p-{name}").create("d", b"")


def test_importing_the_ports_and_the_settings_loads_no_sdk() -> None:
    """A cold start pays for what it uses, when it uses it."""
    code = (
        "import sys, shared, shared.storage.interface, shared.storage.connections, shared.storage.clock\n"
        "print([name for name in sys.modules if name.startswith(('azure', 'requests', 'msal'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"
