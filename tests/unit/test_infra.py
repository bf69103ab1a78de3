"""What is deployed is what the app expects: names, settings, and how far everybody may go."""

import ast
import re
from typing import get_args

import pytest

from local import docs
from responders._ports import DOCUMENTS, EVIDENCE, QUEUES, TABLE
from shared.config import Settings, load
from shared.storage.connections import locate
from tests.unit.templates import INFRA, ROOT, block, data, every_bicep, members, parameters, resources, text

STORAGE = data("storage.json")
ROLES = data("roles.json")
PARAMETER_FILES = sorted(path.name for path in INFRA.glob("*.bicepparam"))
GROUPS = {
    "evidence": "EvidenceOptions",
    "app": "AppOptions",
    "people": "PeopleOptions",
    "network": "NetworkOptions",
    "monitoring": "MonitoringOptions",
}
STRINGS = {"AzureWebJobsStorage", "EVIDENCE_STORAGE"}
"""Connection strings hold keys: in Azure the identity does without them, and the accounts take none."""


# Names


def test_the_queues_are_the_apps_and_orders() -> None:
    assert set(STORAGE["queues"]) == {*QUEUES, "orders"}
    assert len(STORAGE["queues"]) == len(set(STORAGE["queues"]))


def test_every_queue_has_its_poison_queue() -> None:
    host = text("modules/host-storage.bicep")
    assert "var queues = flatten(map(storage.queues, each => [each, '${each}-poison']))" in host
    assert "for queueName in queues" in block(host, "resource queue ")


def test_the_table_is_the_ledger() -> None:
    assert STORAGE["table"] == TABLE
    assert "name: storage.table" in block(text("modules/host-storage.bicep"), "resource ledger ")


def test_the_containers_are_the_apps_and_those_to_come() -> None:
    assert set(STORAGE["hostContainers"]) == {DOCUMENTS, "staging", "packages"}
    assert set(STORAGE["evidenceContainers"]) == {EVIDENCE, "review"}


def test_names_are_such_that_azure_takes_them() -> None:
    named = [*STORAGE["queues"], *STORAGE["hostContainers"], *STORAGE["evidenceContainers"], STORAGE["table"]]
    assert [name for name in named if not re.fullmatch(r"[a-z][a-z0-9]{2,50}", name)] == []


def test_storage_is_named_in_one_place() -> None:
    """What is created is created from the lists, so that no name can be there twice or be forgotten."""
    kinds = ("queueServices/queues", "tableServices/tables", "blobServices/containers")
    for kind in kinds:
        made = re.findall(rf"storageAccounts/{kind}@[^']+' = ", every_bicep())
        assert len(made) == (2 if kind.endswith("containers") else 1), kind


def test_what_is_always_ready_is_a_function() -> None:
    functions = {
        each.name
        for each in ast.parse((ROOT / "function_app.py").read_text(encoding="utf-8")).body
        if isinstance(each, ast.FunctionDef)
    }
    listed = re.search(r"var containing = \[(.*?)\]", text("modules/app.bicep"))
    assert listed
    assert {"assess_incident", "contain_devices"} <= set(re.findall(r"'(\w+)'", listed[1])) <= functions


def test_what_is_published_comes_without_infra() -> None:
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8").split()
    assert {"/infra/", "/azure.yaml", "/.azure/"} <= set(ignored)


# Settings


def given() -> dict[str, dict[str, str]]:
    """The settings in Bicep, by who gives them."""
    app = text("modules/app.bicep")
    kinds = ("storageSettings", "hostSettings", "ownSettings", "defaults")
    found = {kind: members(app, f"var {kind} = {{") for kind in kinds}
    return found | {"operator": members(text("settings.bicep"), "type Settings = {")}


def test_every_setting_of_the_app_can_be_given_and_no_other() -> None:
    """One that is new in shared/config.py is one line more in infra/settings.bicep."""
    own = given()
    named = [*own["storageSettings"], *own["ownSettings"], *own["operator"]]
    assert sorted(named) == sorted(set(Settings.model_fields) - STRINGS)


def test_no_connection_string_is_ever_set() -> None:
    assert not re.search(r"AccountKey|listKeys|SharedAccessSignature|DefaultEndpointsProtocol", every_bicep())
    assert all(kind.keys().isdisjoint(STRINGS) for kind in given().values())


def test_the_defaults_are_the_apps() -> None:
    """The schedules are among them, since the host reads those itself."""
    defaults = {name: value.strip("'") for name, value in given()["defaults"].items()}
    assert defaults == {name: docs.default_of(name) for name in defaults}
    assert {name for name in Settings.model_fields if name.endswith("_SCHEDULE")} <= defaults.keys()
    assert defaults["RESPONSE_MODE"] == "observe"


def test_where_a_setting_is_a_choice_the_choices_are_the_apps() -> None:
    for name, written in given()["operator"].items():
        meant = {each for each in get_args(Settings.model_fields[name].annotation) if isinstance(each, str)}
        assert set(re.findall(r"'(\w+)'", written)) == meant, name


