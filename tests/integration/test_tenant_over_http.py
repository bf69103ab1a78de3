"""The simulated tenant as its clients meet it: over real HTTP."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.tenant import samples
from local.tenant.clock import system_clock
from local.tenant.model import Tenant
from local.tenant.server import TenantServer
from local.tenant.settings import ACTION_KINDS, TenantSettings
from local.tenant.wire import Json

GRAPH = "https://graph.microsoft.com"
MDE = "https://api.securitycenter.microsoft.com"
HOST = samples.fleet_id(2)
ISOLATE = {"Comment": "[bulkhead t/a/1]", "IsolationType": "Full"}
SECRET = "a made-up header"
FAST: Json = {
    "identity_header": SECRET,
    "visibility_seconds": 0,
    "durations": {kind: {"pending": 0.05, "running": 0.05} for kind in ACTION_KINDS},
    "rates": {"package_uri": "none"},
}


class Client:
    """What a careful client does, and the control calls."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.tokens: dict[str, str] = {}

    def token(self, audience: str) -> str:
        if audience not in self.tokens:
            answer = self.session.get(
                f"{self.url}/msi/token",
                params={"resource": audience, "api-version": "2019-08-01"},
                headers={"X-IDENTITY-HEADER": SECRET},
                timeout=10,
            )
            assert answer.status_code == 200
            self.tokens[audience] = answer.json()["access_token"]
        return self.tokens[audience]

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        audience: str | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        timeout: float = 10,
    ) -> requests.Response:
        surface = audience or (GRAPH if path.startswith("/v1.0") else MDE)
        sent = {"Authorization": f"Bearer {self.token(surface)}", **(headers or {})}
        return self.session.request(
            method,
            self.url + path,
            json=body,
            headers=sent,
            params=params,
            timeout=timeout,
            allow_redirects=False,
        )

    def control(self, method: str, path: str, body: object = None) -> Json:
        answer = self.session.request(method, f"{self.url}/_tenant/{path}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def isolate(self) -> requests.Response:
        return self.call("POST", f"/api/machines/{HOST}/isolate", ISOLATE)

    def collected(self) -> str:
        answer = self.call("POST", f"/api/machines/{HOST}/collectInvestigationPackage", {"Comment": "x"})
        action = str(answer.json()["id"])
        deadline = time.monotonic() + 10
        while (link := self.call("GET", f"/api/machineactions/{action}/getPackageUri")).status_code == 404:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return str(link.json()["value"]).strip('"')


def serve(**settings: object) -> TenantServer:
    tenant = Tenant(TenantSettings.from_json({**FAST, **settings}), system_clock)
    for machine in samples.fleet(5):
        tenant.fleet.put(machine)
    return TenantServer(tenant)


@pytest.fixture
def client() -> Iterator[Client]:
    with serve() as server:
        client = Client(server.url)
        yield client
        client.session.close()


def test_tokens_are_for_one_audience(client: Client) -> None:
    assert client.call("GET", "/v1.0/security/incidents").status_code == 200
    refused = client.call("GET", "/api/machines", audience=GRAPH)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "Unauthorized")
    assert client.call("GET", "/v1.0/security/incidents", audience=MDE).status_code == 401
    assert client.call("GET", "/api/machines", audience="https://storage.azure.com").status_code == 401
    assert [one["kind"] for one in client.control("GET", "violations")["value"]] == ["wrong_audience"] * 3


def test_the_identity_endpoint_wants_its_header(client: Client) -> None:
    params = {"resource": GRAPH, "api-version": "2019-08-01"}
    assert requests.get(f"{client.url}/msi/token", params=params, timeout=10).status_code == 401


def test_expired_and_invented_tokens_are_refused() -> None:
    with serve(token_seconds=0) as server:
        assert Client(server.url).call("GET", "/api/machines").status_code == 401
        invented = Client(server.url).call("GET", "/api/machines", headers={"Authorization": "Bearer a.b.c"})
        assert invented.status_code == 401


def test_a_missing_role_is_named() -> None:
    with serve(roles=["Machine.Read.All"]) as server:
        client = Client(server.url)
        refused = client.isolate()
        assert refused.status_code == 403
        assert "Machine.Isolate" in refused.json()["error"]["message"]
        assert client.call("GET", "/api/machines").status_code == 200


