"""What `az` tells of the storage accounts, for whoever may read them. What it cannot tell is named, not passed over."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from console.desk import STORAGE
from shared.models.readiness import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Az = Callable[[Sequence[str]], Any]
"""Asks `az`; None where it cannot be asked, or may not see."""

EVIDENCE = "EVIDENCE_STORAGE__blobServiceUri"
_SECONDS = 60
_DEPLOY = "deploy infra/ again; it says how the account should be"


def ask_az(arguments: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    """What `az` answers. See `Az`."""
    az = shutil.which("az")
    if az is None:
        return None
    command = [az, *arguments, "--output", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - arguments, no shell
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def account_findings(values: Mapping[str, str], az: Az) -> Iterator[Finding]:
    """How the accounts stand that are reached by identity; those behind a connection string are none of Azure's."""
    host = values.get(f"{STORAGE}__accountName", "")
    evidence = (urlsplit(values.get(EVIDENCE, "")).hostname or "").partition(".")[0]
    if host and not values.get(STORAGE):
        yield from _of_account("host storage", host, az(["storage", "account", "show", "--name", host]))
    if evidence:
        told = az(["storage", "account", "show", "--name", evidence])
        yield from _of_account("evidence account", evidence, told)
        if isinstance(told, dict):
            yield of_immutability(told)


def _of_account(check: str, name: str, told: object) -> Iterator[Finding]:
    if not isinstance(told, dict):
        text = f"{name} cannot be looked at from here: az is not there, not signed in, or may not read it"
        yield Finding(check=check, verdict=Verdict.BY_HAND, text=text, todo=f"az storage account show --name {name}")
        return
    wrong = [
        said
        for said, is_so in (
            ("takes account keys", told.get("allowSharedKeyAccess") is not False),
            ("allows public access to blobs", told.get("allowBlobPublicAccess") is not False),
            ("takes TLS below 1.2", told.get("minimumTlsVersion") not in {"TLS1_2", "TLS1_3"}),
        )
        if is_so
    ]
    second = told.get("secondaryLocation")
    copies = f"; its second copy lies in {second}" if second else "; it has no second copy elsewhere"
    if wrong:
        yield Finding(check=check, verdict=Verdict.BAD, text=f"{name} {', '.join(wrong)}{copies}", todo=_DEPLOY)
    else:
        yield Finding(check=check, verdict=Verdict.GOOD, text=f"{name}: no keys, no strangers, TLS 1.2{copies}")


def of_immutability(account: Mapping[str, Any]) -> Finding:
    """The account's policy, which every new version of a blob gets. Pure."""
    check = "immutability policy"
    versions = account.get("immutableStorageWithVersioning") or {}
    policy = versions.get("immutabilityPolicy") or {}
    days, state = policy.get("immutabilityPeriodSinceCreationInDays"), policy.get("state")
    if not versions.get("enabled") or not days or state not in {"Locked", "Unlocked"}:
        todo = "it can be enabled at creation only: deploy another account (infra/modules/evidence.bicep)"
        return Finding(check=check, verdict=Verdict.BAD, text="the account keeps nothing from deletion", todo=todo)
    text = f"{days} days, {state}"
    if state == "Unlocked":
        todo = "once the first deployment is accepted: evidence.immutabilityState 'Locked' (docs/deploy.md, step 6)"
        return Finding(check=check, verdict=Verdict.LOOK, text=text, todo=todo)
    return Finding(check=check, verdict=Verdict.GOOD, text=text)
