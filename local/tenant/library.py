"""The tenant's live response library: files by name, as anybody with the role may list, replace and remove them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.tenant.clock import stamp
from local.tenant.wire import ApiError, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.tenant.clock import Clock
    from local.tenant.settings import TenantSettings

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_BOUNDARY = re.compile(r'multipart/form-data;.*boundary="?([^";]+)"?', re.IGNORECASE)
_FIELD = re.compile(r'name="([^"]*)"')
_FILE = re.compile(r'filename="([^"]*)"')
_CONTEXT = "https://api.security.microsoft.com/api/$metadata#LibraryFiles"


@dataclass(frozen=True, slots=True)
class Form:
    """An upload: the file's name and bytes, and the other fields as text."""

    name: str
    content: bytes
    fields: Mapping[str, str]


class Library:
    """Files by name."""

    def __init__(self, settings: TenantSettings, now: Clock) -> None:
        """Start without any."""
        self._settings = settings
        self._now = now
        self._files: dict[str, tuple[bytes, Json]] = {}

    def content(self, name: str) -> bytes | None:
        """A file's bytes, or None."""
        return self._files[name][0] if name in self._files else None

    def listing(self) -> Json:
        """Answer GET /api/libraryfiles."""
        return {"@odata.context": _CONTEXT, "value": [dict(shown) for _, shown in self._files.values()]}

    def upload(self, form: Form, by: str) -> Json:
        """Answer POST /api/libraryfiles; ApiError 400 for a name that is taken, or a file that is too large."""
        if not _NAME.fullmatch(form.name):
            raise ApiError(400, "InvalidInput", "A file's name holds letters, digits, '-', '_' and '.' only.")
        if len(form.content) > self._settings.library_file_limit:
            raise ApiError(400, "InvalidInput", "The file is larger than the limit.")
        override = form.fields.get("OverrideIfExists", "false").lower() == "true"
        if form.name in self._files and not override:
            raise ApiError(400, "BadRequest", f"The file {form.name} already exists.")
        return self.put(form.name, form.content, by, form.fields)

    def put(self, name: str, content: bytes, by: str, fields: Mapping[str, str] | None = None) -> Json:
        """Keep a file, in place of one of that name; this is also what a person does in the portal."""
        told = fields or {}
        made = self._files[name][1]["creationTime"] if name in self._files else stamp(self._now())
        shown = {
            "fileName": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "description": told.get("Description", ""),
            "creationTime": made,
            "lastUpdatedTime": stamp(self._now()),
            "createdBy": by,
            "hasParameters": told.get("HasParameters", "false").lower() == "true",
            "parametersDescription": told.get("ParametersDescription", ""),
        }
        self._files[name] = (content, shown)
        return {"@odata.context": f"{_CONTEXT}/$entity", **shown}

    def remove(self, name: str) -> None:
        """Answer DELETE /api/libraryfiles/{name}; ApiError 404."""
        if self._files.pop(name, None) is None:
            raise ApiError(404, "ResourceNotFound", f"The file {name} was not found.")


def form_of(content_type: str, body: bytes) -> Form:
    """The upload in a multipart body; ApiError 400 for anything else."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise ApiError(400, "InvalidRequestBody", "The body must be multipart/form-data.")
    name, content, fields = "", None, {}
    for part in body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, rest = part.partition(b"\r\n\r\n")
        text, value = head.decode(errors="replace"), rest.removesuffix(b"\r\n")
        field = _FIELD.search(text)
        if field and field[1].lower() == "file":
            file = _FILE.search(text)
            name, content = (file[1] if file else ""), value
        elif field:
            fields[field[1]] = value.decode(errors="replace")
    if content is None or not name:
        raise ApiError(400, "InvalidRequestBody", "The body holds no file.")
    return Form(name, content, fields)
