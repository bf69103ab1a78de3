"""Wires and servers that fail in ways that no tenant can imitate: nobody there, no name, no TLS, no trust, no patience.

`asked_at` asks whatever stands at an address as if it were a service, through that service's adapter.
"""

import datetime as dt
import socket
import ssl
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from requests.adapters import HTTPAdapter

from responders._refusal import Service
from responders._zip import whole_zip
from shared.clients.defender import DefenderDevices
from shared.clients.downloads import LinkDownloads
from shared.clients.graph import GraphIncidents
from shared.clients.web import Api, session
from shared.clients.webhooks import WebhookChat
from tests.contract.test_clients_chat import CARD, TEXT
from tests.contract.test_clients_stand import HOST, Stand, Stub

LATE = 0.2
"""Seconds that an impatient session waits."""


class Impatient(HTTPAdapter):
    """A wire that waits for nobody, whatever the caller would."""

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        return super().send(request, *args, **kwargs | {"timeout": LATE})  # type: ignore[arg-type]


def nowhere() -> str:
    """An address that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def asked_at(service: Service, url: str, http: requests.Session) -> None:
    """Ask what stands at an address as if it were the service."""
    api = Api(url, lambda: "t", http)
    if service is Service.GRAPH:
        GraphIncidents(api).get("7")
    elif service is Service.DEFENDER:
        DefenderDevices(api, 5).machine(HOST)
    elif service is Service.DOWNLOADS:
        host = url.split("//", maxsplit=1)[-1].rpartition(":")[0] or url.rpartition("//")[2]
        list(whole_zip(LinkDownloads([host], http, loopback=True).open(f"{url}/x").chunks))
    else:
        WebhookChat(f"{url}/x", http).post(TEXT if service is Service.SLACK else CARD)


def unreachable(service: Service) -> Callable[[Stand], object]:
    def ask(_stand: Stand) -> None:
        with session() as http:
            asked_at(service, nowhere(), http)

    return ask


def nameless(service: Service) -> Callable[[Stand], object]:
    """`.invalid` never resolves (RFC 6761)."""

    def ask(_stand: Stand) -> None:
        with session() as http:
            asked_at(service, "https://world.invalid:443", http)

    return ask


def unsafe(service: Service) -> Callable[[Stand], object]:
    """Who answers speaks no TLS."""

    def ask(stand: Stand) -> None:
        with session() as http:
            asked_at(service, stand.tenant.links.base_url.replace("http://", "https://"), http)

    return ask


def untrusted(service: Service) -> Callable[[Stand], object]:
    """Who answers has a certificate of their own making."""

    def ask(_stand: Stand) -> None:
        with SelfSigned() as url, session() as http:
            asked_at(service, url, http)

    return ask


def waiting(service: Service) -> Callable[[Stand], object]:
    """Who answers takes longer than the caller waits."""

    def ask(stand: Stand) -> None:
        stand.trouble("timeout", times=None, seconds=LATE * 10)
        with session() as http:
            http.mount("http://", Impatient())
            asked_at(service, stand.tenant.links.base_url, http)

    return ask


def at_stub(service: Service, answer: Callable[[BaseHTTPRequestHandler], None]) -> Callable[[Stand], object]:
    def ask(_stand: Stand) -> None:
        with Stub(answer) as stub, session() as http:
            asked_at(service, stub.url, http)

    return ask


def cut(to: BaseHTTPRequestHandler) -> None:
    """Announce more than is sent."""
    to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")
    to.close_connection = True


def hang_up(to: BaseHTTPRequestHandler) -> None:
    to.close_connection = True


class SelfSigned:
    """A server on loopback whose certificate nobody has signed but itself."""

    def __enter__(self) -> str:
        self._server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(_certificate())
            file.flush()
            context.load_cert_chain(file.name)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _certificate() -> bytes:
    """A fresh key and its certificate (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *plain) + made.public_bytes(serialization.Encoding.PEM)
