"""Collect what is gone after a restart: connections, processes, what runs from memory. The package's stand-in.

Asked for by itself where Defender cannot make an investigation package (a huge event log, battery, a metered
connection): small, quick, and through live response.
"""

from __future__ import annotations

from responders._bundles import Bundle
from responders._capture import Leg


class CollectVolatile(Bundle):
    """What is volatile on one device."""

    name = "collect_volatile"
    leg = Leg.TRIAGE
    holds = "what is volatile"


RESPONDER = CollectVolatile()
