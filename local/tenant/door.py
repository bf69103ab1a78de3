"""The front door: a request in, a reply out, with everything the service does around a call.

The order is the service's: a fault may strike first; then the route, the token and its role, the rate, the call.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.tenant import control, faults
from local.tenant.clock import http_date, stamp
from local.tenant.identity import WrongAudienceError
from local.tenant.routes import Call, Route, find
from local.tenant.wire import ApiError, Json, Reply, Request, json_reply, text_reply

if TYPE_CHECKING:
    from local.tenant.identity import Caller
    from local.tenant.model import Tenant


class FrontDoor:
    """Answers every request to one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        """Stand before a tenant."""
        self.tenant = tenant

    def handle(self, request: Request) -> Reply:
        """Answer one request; a broken answer is a reply with a mishap."""
        if request.path.startswith("/_tenant/"):
            return self._dated(control.answer(self.tenant, request))
        fault = self.tenant.faults.pick(request)
        caller: list[Caller] = []
        if fault and fault.kind in faults.BEFORE:
            reply = faults.instead(fault)
        else:
            reply = self._answer(request, caller)
            reply = faults.spoilt(fault, reply) if fault else reply
        name = caller[0].name if caller else None
        self.tenant.journal.write(request, reply, name, fault.kind if fault else None)
        return self._dated(reply)

    def _answer(self, request: Request, caller: list[Caller]) -> Reply:
        """Carry a call out; `caller` receives who made it."""
        found = find(request.method, request.path)
        if found is None:
            self.tenant.journal.violation("unknown_route", f"{request.method} {request.path}")
            return self._refused(ApiError(404, "NotFound", "The resource was not found."), _surface(request.path))
        route, params = found
        if route.surface in {"link", "chat"} and "authorization" in request.headers:
            self.tenant.journal.violation("bearer_to_link", f"{request.method} {route.name}")
        try:
            call = Call(request, params, self._authorised(route, request, caller))
            self._spend(route)
            return route.run(self.tenant, call)
        except ApiError as error:
            return self._refused(error, route.surface)
        except (json.JSONDecodeError, UnicodeDecodeError):
            code = "InvalidRequestBody" if route.surface == "mde" else "BadRequest"
            return self._refused(ApiError(400, code, "Request body is incorrect."), route.surface)

    def _authorised(self, route: Route, request: Request, caller: list[Caller]) -> Caller | None:
        if route.surface not in {"graph", "mde"}:
            return None
        try:
            who = self.tenant.identity.read(request.headers.get("authorization"), route.surface)
        except WrongAudienceError as error:
            self.tenant.journal.violation("wrong_audience", error.message)
            raise
        caller.append(who)
        who.require(*route.roles)
        return who

    def _spend(self, route: Route) -> None:
        if route.rate is None:
            return
        try:
            self.tenant.rates.spend(route.rate)
        except ApiError:
            self.tenant.journal.violation("rate_exceeded", route.rate)
            raise

    def _refused(self, error: ApiError, surface: str) -> Reply:
        """Give an error the shape of its surface."""
        if surface == "chat":
            return text_reply(error.status, error.message, error.headers)
        body: Json
        if surface == "identity":
            body = {"statusCode": error.status, "code": error.code, "message": error.message}
        elif surface == "graph":
            number = self.tenant.draws.guid("request-id")
            date = stamp(self.tenant.now())[:19]
            inner = {"date": date, "request-id": number, "client-request-id": number}
            body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
        else:
            target = self.tenant.draws.guid("request-id")
            body = {"error": {"code": error.code, "message": error.message, "target": target}}
        return json_reply(error.status, body, headers=error.headers)

    def _dated(self, reply: Reply) -> Reply:
        headers = {"Date": http_date(self.tenant.now()), **reply.headers}
        return Reply(reply.status, reply.body, headers, reply.file, reply.mishap, reply.effect)


def _surface(path: str) -> str:
    return "graph" if path.startswith("/v1.0/") else "mde"
