"""What an operator keeps in host storage or in the app's folder: hunting queries of their own, and the policy."""

from datetime import timedelta
from pathlib import Path

import pytest

from responders._hunting_plan import plan, subject_of
from responders._queries import shipped
from responders._wiring import build
from shared.errors import NotFound, Rejected
from shared.storage.connections import Connection
from shared.storage.provision import provision
from tests.contract.conftest import CONTAINER
from tests.unit.incidents import HOST1, NOW
from tests.unit.policies import DEFAULT_TEXT

DAY = timedelta(days=1)
MINE = """// Downloads – 請求.
// parameters: device string
// span: month
DeviceFileEvents | where DeviceId == device
| take 9
"""


def settings(connection: Connection, **more: str) -> dict[str, str]:
    account = connection.location.connection_string
    return {"AzureWebJobsStorage": account, "EVIDENCE_STORAGE": account, **more}


def address(connection: Connection, place: str) -> str:
    return f"{connection.blobs.url.rstrip('/')}/{place}"


def test_queries_of_ones_own_lie_in_a_folder_of_host_storage(connection: Connection, name: str) -> None:
    connection.documents(CONTAINER).create(f"{name}/mine.kql", MINE.encode())
    connection.documents(CONTAINER).create(f"{name}/processes.kql", b"Everything")
    connection.documents(CONTAINER).create(f"{name}/odd.kql", b"// \xff\nT | take 1")
    read = build(settings(connection, HUNT_QUERIES=f"{address(connection, f'{CONTAINER}/{name}')}/")).queries
    assert read("mine") == MINE
    assert read("processes") == shipped()["processes"]
    assert read("nothing") is None
    assert read(f"../{name}/mine") is None
    assert read("odd") == "// \ufffd\nT | take 1"
    subject = subject_of(None, HOST1, NOW, NOW, DAY)
    [ask] = plan(subject, "mine", None, read).asks
    assert (ask.query.title, ask.query.most) == ("Downloads – 請求.", 9)
    assert "no hunting query 'nothing'" in plan(subject, "nothing", None, read).unknown


def test_a_container_that_is_not_there_is_named(connection: Connection) -> None:
    read = build(settings(connection, HUNT_QUERIES=address(connection, "no-such-container/x"))).queries
    with pytest.raises(NotFound, match="no-such-container"):
        read("mine")
    assert read("processes")


@pytest.mark.parametrize("where", ["https://elsewhere.blob.core.windows.net/c/f", "{own}", "{own}evil/c"])
def test_nothing_is_read_from_another_account(connection: Connection, where: str) -> None:
    """The app's identity would be shown to whoever answers there."""
    named = where.format(own=connection.blobs.url.rstrip("/"))
    read = build(settings(connection, HUNT_QUERIES=named)).queries
    with pytest.raises(Rejected, match="HUNT_QUERIES is no blob of host storage"):
        read("mine")


def test_or_in_a_folder_of_the_app(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "mine.kql").write_text(MINE, encoding="utf-8")
    read = build(settings(connection, HUNT_QUERIES=str(tmp_path))).queries
    assert (read("mine"), read("nothing")) == (MINE, None)
    assert build(settings(connection)).queries("mine") is None


def test_the_policy_may_lie_there_too(connection: Connection, name: str) -> None:
    provision(connection, tables=["ledger"], containers=["incidents"])
    connection.documents(CONTAINER).create(f"{name}.yaml", DEFAULT_TEXT.replace("name: default", "name: ours").encode())
    ports = build(settings(connection, POLICY_FILE=address(connection, f"{CONTAINER}/{name}.yaml")))
    assert ports.policies.in_force().policy.policy.name == "ours"
