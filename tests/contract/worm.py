"""A wire to Azurite that refuses what write-once storage refuses. Azurite itself knows no immutability.

What is refused: learn.microsoft.com "Version-level WORM policies" and "Container-level WORM policies": while a blob is
protected, Delete Blob, Set Blob Metadata, Set Blob Properties, Snapshot and Put Page. Writing over is refused by
container, and makes a new version by version: here it is refused, so that whoever tried it is seen. The pages do not
forbid index tags to be set later; that is refused too, since nothing of ours does it. A conditional write of what
stands there already may be refused for either reason, and is here for the policy's.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self
from urllib.parse import parse_qs, urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import HttpRequest, HttpResponse, HttpTransport, RequestsTransport

_EDITS = {"metadata", "properties", "tags", "snapshot", "tier", "page", "appendblock", "expiry", "undelete"}


class Refused(HttpResponseError):
    """What the service answers: 409 BlobImmutableDueToPolicy."""

    def __init__(self, what: str) -> None:
        super().__init__(message=f"{what}: this operation is not permitted as the blob is immutable due to a policy")
        self.status_code = 409
        self.error_code = "BlobImmutableDueToPolicy"


def _wire() -> HttpTransport[HttpRequest, HttpResponse]:
    made: HttpTransport[HttpRequest, HttpResponse] = RequestsTransport(connection_timeout=5, read_timeout=30)
    return made


@dataclass
class WormTransport(HttpTransport[HttpRequest, HttpResponse]):
    """Sends what write-once storage would allow, and keeps the rest in `refused`; counts what stood there already."""

    inner: HttpTransport[HttpRequest, HttpResponse] = field(default_factory=_wire)
    refused: list[str] = field(default_factory=list)
    taken: int = 0

    def send(self, request: HttpRequest, **kwargs: object) -> HttpResponse:
        parts = urlsplit(request.url)
        comp = parse_qs(parts.query).get("comp", [""])[0]
        of_blob = parts.path.count("/") > 2
        over = request.method == "PUT" and comp in {"", "blocklist"} and request.headers.get("If-None-Match") != "*"
        edit = request.method == "PUT" and comp in _EDITS
        if of_blob and (request.method == "DELETE" or edit or over):
            self.refused.append(f"{request.method} {comp} {parts.path}")
            raise Refused(f"{request.method} {comp}")
        answer = self.inner.send(request, **kwargs)
        if answer.status_code == HTTPStatus.CONFLICT and answer.headers.get("x-ms-error-code") == "BlobAlreadyExists":
            self.taken += 1
            raise Refused(f"{request.method} {comp}")
        return answer

    def sleep(self, duration: float) -> None:
        self.inner.sleep(duration)

    def open(self) -> None:
        self.inner.open()

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
