"""The archive as a person reaches it: the evidence account, as whoever is signed in, or somebody's link to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from console.desk import developer
from responders._access import runs
from responders._ports import EVIDENCE
from shared.errors import SettingsError
from shared.storage.limits import check_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.storage.interface import Clock, Custodian, Evidence

SETTING = "EVIDENCE_STORAGE"

OURS = re.compile(r"\d{4}/\d{2}/inc-[^/]+/[^/]+/run-[^/]+")
"""How we call a run, by its whole name."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What lies there, what may be done with it, and its clock. `inside` is where to look (empty: everywhere)."""

    evidence: Evidence
    custodian: Custodian
    clock: Clock
    inside: str = ""

    def runs(self, incident: str = "") -> dict[str, bool]:
        """The runs, of one incident or all, each with whether it was sealed."""
        found = runs(self.evidence.names(self.inside))
        return {run: closed for run, closed in found.items() if not incident or f"/inc-{incident}/" in run}

    def run(self, named: str) -> str:
        """The one run that is meant: by its whole name, or the end of it. A whole name of ours is that of one run, for
        else whoever puts another one under a longer name could keep it from being named. Raises UsageError.
        """
        name = named.strip("/")
        found = [run for run in self.runs() if run == name or run.endswith(f"/{name}")]
        if name in found and OURS.fullmatch(name):
            found = [name]
        if len(found) != 1:
            how_many = f"{len(found)} runs are" if found else "no run is"
            raise click.UsageError(f"{how_many} called {named}; bulkhead evidence list has their whole names")
        try:
            check_object(found[0])
        except ValueError as error:
            raise click.UsageError(f"somebody put it there by a name that nothing can be read by: {error}") from error
        return found[0]


def open_archive(values: Mapping[str, str], url: str = "") -> Archive:
    """The archive that the values name, or the one at `url`: a container's, with or without a SAS, and perhaps with the
    name of a run behind it. Raises SettingsError.
    """
    from shared.storage.connections import Connection, Location, locate  # noqa: PLC0415 - see console.desk

    if not url:
        connection, container, inside = Connection(locate(SETTING, values), credential=developer), EVIDENCE, ""
    else:
        parts = urlsplit(url)
        container, _, inside = parts.path.strip("/").partition("/")
        account = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme != "https" or not container:
            raise SettingsError(
                [f"{account}: needs https and a container: https://ACCOUNT.blob.core.windows.net/evidence"]
            )
        string = f"BlobEndpoint={account};SharedAccessSignature={parts.query}" if parts.query else ""
        where = Location("the URL", connection_string=string, urls={"blob": account})
        connection = Connection(where, credential=developer)
    return Archive(connection.evidence(container), connection.custodian(container), connection.clock, inside)
