"""How long the shipped policy takes over an incident: a month of a large tenant is replayed by thousands."""

import json
import resource
import time

from local.tenant import samples
from local.tenant.shapes import incident
from responders._case import told_machines
from shared.models.incident import Incident
from tests.unit.incidents import NOW
from tests.unit.policies import DEFAULT

MANY = 5_000
BUDGET = 400e-6
"""Seconds for one incident on one core: 50,000 within ten seconds on two."""

MEMORY = 300 * 1024
"""KiB."""


def test_fifty_thousand_incidents_within_ten_seconds_on_two_cores() -> None:
    """Reading JSON, validating and assessing, one after the other. Nothing is kept; the time is this process' own."""
    kinds = (samples.harmful_incident, samples.harmless_incident, samples.protected_incident)
    sent = [json.dumps(incident(make("1"), "1", "tenant", NOW)) for make in (*kinds, samples.low_severity_incident)]
    read = [Incident.model_validate_json(each) for each in sent]
    begun = time.process_time()
    for number in range(MANY):
        one = Incident.model_validate(json.loads(sent[number % len(sent)]))
        DEFAULT.assess(one, told_machines(one), NOW)
    whole = (time.process_time() - begun) / MANY
    begun = time.process_time()
    for number in range(MANY):
        DEFAULT.assess(read[number % len(read)], {}, NOW)
    deciding = (time.process_time() - begun) / MANY
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\none incident: {whole * 1e6:.0f} us, of which assessing {deciding * 1e6:.0f} us; {memory // 1024} MiB")
    assert whole < BUDGET
    assert memory < MEMORY
