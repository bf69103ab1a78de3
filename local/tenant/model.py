"""The simulated tenant as a whole: a state machine without sockets, threads or a clock of its own.

`Tenant` offers what each API call means, as methods; they raise `ApiError` where the service refuses. `door.FrontDoor`
puts roles, rates, faults and the log before them and speaks in requests and replies. Both depend only on the clock and
the seed they are given, so that a day of incidents can be played in a second, and again.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from local.tenant import hunting_rows, package
from local.tenant.chat import Chat
from local.tenant.desk import PORTAL, Desk
from local.tenant.draws import Draws
from local.tenant.faults import Faults
from local.tenant.fleet import Fleet
from local.tenant.hunting import Hunting
from local.tenant.identity import Identity
from local.tenant.incidents import Incidents
from local.tenant.journal import Journal
from local.tenant.library import Library, form_of
from local.tenant.links import Links
from local.tenant.liveresponse import Restarts, Runner, nobody
from local.tenant.orders import body_of
from local.tenant.rates import Rates
from local.tenant.virustotal import VirusTotal
from local.tenant.wire import ApiError, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.tenant.actions import Action
    from local.tenant.clock import Clock
    from local.tenant.settings import TenantSettings

_PERSON = "analyst@contoso.com"
_STRING_CONTEXT = "https://api.security.microsoft.com/api/$metadata#Edm.String"


class Tenant:
    """One Defender tenant with its incidents, machines, machine actions, links, chats, rates and faults."""

    def __init__(self, settings: TenantSettings, now: Clock, seed: int = 0, runner: Runner = nobody) -> None:
        """Start an empty tenant; `now` must give aware datetimes, `runner` carries out live response."""
        self.settings = settings
        self.now = now
        self.draws = Draws(seed)
        self.fleet = Fleet(now)
        self.incidents = Incidents(settings, now)
        self.library = Library(settings, now)
        self._runner = runner
        self.desk = Desk(settings, self.fleet, now, self.draws, runner, self.library.content)
        self.hunting = Hunting(settings, now)
        self._reported: set[str] = set()
        self.links = Links(settings, now, self.draws)
        self.chat = Chat(settings.slack_per_second, settings.slack_burst, now)
        self.virustotal = VirusTotal(settings.virustotal_key, settings.virustotal_files)
        self.rates = Rates(settings.rates, now, self.draws)
        self.faults = Faults(self.draws)
        self.journal = Journal(now)
        self.identity = Identity(
            tenant_id=settings.tenant_id,
            cloud=settings.cloud,
            seconds=settings.token_seconds,
            roles=settings.roles,
            app_name=settings.app_name,
            applications=settings.applications,
            now=now,
        )

    def at(self, base_url: str) -> None:
        """Say under which address the tenant is reached: links are made of it."""
        self.incidents.base_url = self.links.base_url = base_url

    # Graph

    def list_incidents(self, options: Mapping[str, str], *, all_members: bool = False) -> Json:
        """GET /v1.0/security/incidents; `all_members` is the Prefer header of section 2.4."""
        return self.incidents.listing(options, all_members=all_members)

    def get_incident(
        self, incident_id: str, options: Mapping[str, str] | None = None, *, all_members: bool = False
    ) -> Json:
        """GET /v1.0/security/incidents/{id}."""
        return self.incidents.get(incident_id, options, all_members=all_members)

    def patch_incident(self, incident_id: str, body: object, requestor: str, *, all_members: bool = False) -> Json:
        """PATCH /v1.0/security/incidents/{id}."""
        return self.incidents.patch(incident_id, body, requestor, all_members=all_members)

    def comment(self, incident_id: str, body: object, requestor: str) -> Json:
        """POST /v1.0/security/incidents/{id}/comments."""
        return self.incidents.comment(incident_id, body, requestor)

    def list_alerts(self, options: Mapping[str, str], *, all_members: bool = False) -> Json:
        """GET /v1.0/security/alerts_v2."""
        return self.incidents.alerts(options, all_members=all_members)

    def get_alert(self, alert_id: str, *, all_members: bool = False) -> Json:
        """GET /v1.0/security/alerts_v2/{id}."""
        return self.incidents.alert(alert_id, all_members=all_members)

    def hunt(self, body: object) -> Json:
        """POST /v1.0/security/runHuntingQuery. Its members may be written in capitals or not."""
        low = {str(name).lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
        query, timespan = low.get("query"), low.get("timespan")
        if not isinstance(query, str) or not (timespan is None or isinstance(timespan, str)):
            raise ApiError(400, "BadRequest", "The body must hold a 'Query', and a 'Timespan' in words if any.")
        if self.settings.hunting_synthetic:
            self._report(self.incidents.everything())
        return self.hunting.run(query, timespan)

    def _report(self, incidents: list[Json]) -> None:
        """Let the devices of incidents that are new send what happened on them."""
        for incident in incidents:
            if incident["id"] not in self._reported:
                self._reported.add(incident["id"])
                self.hunting.load(hunting_rows.of_incident(incident))

    # Defender for Endpoint

    def list_machines(self, options: Mapping[str, str]) -> Json:
        """GET /api/machines."""
        return self.fleet.listing(options)

    def get_machine(self, name_or_id: str) -> Json:
        """GET /api/machines/{id}."""
        return self.fleet.get(name_or_id)

    def order(self, name: str, machine_id: str, body: object, requestor: str) -> Json:
        """POST /api/machines/{id}/{name}, `name` as in `orders.ORDERS`; returns the machine action."""
        if name == "isolate":
            self._watch_isolate(machine_id)
        action = self.desk.ask(name, machine_id, body, requestor)
        return {"@odata.context": "https://api.security.microsoft.com/api/$metadata#MachineActions/$entity"} | (
            self.desk.show(action)
        )

    def isolate(self, machine_id: str, body: object, requestor: str) -> Json:
        """POST /api/machines/{id}/isolate."""
        return self.order("isolate", machine_id, body, requestor)

    def unisolate(self, machine_id: str, body: object, requestor: str) -> Json:
        """POST /api/machines/{id}/unisolate."""
        return self.order("unisolate", machine_id, body, requestor)

    def collect(self, machine_id: str, body: object, requestor: str) -> Json:
        """POST /api/machines/{id}/collectInvestigationPackage."""
        return self.order("collectInvestigationPackage", machine_id, body, requestor)

    def run_live_response(self, machine_id: str, body: object, requestor: str) -> Json:
        """POST /api/machines/{id}/runliveresponse."""
        return self.order("runliveresponse", machine_id, body, requestor)

    def list_actions(self, options: Mapping[str, str]) -> Json:
        """GET /api/machineactions."""
        return self.desk.listing(options)

    def get_action(self, action_id: str) -> Json:
        """GET /api/machineactions/{id}."""
        return self.desk.get(action_id)

    def cancel(self, action_id: str, body: object, requestor: str) -> Json:
        """POST /api/machineactions/{id}/cancel."""
        comment = body_of(body, {"Comment": None})["Comment"]
        return self.desk.cancel(action_id, comment, requestor)

    def package_uri(self, action_id: str) -> Json:
        """GET /api/machineactions/{id}/getPackageUri: the link stands in quotes of its own."""
        action = self._succeeded(action_id, "CollectInvestigationPackage")
        machine = self.fleet.one(action.machine_id)
        collected = self.desk.progress(action).finished or self.now()
        link = self.links.add(
            "WDATP_Investigation_Package.zip",
            self.settings.link_seconds,
            path=machine.package_file or self.settings.package_file,
            content=lambda: package.build(action.computer_dns_name, action.id, collected),
            content_key=action.id,
        )
        wrapped = json.dumps(link)
        escaped = wrapped.replace("/", "\\u002f") if self.settings.link_escaped else wrapped
        return {"@odata.context": _STRING_CONTEXT, "value": escaped}

    def live_response_link(self, action_id: str, index: int) -> Json:
        """GET /api/machineactions/{id}/GetLiveResponseResultDownloadLink(index=N)."""
        action = self.desk.one(action_id)
        self.desk.progress(action)
        result = action.results[index] if 0 <= index < len(action.results) else None
        if action.kind != "LiveResponse" or result is None or not self.desk.progress(action).final:
            raise ApiError(404, "ResourceNotFound", f"No result of command {index} of machine action {action_id}.")
        link = self.links.add(
            f"{action_id}_{index}",
            self.settings.live_response_link_seconds,
            content_type="application/octet-stream",
            path=str(result) if isinstance(result, Path) else None,
            content=lambda: b"" if isinstance(result, Path) else result,
            content_key=f"{action_id}/{index}",
        )
        return {"@odata.context": _STRING_CONTEXT, "value": link}

    def upload(self, content_type: str, body: bytes, by: str) -> Json:
        """POST /api/libraryfiles."""
        return self.library.upload(form_of(content_type, body), by)

    # people in the portal

    def person_orders(self, name: str, machine_id: str, by: str = _PERSON) -> Json:
        """Let a person isolate, release (unisolate) or collect."""
        body = {"Comment": "By hand in the portal"}
        if name == "isolate":
            body["IsolationType"] = "Full"
        return self.desk.show(self.desk.ask(name, machine_id, body, by, PORTAL))

    def person_cancels(self, action_id: str, by: str = _PERSON) -> Json:
        """Let a person cancel an action."""
        return self.desk.cancel(action_id, "Cancelled by hand", by, hidden=True)

    def person_connects(self, machine_id: str, seconds: float) -> None:
        """Let a person hold a live response session, which no API call shows."""
        self.fleet.one(machine_id).session_until = self.now() + timedelta(seconds=seconds)

    def reboot(self, machine_id: str) -> None:
        """Let a device restart; a runner that knows no devices has nothing to restart."""
        machine = self.fleet.one(machine_id)
        if isinstance(self._runner, Restarts):
            self._runner.reboot(machine)

    # what an onlooker may know

    def isolated(self, machine_id: str) -> bool:
        """Tell whether a device is off the network."""
        return self.desk.isolated(machine_id)

    def state(self) -> Json:
        """Show everything: machines with their isolation, all actions, all incidents."""
        now = self.now()
        machines = [
            {
                **one.shown,
                "isolated": self.isolated(one.shown["id"]),
                "online": one.presence.online(now),
                "sessionInPortal": one.session_until is not None and one.session_until > now,
            }
            for one in self.fleet.everything()
        ]
        actions = [{**self.desk.show(one), "visible": one.visible <= now} for one in self.desk.everything()]
        return {"machines": machines, "actions": actions, "incidents": self.incidents.everything()}

    def _succeeded(self, action_id: str, kind: str) -> Action:
        action = self.desk.one(action_id)
        if action.kind != kind or self.desk.progress(action).status != "Succeeded":
            raise ApiError(404, "ResourceNotFound", f"No package of machine action {action_id} is available.")
        return action

    def _watch_isolate(self, machine_id: str) -> None:
        """Note an isolate of a device that is being isolated, or is isolated and not being released."""
        pending = {one.kind for one in self.desk.of(machine_id) if not self.desk.progress(one).final}
        if "Isolate" in pending or (self.isolated(machine_id) and "Unisolate" not in pending):
            self.journal.violation("double_isolate", machine_id)
