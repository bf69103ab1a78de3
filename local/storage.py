"""What a host on this machine needs before it listens: settings that are right, and storage that has its parts.

In Azure the table, queues and containers are declared with the deployment. Here nobody declared them, so those that are
missing are made, wherever a connection string gives the right to.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from responders._ports import DOCUMENTS, EVIDENCE, QUEUES, REVIEW, STAGING, TABLE
from shared import config
from shared.storage.connections import Connection, locate
from shared.storage.provision import provision

if TYPE_CHECKING:
    from collections.abc import Mapping


def check() -> None:
    """Check this process' settings and make what its storage lacks. Raises SettingsError."""
    config.check()
    prepare(os.environ)


def prepare(settings: Mapping[str, str]) -> None:
    """Make the table, queues and containers of accounts reached by connection string; others are left alone."""
    host, evidence = locate("AzureWebJobsStorage", settings), locate("EVIDENCE_STORAGE", settings)
    if host.connection_string:
        provision(Connection(host), tables=[TABLE], queues=QUEUES, containers=[DOCUMENTS, STAGING])
    if evidence.connection_string:
        provision(Connection(evidence), containers=[EVIDENCE, REVIEW])
