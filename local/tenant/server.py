"""The simulated tenant over real HTTP, on loopback: sockets, threads and nothing else.

One lock stands around the model, so the tenant's behaviour is that of the model; the threads only move bytes, wait out
delays and break connections where a fault says so.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from local.tenant.door import FrontDoor
from local.tenant.wire import SURPLUS, Reply, Request

if TYPE_CHECKING:
    from types import TracebackType

    from local.tenant.model import Tenant

_CHUNK = 256 * 1024
_BODYLESS = frozenset({204, 304})
_RST = struct.pack("ii", 1, 0)


class TenantServer:
    """Serves one tenant; use it as a context manager, or call `start` and `stop`."""

    def __init__(self, tenant: Tenant, port: int = 0) -> None:
        """Bind to loopback; port 0 takes a free one."""
        self._listener = _Listener(("127.0.0.1", port), FrontDoor(tenant))
        self.port = int(self._listener.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        tenant.at(self.url)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> Self:
        """Serve in a thread."""
        self._thread.start()
        return self

    def wait(self) -> None:
        """Block until somebody asks the server to stop."""
        self._listener.stopping.wait()

    def ask_to_stop(self) -> None:
        """Let `wait` return; safe in a signal's handler."""
        self._listener.stopping.set()

    def stop(self) -> None:
        """Stop serving and close the socket."""
        self._listener.stopping.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> Self:
        """Serve in a thread."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self.stop()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], door: FrontDoor) -> None:
        super().__init__(address, _Connection)
        self.door = door
        self.lock = threading.Lock()
        self.stopping = threading.Event()

    def answer(self, request: Request) -> Reply:
        with self.lock:
            return self.door.handle(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over clients that went away; print what is the tenant's own mistake."""
        import sys  # noqa: PLC0415

        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "SimulatedTenant"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024

    def _serve(self) -> None:
        listener = cast("_Listener", self.server)
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = self._chunks()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        self._send(listener.answer(request))
        if request.method == "POST" and request.path == "/_tenant/shutdown":
            self.wfile.flush()
            listener.stopping.set()

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent: the tenant keeps its own log."""

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def _send(self, reply: Reply) -> None:
        mishap = reply.mishap
        if mishap and mishap.kind in {"hang", "late"}:
            cast("_Listener", self.server).stopping.wait(mishap.seconds)
        if mishap and mishap.kind in {"reset", "hang"}:
            self._break(reset=mishap.kind == "reset")
            return
        length = reply.file.length if reply.file else len(reply.body)
        surplus = SURPLUS if mishap and mishap.kind == "long" else b""
        self.send_response_only(reply.status)
        headers = {**reply.headers, "Content-Length": str(length + len(surplus))}
        for name, value in headers.items():
            if name != "Content-Length" or reply.status not in _BODYLESS:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self._send_body(reply, length // 2 if mishap and mishap.kind == "cut" else length)
        self.wfile.write(surplus)
        if mishap and mishap.kind == "cut":
            self._break(reset=False)

    def _send_body(self, reply: Reply, length: int) -> None:
        if reply.file is None:
            self.wfile.write(reply.body[:length])
            return
        with reply.file.path.open("rb") as source:
            source.seek(reply.file.start)
            while length > 0 and (part := source.read(min(_CHUNK, length))):
                self.wfile.write(part)
                length -= len(part)

    def _break(self, *, reset: bool) -> None:
        """Close the connection, with a reset instead of an orderly end where wanted."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                # the file objects keep the socket alive; detach and close it for the reset to go out at once
                socket.close(self.connection.detach())
