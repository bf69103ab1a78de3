"""What responders need is what is granted, and what is documented: no role more, none fewer."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import docs
from responders._wiring import responders
from tests.unit.templates import INFRA, block, data, every_bicep, rows, text

GRANTS = INFRA / "grants.sh"
PRINCIPAL = "11111111-2222-3333-4444-555555555555"
APIS = {docs.GRAPH: "graph", docs.DEFENDER: "defender"}
NEEDED = {(APIS[api], role) for role, (api, _, _) in docs.OURS.items()}
NEEDED |= {(APIS[docs.api_of(role)], role) for each in responders().values() for role in each.permissions}

AZ = """
import json, os, re, sys
arguments = sys.argv[1:]
state = json.load(open(os.environ["STATE"]))
state["calls"].append(arguments)
option = lambda name: arguments[arguments.index(name) + 1] if name in arguments else ""

def answer():
    if arguments[:2] == ["cloud", "show"]:
        return state["graph"]
    if arguments[:3] == ["ad", "sp", "show"]:
        api = state["apis"].get(option("--id"))
        if api is None:
            sys.exit("no such service principal")
        role = re.search("value=='([^']+)'", option("--query"))
        return api["roles"].get(role[1], "") if role else api["id"]
    url = option("--url")
    if option("--method") == "POST":
        state["held"].append(["a%d" % len(state["calls"]), json.loads(option("--body"))])
    elif option("--method") == "DELETE":
        state["held"] = [each for each in state["held"] if each[0] != url.rpartition("/")[2]]
    else:
        resource = re.search("resourceId=='([^']+)'", option("--query"))[1]
        mine = [each for each in state["held"] if each[1]["resourceId"] == resource]
        return "\\n".join(id + "\\t" + role["appRoleId"] for id, role in mine)
    return ""

print(answer())
json.dump(state, open(os.environ["STATE"], "w"))
"""
"""An `az` that knows the calls of the script and keeps what it was told."""


class Tenant:
    """A tenant behind a made-up `az`. Synthetic: role ids are not Microsoft's."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "state.json"
        self._folder = folder
        az = folder / "az"
        az.write_text(f"#!{sys.executable} -IS{AZ}", encoding="utf-8")
        az.chmod(0o755)
        apis = {
            "00000003-0000-0000-c000-000000000000": "graph",
            "fc780465-2017-40d4-a0c5-307022471b92": "defender",
        }
        known = {
            app: {"id": f"sp-{api}", "roles": {role: f"id-of-{role}" for of, role in NEEDED if of == api}}
            for app, api in apis.items()
        }
        self.write({"graph": "https://graph.example/", "apis": known, "held": [], "calls": []})

    def read(self) -> dict[str, list[list[str]]]:
        found: dict[str, list[list[str]]] = json.loads(self._state.read_text(encoding="utf-8"))
        return found

    def write(self, state: object) -> None:
        self._state.write_text(json.dumps(state), encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{self._folder}{os.pathsep}{os.environ['PATH']}"
        own = {**os.environ, "PATH": path, "STATE": str(self._state), **environment}
        return subprocess.run(
            [str(GRANTS), *arguments], env=own, capture_output=True, text=True, check=False, timeout=60
        )

    def held(self) -> set[tuple[str, str]]:
        """The roles that the identity has, by API."""
        state = json.loads(self._state.read_text(encoding="utf-8"))
        assert all(each["principalId"] == PRINCIPAL for _, each in state["held"])
        return {
            (each["resourceId"].removeprefix("sp-"), each["appRoleId"].removeprefix("id-of-"))
            for _, each in state["held"]
        }


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path)


# What is written


def test_bicep_grants_what_is_needed() -> None:
    grants = text("grants.bicep")
    written = {
        (api, role)
        for api in ("graph", "defender")
        for role in re.findall(r"'([\w.]+)'", block(grants, f"var {api}Roles = ["))
    }
    assert written == NEEDED


def test_bicep_knows_no_role_by_its_id() -> None:
    """They differ between clouds."""
    ids = set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text("grants.bicep")))
    assert ids == {"00000003-0000-0000-c000-000000000000", "fc780465-2017-40d4-a0c5-307022471b92"}


