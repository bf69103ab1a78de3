"""Tokens of the App Service identity protocol, and who a caller is.

The tokens look like JWTs and carry audience, roles and expiry. Their last part is a checksum, not a signature: it tells
a token of this tenant from an invention, and protects nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from local.tenant.wire import ApiError, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.tenant.clock import Clock

GRAPH_ROLES = (
    "SecurityIncident.Read.All",
    "SecurityIncident.ReadWrite.All",
    "SecurityAlert.Read.All",
    "ThreatHunting.Read.All",
)
MDE_ROLES = (
    "Machine.Read.All",
    "Machine.ReadWrite.All",
    "Machine.Isolate",
    "Machine.CollectForensics",
    "Machine.LiveResponse",
    "Machine.Scan",
    "Machine.RestrictExecution",
    "Machine.StopAndQuarantine",
    "Library.Manage",
    "Ti.ReadWrite",
    "Ti.ReadWrite.All",
)
ALL_ROLES = GRAPH_ROLES + MDE_ROLES

_MDE = "https://api.securitycenter.microsoft.com"
_MDE_GCC = "https://api-gcc.securitycenter.microsoft.us"
_MDE_GOV = "https://api-gov.securitycenter.microsoft.us"
# cloud -> the audience of each surface; tokens are not interchangeable between clouds
CLOUDS: dict[str, dict[str, str]] = {
    "commercial": {"graph": "https://graph.microsoft.com", "mde": _MDE},
    "gcc": {"graph": "https://graph.microsoft.com", "mde": _MDE_GCC},
    "gcchigh": {"graph": "https://graph.microsoft.us", "mde": _MDE_GOV},
    "dod": {"graph": "https://dod-graph.microsoft.us", "mde": _MDE_GOV},
}
_ROLES_OF: dict[str, tuple[str, ...]] = {
    audience: GRAPH_ROLES if surface == "graph" else MDE_ROLES
    for surfaces in CLOUDS.values()
    for surface, audience in surfaces.items()
}
# issued, because a client may ask for them, but without any role that helps here
_OTHER_AUDIENCES = frozenset(
    {"https://storage.azure.com", "https://vault.azure.net", "https://api.security.microsoft.com"}
)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated application."""

    name: str
    roles: frozenset[str]

    def require(self, *anyone_of: str) -> None:
        """ApiError 403 unless the caller has one of the roles."""
        if anyone_of and not self.roles.intersection(anyone_of):
            wanted = ",".join(anyone_of)
            raise ApiError(
                403,
                "Forbidden",
                f"Missing application roles. API required roles: {wanted}, "
                f"application roles: {','.join(sorted(self.roles))}.",
            )


class Identity:
    """Issues tokens and reads them back."""

    def __init__(
        self,
        *,
        tenant_id: str,
        cloud: str,
        seconds: float,
        roles: tuple[str, ...],
        app_name: str,
        applications: Mapping[str, str],
        now: Clock,
    ) -> None:
        """Serve one tenant of one cloud."""
        self._tenant_id = tenant_id
        self._audiences = CLOUDS[cloud]
        self._seconds = seconds
        self._roles = roles
        self._app_name = app_name
        self._applications = applications
        self._now = now

    def issue(self, resource: str, client_id: str | None = None) -> Json:
        """Answer as the identity endpoint does; ApiError 400 for an unknown resource or identity."""
        audience = resource.rstrip("/")
        if audience not in _ROLES_OF and audience not in _OTHER_AUDIENCES:
            raise ApiError(400, "invalid_resource", f"The resource principal named {resource} was not found.")
        if client_id and self._applications and client_id not in self._applications:
            raise ApiError(400, "invalid_client", "No User Assigned or Delegated Managed Identity found.")
        now = int(self._now().timestamp())
        expires = now + int(self._seconds)
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self._tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": expires,
            "appid": client_id or "00000000-0000-4000-8000-000000000001",
            "app_displayname": self._applications.get(client_id or "", self._app_name),
            "roles": [role for role in self._roles if role in _ROLES_OF.get(audience, ())],
            "tid": self._tenant_id,
        }
        head = f"{_encode({'typ': 'JWT', 'alg': 'none'})}.{_encode(claims)}"
        return {
            "access_token": f"{head}.{self._checksum(head)}",
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": claims["appid"],
        }

    def read(self, authorization: str | None, surface: str) -> Caller:
        """Return who sent the header; ApiError 401 with code WrongAudience kept apart in the message."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(surface, "Access token is empty.")
        head, _, checksum = token.rpartition(".")
        if not head or checksum != self._checksum(head):
            raise _unauthorized(surface, "Access token is malformed or of another issuer.")
        claims = _decode(head.rpartition(".")[2])
        if claims["aud"] != self._audiences[surface]:
            raise WrongAudienceError(surface, f"Access token validation failure. Invalid audience {claims['aud']}.")
        if datetime.fromtimestamp(claims["exp"], UTC) <= self._now():
            raise _unauthorized(surface, "Lifetime validation failed, the token is expired.")
        return Caller(claims["app_displayname"], frozenset(claims["roles"]))

    def _checksum(self, head: str) -> str:
        return hashlib.sha256(f"{self._tenant_id}.{head}".encode()).hexdigest()[:32]


class WrongAudienceError(ApiError):
    """A token of another API was sent."""

    def __init__(self, surface: str, message: str) -> None:
        """Refuse with the surface's code for 401."""
        super().__init__(401, _code(surface), message)


def _unauthorized(surface: str, message: str) -> ApiError:
    return ApiError(401, _code(surface), message, {"WWW-Authenticate": "Bearer"})


def _code(surface: str) -> str:
    return "InvalidAuthenticationToken" if surface == "graph" else "Unauthorized"


def _encode(value: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _decode(text: str) -> Json:
    return cast("Json", json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