def test_secrets_are_references() -> None:
    own = given()["ownSettings"]
    assert own["SLACK_WEBHOOK_URL"] == "contains(chat, 'slack') ? slackReference : ''"
    assert own["TEAMS_WEBHOOK_URL"] == "contains(chat, 'teams') ? teamsReference : ''"
    assert own["PAGER_WEBHOOK_URL"] == "contains(chat, 'pager') ? pagerReference : ''"
    assert own["VIRUSTOTAL_API_KEY"] == "options.?virusTotal ?? false ? virusTotalReference : ''"
    assert "secrets/virustotal-api-key)" in text("modules/vault.bicep")
    assert "@secure()\nparam virusTotalKey string" in text("modules/vault.bicep")
    for name in ("slack", "teams", "pager"):
        assert f"output {name}Reference string = '@Microsoft.KeyVault(SecretUri=" in text("modules/vault.bicep")
        assert f"name: '{name}-webhook-url'" in text("modules/vault.bicep")
    assert re.findall(r"@secure\(\)\nparam (\w+)", text("bulkhead.bicep")) == [
        "slackWebhookUrl",
        "teamsWebhookUrl",
        "pagerWebhookUrl",
        "virusTotalKey",
    ]
    assert "@secure()\nparam webhooks object" in text("modules/vault.bicep")


def test_the_app_finds_its_storage_with_what_it_is_given() -> None:
    values = {"hostStorage": "bulkheadh1", "suffix": "core.usgovcloudapi.net", "clientId": "id"}
    environment = {"EVIDENCE_STORAGE__blobServiceUri": "https://bulkheade1.blob.core.usgovcloudapi.net/"}
    for name, written in {**given()["storageSettings"], **given()["hostSettings"]}.items():
        filled = re.sub(r"\$\{(\w+)\}", lambda each: values.get(each[1], ""), written.strip("'"))
        environment.setdefault(name, values.get(filled, filled))
    urls = locate("AzureWebJobsStorage", environment)
    assert urls.urls == {
        kind: f"https://bulkheadh1.{kind}.core.usgovcloudapi.net" for kind in ("blob", "queue", "table")
    }
    assert urls.client_id == "id"
    assert load({**environment, "AZURE_CLIENT_ID": "id"}).RESPONSE_MODE == "observe"


# How far everybody may go

WORDS = ("delete", "move", "superuser", "permanent", "*", "modifypermissions", "manageownership", "setacl")


def test_the_app_creates_evidence_and_deletes_none() -> None:
    writer = ROLES["custom"]["writer"]
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    assert writer["actions"] == []
    assert set(writer["dataActions"]) == {f"{blobs}/read", f"{blobs}/write", f"{blobs}/tags/write"}
    assert [each for each in writer["dataActions"] if any(word in each.lower() for word in WORDS)] == []


def test_the_app_has_that_role_on_evidence_and_no_other() -> None:
    given_to_app = [
        each
        for each in resources(text("modules/evidence.bicep"), "Microsoft.Authorization/roleAssignments").values()
        if "principalId: writerPrincipalId" in each
    ]
    assert len(given_to_app) == 1
    assert "roleDefinitionId: roles.outputs.writerId" in given_to_app[0]
    assert "for (container, index) in containers" in given_to_app[0]
    assert text("modules/evidence.bicep").count("writerPrincipalId") == 3
    assert "loadJsonContent('../roles.json').custom" in text("modules/roles.bicep")
    for name in ("writer", "custodian"):
        granted = f"permissions: [{{ actions: roles.{name}.actions, dataActions: roles.{name}.dataActions }}]"
        assert granted in block(text("modules/roles.bicep"), f"resource {name} ")


def test_a_custodian_deletes_nothing() -> None:
    """And writes only what a custodian did: nothing that is kept can be written over without a trace."""
    custodian = ROLES["custom"]["custodian"]
    allowed = [*custodian["actions"], *custodian["dataActions"]]
    assert [each for each in allowed if "delete" in each.lower() or each.endswith("*")] == []


def test_nobody_but_a_group_or_the_app_gets_a_role() -> None:
    assignments = resources(every_bicep(), "Microsoft.Authorization/roleAssignments").values()
    for each in assignments:
        whom = re.search(r"principalId: (\w+)\s+principalType: '(\w+)'", each)
        assert whom, each
        assert whom[2] == ("ServicePrincipal" if whom[1] in {"principalId", "writerPrincipalId"} else "Group")


def test_orders_are_sent_by_the_operators_group_alone() -> None:
    sends = block(text("modules/host-storage.bicep"), "resource sends ")
    assert "scope: queue[indexOf(queues, 'orders')]" in sends
    assert "roles['Storage Queue Data Message Sender']" in sends
    assert every_bicep().count("Storage Queue Data Message Sender") == 1


@pytest.mark.parametrize("module", ["modules/evidence.bicep", "modules/host-storage.bicep"])
def test_an_account_takes_no_keys_and_no_strangers(module: str) -> None:
    account = block(text(module), "resource account ")
    for promise in (
        "allowBlobPublicAccess: false",
        "allowSharedKeyAccess: false",
        "allowCrossTenantReplication: false",
        "isLocalUserEnabled: false",
        "minimumTlsVersion: 'TLS1_2'",
        "supportsHttpsTrafficOnly: true",
        "publicNetworkAccess: private ? 'Disabled' : 'Enabled'",
    ):
        assert promise in account