def test_the_script_grants_what_is_needed() -> None:
    written = re.search(r"^roles='\n(.*?)'$", GRANTS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert written
    assert {tuple(line.split()) for line in written[1].splitlines()} == NEEDED


def test_the_page_says_of_every_role_what_it_is_for_and_what_breaks_without_it() -> None:
    table = rows("permissions.md", "App roles")
    assert {(APIS[row[1]], row[0].strip("`")) for row in table} == NEEDED
    assert all(len(row) == 4 and all(row) for row in table)


def test_the_page_names_every_azure_role_and_who_has_it() -> None:
    table = rows("permissions.md", "Azure roles")
    custom = {each["name"] for each in data("roles.json")["custom"].values()}
    assert {row[0].strip("*") for row in table} == {*data("roles.json")["builtIn"], *custom}
    assert all(len(row) == 5 and all(row) for row in table)


def test_every_azure_role_in_the_list_is_given_to_somebody() -> None:
    assert [name for name in data("roles.json")["builtIn"] if f"'{name}'" not in every_bicep()] == []


def test_no_azure_role_is_given_past_the_list() -> None:
    known = set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", every_bicep()))
    assert known == {"00000003-0000-0000-c000-000000000000", "fc780465-2017-40d4-a0c5-307022471b92"}


# What the script does


def test_the_script_grants_everything_once(tenant: Tenant) -> None:
    first = tenant.run(PRINCIPAL)
    assert first.returncode == 0, first.stderr
    assert tenant.held() == NEEDED
    assert first.stdout.count("(new)") == len(NEEDED)
    posts = [call for call in tenant.read()["calls"] if "POST" in call]
    assert all(
        call[call.index("--url") + 1] == f"https://graph.example/v1.0/servicePrincipals/{PRINCIPAL}/appRoleAssignments"
        for call in posts
    )
    second = tenant.run(PRINCIPAL)
    assert second.returncode == 0
    assert "(new)" not in second.stdout
    assert len([call for call in tenant.read()["calls"] if "POST" in call]) == len(NEEDED)


def test_a_check_changes_nothing_and_fails_while_something_is_missing(tenant: Tenant) -> None:
    before = tenant.run("--check", PRINCIPAL)
    assert before.returncode == 1
    assert before.stdout.count("MISSING") == len(NEEDED)
    assert tenant.held() == set()
    tenant.run(PRINCIPAL)
    after = tenant.run("--check", PRINCIPAL)
    assert (after.returncode, "MISSING" in after.stdout) == (0, False)


def test_a_check_tells_what_is_there_without_being_needed(tenant: Tenant) -> None:
    tenant.run(PRINCIPAL)
    state = tenant.read()
    more = {"principalId": PRINCIPAL, "resourceId": "sp-defender", "appRoleId": "id-of-Machine.Offboard"}
    tenant.write({**state, "held": [*state["held"], ["a0", more]]})
    told = tenant.run("--check", PRINCIPAL)
    assert "SURPLUS  defender role id-of-Machine.Offboard" in told.stdout
    assert told.returncode == 0


def test_what_is_revoked_is_gone(tenant: Tenant) -> None:
    tenant.run(PRINCIPAL)
    assert tenant.run("--revoke", PRINCIPAL).returncode == 0
    assert tenant.held() == set()


def test_a_role_that_the_cloud_does_not_have_stops_the_script(tenant: Tenant) -> None:
    state = json.loads(json.dumps(tenant.read()))
    for api in state["apis"].values():
        api["roles"].pop("Machine.Isolate", None)
    tenant.write(state)
    told = tenant.run(PRINCIPAL)
    assert told.returncode != 0
    assert "The API 'defender' has no app role Machine.Isolate in this cloud." in told.stderr
    assert ("defender", "Machine.Isolate") not in tenant.held()


def test_a_tenant_without_defender_is_told_so(tenant: Tenant) -> None:
    told = tenant.run(PRINCIPAL, DEFENDER_APP_ID="unknown")
    assert told.returncode != 0
    assert "Is Defender for Endpoint set up?" in told.stderr


@pytest.mark.parametrize("arguments", [(), ("me",), (PRINCIPAL, "more"), ("--check",), ("--chek", PRINCIPAL)])
def test_what_is_not_an_id_is_refused_before_anything_is_asked(tenant: Tenant, arguments: tuple[str, ...]) -> None:
    told = tenant.run(*arguments)
    assert told.returncode == 2
    assert "Usage:" in told.stderr
    assert tenant.read()["calls"] == []