def test_incidents_are_listed_changed_and_commented(client: Client) -> None:
    client.control("POST", "incidents", {"incidents": [samples.harmful_incident("7"), {"id": "8", "severity": "low"}]})
    listed = client.call(
        "GET",
        "/v1.0/security/incidents",
        params={"$filter": "severity eq 'high' and status eq 'active'", "$expand": "alerts", "$top": "50"},
        headers={"Prefer": "include-unknown-enum-members"},
    )
    assert [one["id"] for one in listed.json()["value"]] == ["7"]
    assert listed.headers["Date"].endswith("GMT")
    patched = client.call("PATCH", "/v1.0/security/incidents/7", {"customTags": ["seen"]})
    assert patched.json()["customTags"] == ["seen"]
    for number in (1, 2):
        comments = client.call("POST", "/v1.0/security/incidents/7/comments", {"comment": str(number)})
        assert (comments.status_code, len(comments.json()["value"])) == (200, number)
    refused = client.call("GET", "/v1.0/security/incidents", params={"$top": "200"})
    assert refused.status_code == 400
    assert "The limit of '50' for Top query has been exceeded" in refused.json()["error"]["message"]


def test_next_links_lead_to_every_incident_once(client: Client) -> None:
    client.control("POST", "incidents", [{"severity": "high"} for _ in range(7)] + [{"severity": "low"}])
    answer = client.call(
        "GET", "/v1.0/security/incidents", params={"$top": "3", "$filter": "severity eq 'high'"}
    ).json()
    seen = [one["id"] for one in answer["value"]]
    while link := answer.get("@odata.nextLink"):
        assert link.startswith(client.url)
        answer = client.call("GET", link.removeprefix(client.url)).json()
        seen += [one["id"] for one in answer["value"]]
    assert len(seen) == len(set(seen)) == 7


def test_an_isolation_runs_to_its_end(client: Client) -> None:
    made = client.isolate()
    assert made.status_code == 201
    assert {"requestSource", "troubleshootInfo", "externalId", "commands"} <= set(made.json())
    action = made.json()["id"]
    deadline = time.monotonic() + 10
    while client.call("GET", f"/api/v1.0/machineactions/{action}").json()["status"] != "Succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    state = client.control("GET", "state")
    assert [one["id"] for one in state["machines"] if one["isolated"]] == [HOST]
    effects = [one["effect"] for one in client.control("GET", "log")["value"] if one["effect"]]
    assert effects == [{"machineActionId": action, "type": "Isolate", "machineId": HOST}]


def test_a_person_acts_in_the_portal(client: Client) -> None:
    made = client.control("POST", "people/isolate", {"machineId": HOST, "by": "eve@contoso.com"})
    assert (made["requestor"], made["requestSource"]) == ("eve@contoso.com", "Portal")
    listed = client.call("GET", "/api/machineactions", params={"$filter": f"machineId eq '{HOST}'"}).json()
    assert [one["id"] for one in listed["value"]] == [made["id"]]


def test_machines_are_found_by_id_and_by_name(client: Client) -> None:
    assert client.call("GET", f"/api/machines/{HOST}").json()["computerDnsName"] == "host1.contoso.com"
    assert client.call("GET", "/api/machines/HOST1.contoso.com").json()["id"] == HOST
    none = client.call("GET", "/api/machines", params={"$filter": "computerDnsName eq 'nobody'"})
    assert (none.status_code, none.json()["error"]["code"]) == (404, "ResourceNotFound")
    assert "target" in none.json()["error"]


def test_a_package_is_downloaded_without_a_bearer_and_in_ranges(client: Client) -> None:
    link = client.collected()
    refused = requests.get(link, headers={"Authorization": "Bearer x"}, timeout=10)
    assert refused.status_code == 403
    whole = requests.get(link, timeout=10)
    assert zipfile.ZipFile(io.BytesIO(whole.content)).testzip() is None
    tag = whole.headers["ETag"]
    rest = requests.get(link, headers={"Range": "bytes=1000-", "If-Range": tag}, timeout=10)
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    endless = requests.get(link, headers={"Range": f"bytes={'9' * 5000}-", "If-Range": tag}, timeout=10)
    assert (endless.status_code, endless.content) == (200, whole.content)
    changed = requests.get(link, headers={"Range": "bytes=1000-", "If-Range": '"other"'}, timeout=10)
    assert (changed.status_code, changed.content) == (200, whole.content)
    assert [one["kind"] for one in client.control("GET", "violations")["value"]] == ["bearer_to_link"]
    assert link.rpartition("/")[2] not in str(client.control("GET", "log"))