def test_evidence_is_versioned_immutable_and_its_reading_is_logged() -> None:
    evidence = text("modules/evidence.bicep")
    account = block(evidence, "resource account ")
    assert "immutabilityPeriodSinceCreationInDays: options.immutabilityDays" in account
    assert "state: options.immutabilityState" in account
    assert "isVersioningEnabled: true" in block(evidence, "resource blobs ")
    logged = re.findall(r"category: '(\w+)', enabled: true", block(evidence, "resource log "))
    assert logged == ["StorageRead", "StorageWrite", "StorageDelete"]


# Parameter files


def assigned(name: str) -> dict[str, str]:
    """The parameters that a file gives."""
    found = re.split(r"^param (\w+) = ", text(name), flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_a_parameter_file_gives_what_there_is_and_all_that_is_needed(name: str) -> None:
    template = parameters(text("main.bicep"))
    values = assigned(name)
    assert values.keys() <= template.keys()
    assert {each for each, default in template.items() if not default} <= values.keys()
    assert text(name).strip().startswith("using 'main.bicep'")


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_a_parameter_file_gives_members_that_exist(name: str) -> None:
    for group, kind in GROUPS.items():
        allowed = members(text("options.bicep"), f"type {kind} = {{")
        given_members = dict(re.findall(r"^  (\w+): (.*)$", assigned(name).get(group, ""), re.MULTILINE))
        assert given_members.keys() <= allowed.keys(), group
        needed = {each for each, written in allowed.items() if not written.endswith("?")}
        assert group not in assigned(name) or needed <= given_members.keys(), group
    settings = re.findall(r"^  (\w+): ", assigned(name)["settings"], re.MULTILINE)
    assert set(settings) <= set(given()["operator"])


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_a_first_deployment_observes_and_locks_nothing(name: str) -> None:
    assert "RESPONSE_MODE: 'observe'" in assigned(name)["settings"]
    assert "immutabilityState: 'Unlocked'" in assigned(name)["evidence"]


def test_there_are_files_for_a_lab_for_production_and_for_azd() -> None:
    assert PARAMETER_FILES == ["lab.bicepparam", "main.bicepparam", "production.bicepparam"]
    assert "immutabilityDays: 1\n" in assigned("lab.bicepparam")["evidence"]
    assert "lock: true" in assigned("production.bicepparam")["app"]
    values = {name: value for name, value in given_settings("production.bicepparam").items() if value}
    assert load({**dict.fromkeys(STRINGS, "UseDevelopmentStorage=true"), **values}).PROTECTED.names


def test_where_evidence_is_reachable_from_is_as_the_deployment_document_says() -> None:
    """From the internet, but where a network of one's own is asked for: production asks, the others do not."""
    private = {name for name in PARAMETER_FILES if "private: true" in assigned(name).get("network", "")}
    assert private == {"production.bicepparam"}
    assert "param network NetworkOptions = { private: false }" in text("bulkhead.bicep")
    told = " ".join((ROOT / "docs" / "deploy.md").read_text(encoding="utf-8").split())
    assert "Without it **the evidence account's endpoint is reachable from the internet**" in told
    assert "`infra/production.bicepparam` sets it; `infra/lab.bicepparam` and `azd up` do not." in told


def given_settings(name: str) -> dict[str, str]:
    """The app's settings in a parameter file."""
    return dict(re.findall(r"^  (\w+): '(.*)'$", assigned(name)["settings"], re.MULTILINE))


def test_main_hands_everything_on() -> None:
    main, inner = parameters(text("main.bicep")), parameters(text("bulkhead.bicep"))
    handed = re.findall(r"^    (\w+): (?:\1|region)$", block(text("main.bicep"), "module bulkhead "), re.MULTILINE)
    assert main.keys() - inner.keys() == {"resourceGroupName"}
    assert sorted(handed) == sorted(inner)


# The key that seals evidence


def test_the_app_signs_with_the_key_and_does_nothing_else_with_it() -> None:
    assert ROLES["custom"]["signer"]["actions"] == []
    assert set(ROLES["custom"]["signer"]["dataActions"]) == {
        "Microsoft.KeyVault/vaults/keys/read",
        "Microsoft.KeyVault/vaults/keys/sign/action",
    }
    vault = text("modules/vault.bicep")
    allowed = "permissions: [{ actions: signer.actions, dataActions: signer.dataActions }]"
    assert allowed in block(vault, "resource signing ")
    assert "scope: key" in block(vault, "resource signs ")
    assert "keyOps: ['sign', 'verify']" in block(vault, "resource key ")
    assert "exportable: false" in block(vault, "resource key ")


def test_a_key_that_the_settings_name_goes_before_the_one_that_is_made() -> None:
    assert "union(defaults, keySettings, settings," in text("modules/app.bicep")
