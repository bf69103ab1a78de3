"""A tenant of other habits than local/tenant, and with faults of its own, over real HTTP.

Whatever is not forbidden by the documents is done in another way here: a byte order mark, packed bodies, members in
another case of their values, numbers for ids, nulls, members that nobody knows, filters that are ignored, relative
addresses of next pages, alerts in another order with every answer, or on a page of their own, answers without a length,
another status for a success. While `troubled`, one call in so many
gets an answer of `SPOILS` instead, some of them after the call has had its effect. Everything is drawn from one seed.
"""

import gzip
import io
import json
import random
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]

PAGE: Final = 4
RUNS: Final = timedelta(seconds=45)
"""How long a machine action takes here."""

FATES: Final = ("Succeeded", "SUCCEEDED", "succeeded")
WAITS: Final = ("-5", "0.75", "1e9", "never", "999999999999", "Thu, 01 Jan 1970 00:00:00 GMT")
HTML: Final = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"


@dataclass
class Reply:
    """An answer before it is spoilt: `body` None is none at all."""

    status: int
    body: object = None
    raw: bytes = b""
    kind: str = "application/json; odata.metadata=minimal"


@dataclass
class Doing:
    """A machine action."""

    id: str
    kind: str
    device: str
    comment: str
    begun: datetime
    fate: str
    ours: bool


