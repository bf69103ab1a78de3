"""Collect a device's event logs beside the package, which has only Windows' Security log.

On Windows System, Application, PowerShell and Sysmon; on Linux the journal and the authentication logs.
"""

from __future__ import annotations

from responders._bundles import Bundle
from responders._capture import Leg


class CollectLogs(Bundle):
    """The event logs of one device."""

    name = "collect_logs"
    leg = Leg.LOGS
    holds = "event logs"


RESPONDER = CollectLogs()