def test_a_package_file_is_served_as_it_is(tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    package.write_bytes(bytes(range(256)) * 4096)
    with serve(package_file=str(package), link_range=False) as server:
        link = Client(server.url).collected()
        answer = requests.get(link, headers={"Range": "bytes=5-"}, timeout=10)
        assert (answer.status_code, answer.content) == (200, package.read_bytes())


def test_a_reset_after_the_effect_leaves_the_action_behind(client: Client) -> None:
    client.control(
        "POST", "faults", [{"method": "POST", "path": "/isolate$", "kind": "reset_after_effect", "times": 1}]
    )
    with pytest.raises(requests.ConnectionError):
        client.isolate()
    assert len(client.control("GET", "state")["actions"]) == 1
    client.control("DELETE", "faults")
    assert client.control("GET", "faults") == {"value": []}


def test_a_hanging_call_runs_into_the_clients_patience(client: Client) -> None:
    client.control("POST", "faults", [{"path": "/isolate$", "kind": "timeout_after_effect", "seconds": 5}])
    client.token(MDE)
    with pytest.raises(requests.Timeout):
        client.call("POST", f"/api/machines/{HOST}/isolate", ISOLATE, timeout=0.2)
    assert len(client.control("GET", "state")["actions"]) == 1


def test_downloads_can_be_cut_short_or_too_long(client: Client) -> None:
    link = client.collected()
    whole = requests.get(link, timeout=10).content
    client.control("POST", "faults", [{"path": "/download/", "kind": "truncate", "times": 1}])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(link, timeout=10)
    client.control("POST", "faults", [{"path": "/download/", "kind": "lengthen", "times": 1}])
    assert len(requests.get(link, timeout=10).content) == len(whole) + 4096


def test_answers_can_be_untrue(client: Client) -> None:
    faults = [
        {"kind": "status", "status": 503, "headers": {"Retry-After": "3"}, "times": 1},
        {"kind": "invalid_json", "times": 1},
        {"kind": "wrong_content_type", "times": 1},
        {"kind": "redirect", "headers": {"Location": "https://example.net/"}, "times": 1},
    ]
    client.token(MDE)
    client.control("POST", "faults", faults)
    first = client.call("GET", "/api/machines")
    assert (first.status_code, first.headers["Retry-After"]) == (503, "3")
    with pytest.raises(requests.JSONDecodeError):
        client.call("GET", "/api/machines").json()
    assert client.call("GET", "/api/machines").headers["Content-Type"].startswith("text/html")
    assert client.call("GET", "/api/machines").headers["Location"] == "https://example.net/"


def test_slack_checks_keeps_and_slows_down(client: Client) -> None:
    url = f"{client.url}/slack/T0/B0/x"
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "y" * 3001}}
    assert requests.post(url, json={"text": "x"}, headers={"Authorization": "Bearer x"}, timeout=10).status_code == 403
    bad = requests.post(url, json={"text": "x", "blocks": [block]}, timeout=10)
    assert (bad.status_code, bad.text) == (400, "invalid_blocks")
    assert requests.post(url, data=b"{", timeout=10).text == "invalid_payload"
    good = requests.post(url, json={"text": "hello"}, timeout=10)
    assert (good.status_code, good.text) == (200, "ok")
    answers = [requests.post(url, json={"text": "hello"}, timeout=10) for _ in range(5)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    messages = client.control("GET", "messages")["value"]
    assert messages[0]["message"] == {"text": "hello"}


def test_teams_takes_adaptive_cards_only(client: Client) -> None:
    card = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "x"}]}
    kind = "application/vnd.microsoft.card.adaptive"

    def post(content: Json) -> int:
        message = {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": content}]}
        return requests.post(f"{client.url}/teams/flow", json=message, timeout=10).status_code

    assert post(card) == 202
    assert post({**card, "actions": [{"type": "Action.Submit"}]}) == 400
    assert post({**card, "body": [{"type": "TextBlock", "text": "x" * 30_000}]}) == 413
    assert requests.post(f"{client.url}/teams/flow", json={"@type": "MessageCard"}, timeout=10).status_code == 400
    assert [one["channel"] for one in client.control("GET", "messages")["value"]] == ["teams"]


def test_unknown_routes_are_noted(client: Client) -> None:
    assert client.call("POST", f"/api/machines/{HOST}/explode", {}).status_code == 404
    assert client.control("GET", "violations")["value"][0]["kind"] == "unknown_route"


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "local.tenant", "--port-file", str(port_file), "--settings", '{"pace": 0.1}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        url = f"http://127.0.0.1:{port_file.read_text()}"
        assert line == f"tenant listening on {url}"
        assert requests.get(f"{url}/_tenant/state", timeout=10).json()["machines"] == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    wrong = subprocess.run([*command[:-1], '{"colour": 1}'], capture_output=True, text=True, timeout=30, check=False)
    assert (wrong.returncode, "unknown setting 'colour'" in wrong.stderr) == (2, True)


def test_the_shutdown_call_ends_the_command() -> None:
    command = [sys.executable, "-m", "local.tenant"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert requests.post(f"{url}/_tenant/shutdown", timeout=10).status_code == 200
        assert process.wait(timeout=10) == 0