@dataclass
class Foreign:
    """The state behind the server: what its clock says, what it shows, and what was done to it."""

    now: Callable[[], datetime]
    seed: int
    incidents: dict[str, Json] = field(default_factory=dict)
    machines: dict[str, Json] = field(default_factory=dict)
    actions: list[Doing] = field(default_factory=list)
    messages: list[tuple[str, Json]] = field(default_factory=list)
    comments: dict[str, list[str]] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)
    apart: frozenset[str] = frozenset()
    troubled: bool = True
    calls: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)  # noqa: S311 - a game
        self._lock = threading.Lock()
        self._asked: dict[str, int] = {}

    def choose(self, *options: Any) -> Any:  # noqa: ANN401 - whatever was given
        with self._lock:
            return self._draw.choice(options)

    def spoils(self) -> bool:
        with self._lock:
            self.calls += 1
            return self.troubled and self._draw.random() < 0.3

    # what it shows

    def show(self, incident: Json) -> None:
        stamp = self.now().strftime("%Y-%m-%dT%H:%M:%S.%f") + "7+00:00"
        self.incidents[str(incident["id"])] = {**incident, "lastUpdateDateTime": stamp, "xNovel": {"a": [None]}}

    def isolated(self, device: str) -> bool:
        done = [each for each in self.actions if each.device == device.lower() and self._status(each) in FATES]
        kinds = [each.kind for each in done if each.kind in {"Isolate", "Unisolate"}]
        return bool(kinds) and kinds[-1] == "Isolate"

    def ours(self, device: str, kind: str) -> list[Doing]:
        return [each for each in self.actions if (each.device, each.kind, each.ours) == (device.lower(), kind, True)]

    def told(self, words: str) -> list[str]:
        """What any channel was told that has these words."""
        texts = [json.dumps(message) for _, message in self.messages]
        return [text for text in texts if words in text]

    # what it answers

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Json) -> Reply:
        match method, *[part for part in path.split("/") if part]:
            case _, "v1.0", "security", "incidents", *rest:
                return self._graph(method, rest, query, body)
            case "GET", "api", *rest:
                return self._read(rest)
            case "POST", "api", "machines", machine, verb:
                return self._made(machine.lower(), verb, str(body["Comment"]))
            case "GET", "download", _:
                return Reply(200, raw=PACKAGE, kind="application/octet-stream")
            case "POST", "chat", channel:
                self.messages.append((channel, body))
                return Reply(200, raw=b"ok", kind="text/plain")
            case _:
                return Reply(404, raw=HTML, kind="text/html")

    def _graph(self, method: str, rest: list[str], query: dict[str, list[str]], body: Json) -> Reply:
        match method, *rest:
            case ("GET",):
                return self._listed(query)
            case "GET", incident:
                found = self._one(self.incidents, incident)
                return Reply(200, self._seen(self.incidents[incident])) if found.status == 200 else found
            case "GET", incident, "alerts":
                return Reply(200, {"value": self._alerts(self.incidents[incident]), "@odata.nextLink": ""})
            case "PATCH", incident:
                self.incidents[incident] |= {"customTags": body["customTags"]}
                return Reply(204)
            case _:
                said = self.comments.setdefault(rest[0], [])
                said.append(str(body["comment"]))
                self.incidents[rest[0]]["comments"] = [{"comment": each} for each in said]
                return Reply(200, {})

    def _read(self, rest: list[str]) -> Reply:
        match rest:
            case ["machines"]:
                return Reply(200, {"value": [*self.machines.values(), None, "odd", 7]})
            case ["machines", machine]:
                return self._one(self.machines, machine.lower())
            case ["machineactions"]:
                return Reply(200, {"value": [None, 5, *JUNK, *(self._shown(each) for each in reversed(self.actions))]})
            case ["machineactions", action, "getPackageUri"]:
                return self._link(action)
            case _:
                found = [each for each in self.actions if each.id == rest[-1]]
                return Reply(200, self._shown(found[0])) if found else Reply(404, {"error": None})

    def _one(self, rows: dict[str, Json], key: str) -> Reply:
        if key in rows:
            return Reply(200, rows[key])
        return Reply(404, {"Error": {"Code": "ResourceNotFound", "Message": "?"}})

    def _listed(self, query: dict[str, list[str]]) -> Reply:
        """Whatever was asked for, everything, oldest first and one of each page twice; filters of two conditions are
        refused with a page of HTML.
        """
        if " and " in "".join(query.get("$filter", [])):
            return Reply(400, raw=HTML, kind="text/html")
        start = int(query.get("$skip", ["0"])[0])
        rows = list(self.incidents.values())[max(0, start - 1) : start + PAGE]
        more = start + PAGE < len(self.incidents)
        shown = [self._seen(row) for row in rows]
        return Reply(200, {"value": [*shown, None], "@odata.nextLink": f"?$skip={start + PAGE}" if more else None})

    def _seen(self, row: Json) -> Json:
        """An incident as this answer shows it, with the alerts of some on a page of their own (`apart`)."""
        own = {"@odata.etag": f'W/"{self.calls}"', "alerts@odata.context": f"#{self.calls}"}
        if str(row["id"]) in self.apart:
            own |= {"alerts@odata.nextLink": f"incidents/{row['id']}/alerts?$skiptoken={self.calls}"}
            return {**row, **own, "alerts": []}
        return {**row, **own, "alerts": self._alerts(row)}

    def _alerts(self, row: Json) -> object:
        found = row["alerts"]
        turn = self.choose(0, 1, 2)
        return [*found[turn:], *found[:turn]] if isinstance(found, list) else found

    def _made(self, device: str, verb: str, comment: str) -> Reply:
        kind = {"isolate": "Isolate", "unisolate": "Unisolate"}.get(verb, "CollectInvestigationPackage")
        if device not in self.machines:
            return Reply(404, {"error": {"code": "resourceNotFound", "message": None}})
        others = [each for each in self.actions if each.device == device and each.kind == kind]
        if any(self._status(each) in {"Pending", "inprogress"} for each in others):
            return Reply(400, {"error": {"code": "activeRequestAlreadyExists", "message": "wait", "target": 17}})
        if kind == "Isolate" and self.isolated(device):
            self.doubles.append(device)
        made = Doing(
            f"act.{self.seed}-{len(self.actions)}", kind, device, comment, self.now(), self.choose(*FATES), ours=True
        )
        self.actions.append(made)
        return Reply(self.choose(200, 201, 202), self._shown(made))

    def _status(self, each: Doing) -> str:
        age = self.now() - each.begun
        return "Pending" if age < RUNS / 3 else "inprogress" if age < RUNS else each.fate

    def _shown(self, each: Doing) -> Json:
        done = self._status(each) in FATES
        return {
            "Novel": {},
            "id": each.id,
            "type": each.kind.upper() if done else each.kind,
            "status": self._status(each),
            "machineId": each.device.upper(),
            "requestorComment": f"  {each.comment}\r\n",
            "requestor": None,
            "creationDateTimeUtc": each.begun.strftime("%Y-%m-%dT%H:%M:%S.%f") + "1",
            "lastUpdateTimeUtc": 0,
            "errorHResult": None,
            "relatedFileInfo": [],
        }

    def _link(self, action: str) -> Reply:
        self._asked[action] = self._asked.get(action, 0) + 1
        if self._asked[action] < 3:
            return Reply(404, raw=b"not yet", kind="text/plain")
        return Reply(200, {"value": f'  "{self.url}/download/{action}" '})


JUNK: Final[list[object]] = [
    {"id": None, "status": "Succeeded", "type": "Isolate", "machineId": None},
    {"id": "old", "status": "Blorp", "type": "Frobnicate", "machineId": "0" * 40, "creationDateTimeUtc": "yesterday"},
    {"status": ["Failed"], "machineId": {}, "requestorComment": 7},
    [],
]


def _package() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("Autoruns/a.txt", "x" * 10_000)
    return held.getvalue()


PACKAGE: Final = _package()

# How an answer is spoilt


def _send(to: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    to.send_response_only(status)
    for name, value in headers.items():
        to.send_header(name.replace("_", "-"), value)
    to.end_headers()
    to.wfile.write(body)


def _whole(to: BaseHTTPRequestHandler, status: int, body: bytes, kind: str, date: str, **more: str) -> None:
    _send(to, status, body, Content_Type=kind, Content_Length=str(len(body)), Date=date, **more)


def _hang_up(to: BaseHTTPRequestHandler) -> None:
    to.close_connection = True


SPOILS: Final[dict[str, Callable[[BaseHTTPRequestHandler, Foreign, bytes, str], None]]] = {
    "page": lambda to, _state, _body, date: _whole(to, 200, HTML, "text/html", date),
    "gateway": lambda to, _state, _body, date: _whole(to, 502, HTML, "text/html", date),
    "wait": lambda to, state, _body, date: _whole(
        to, 429, b"slow down", "text/plain", date, Retry_After=state.choose(*WAITS)
    ),
    "packed": lambda to, _state, _body, date: _whole(
        to, 503, b"\x1f\x8b broken", "application/json", date, Content_Encoding="gzip"
    ),
    "cut": lambda to, _state, body, date: _cut(to, body, date),
    "long": lambda to, _state, body, date: _whole(to, 200, body + b"]]}", "application/json", date),
    "list": lambda to, _state, _body, date: _whole(to, 200, b"[]", "application/json", date),
    "null": lambda to, _state, _body, date: _whole(to, 200, b"null", "application/json", date),
    "nothing": lambda to, _state, _body, date: _whole(to, 200, b"", "application/json", date),
    "deep": lambda to, _state, _body, date: _whole(to, 200, b'{"value":' + b"[" * 90_000, "application/json", date),
    "other": lambda to, _state, _body, date: _whole(to, 200, b'{"id": "7", "value": {}}', "application/json", date),
    "no date": lambda to, _state, body, _date: _send(to, 200, body, Content_Length=str(len(body))),
    "old date": lambda to, _state, body, _date: _whole(
        to, 200, body, "application/json", "Mon, 01 Jan 2001 00:00:00 -0000"
    ),
    "early": lambda to, _state, _body, _date: _hang_up(to),
}


def _cut(to: BaseHTTPRequestHandler, body: bytes, date: str) -> None:
    _send(to, 200, body[: len(body) // 2], Content_Type="application/json", Content_Length=str(len(body)), Date=date)
    to.close_connection = True


def _written(to: BaseHTTPRequestHandler, state: Foreign, reply: Reply, date: str) -> None:
    """An answer in one of this tenant's spellings."""
    body = reply.raw or (b"" if reply.body is None else json.dumps(reply.body).encode())
    if reply.raw or reply.body is None:
        if reply.status == 204:
            _send(to, 204, b"", Date=date)
        else:
            _whole(to, reply.status, body, reply.kind, date)
        return
    match state.choose("mark", "packed", "chunks", "slow", "utf-16"):
        case "mark":
            _whole(to, reply.status, b"\xef\xbb\xbf" + body + b"\r\n", "text/json", date)
        case "packed":
            _whole(to, reply.status, gzip.compress(body), reply.kind, date, Content_Encoding="gzip")
        case "chunks":
            half = len(body) // 2 or 1
            parts = [body[:half], body[half:], b""]
            chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"
            _send(to, reply.status, chunked, Content_Type=reply.kind, Transfer_Encoding="chunked", Date=date)
        case "slow":
            _send(to, reply.status, body[:3], Content_Length=str(len(body)), Date=date)
            time.sleep(0.02)
            to.wfile.write(body[3:])
        case _:
            _whole(to, reply.status, reply_utf16(reply.body), "application/json", date)


def reply_utf16(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-16")


@contextmanager
def serving(state: Foreign) -> Iterator[str]:
    """The tenant's address, until the context ends."""

    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            spoilt = state.choose(*SPOILS) if state.spoils() else ""
            date = format_datetime(state.now(), usegmt=True)
            if spoilt and self.command == "POST" and state.choose(True, False):
                _hang_up(self)  # before it had any effect
                return
            reply = state.answer(self.command, url.path, parse_qs(url.query), json.loads(sent or b"{}"))
            if spoilt:
                body = reply.raw or json.dumps(reply.body).encode()
                SPOILS[spoilt](self, state, body, date)
            else:
                _written(self, state, reply, date)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the library's names

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state.url
    finally:
        server.shutdown()
        server.server_close()
