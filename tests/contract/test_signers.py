"""What `Signer` promises: over the fake, the app's own key in a table, and Key Vault as its pages describe it.

The vault here is made up (`synthetic`): the answers of learn.microsoft.com "Get Key" and "Sign", with a key that Python
signs with. No vault of Microsoft's was asked.
"""

import base64
import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from responders._verify import check
from shared.clients.interface import Signer
from shared.clients.vault import VaultSigner
from shared.errors import BulkheadError, Denied, NotFound, Rejected, Throttled, Transient
from shared.models.archive.checkpoint import FINGERPRINT_OF, PublicKey, base64url
from shared.storage.local_key import KEY, PARTITION, LocalSigner
from tests.contract.sdk_stubs import Credential, ToStub
from tests.contract.test_clients_stand import Stub
from tests.fakes.signing import FakeSigner
from tests.fakes.storage import FakeRows
from tests.unit.archived import Archived, Memory

ROOT = Path(__file__).parents[2]
VAULT = "https://unit.vault.azure.net"
URL = f"{VAULT}/keys/custody"
VERSION = f"{URL}/0123456789abcdef0123456789abcdef"
DIGEST = hashlib.sha256(b"what is signed").digest()
ROTATED = f"{URL}/fedcba9876543210fedcba9876543210"
PRIVATE, NEWER = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)


def _json(to: BaseHTTPRequestHandler, status: int, said: object) -> None:
    body = json.dumps(said).encode()
    to.send_response(status)
    to.send_header("Content-Type", "application/json")
    to.send_header("Content-Length", str(len(body)))
    to.send_header(
        "WWW-Authenticate", 'Bearer authorization="https://login.example/t", resource="https://vault.azure.net"'
    )
    to.end_headers()
    to.wfile.write(body)


def _private(version: str) -> rsa.RSAPrivateKey:
    return PRIVATE if version == VERSION.rpartition("/")[2] else NEWER


def vault(to: BaseHTTPRequestHandler, newest: str = VERSION) -> None:
    version = to.path.split("/")[3].partition("?")[0] or newest.rpartition("/")[2]
    private, kid = _private(version), f"{URL}/{version}"
    sent = json.loads(base64.b64decode(to.headers["X-Sent"]) or b"{}")
    if "Authorization" not in to.headers:
        _json(to, 401, {})
    elif "/sign" in to.path:
        digest = base64.urlsafe_b64decode(sent["value"] + "==")
        assert sent["alg"] == "RS256"
        value = private.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        _json(to, 200, {"kid": kid, "value": base64url(value)})
    else:
        numbers = private.public_key().public_numbers()
        n, e = (each.to_bytes((each.bit_length() + 7) // 8, "big") for each in (numbers.n, numbers.e))
        key = {"kid": kid, "kty": "RSA", "key_ops": ["sign"], "n": base64url(n), "e": base64url(e)}
        _json(to, 200, {"key": key, "attributes": {"enabled": True}})


@pytest.fixture(params=["fake", "local", "vault"])
def signer(request: pytest.FixtureRequest) -> Iterator[Signer]:
    if request.param == "fake":
        yield FakeSigner()
    elif request.param == "local":
        yield LocalSigner(FakeRows())
    else:
        with Stub(vault) as stub:
            yield VaultSigner(URL, Credential(), transport=ToStub(VAULT, stub.url))


def test_a_run_is_sealed_with_it_and_verifies(signer: Signer) -> None:
    run = Archived()
    run.ports.signer = signer
    run.desk().keep_bytes("data/a.txt", b"a", kind="note", media_type="text/plain")
    run.desk().run.close("succeeded")
    found = check(Memory(run.objects))
    assert found.findings == []
    key = signer.key
    told = "local key" if key.kind == "local" else f"{key.kind} key {key.key}"
    assert (found.key, found.signed) == (key.fingerprint, f"{key.fingerprint} ({told})")


def test_the_same_is_signed_the_same_way(signer: Signer) -> None:
    """So that whoever repeats a seal after a crash writes the same bytes."""
    assert signer.sign(DIGEST) == signer.sign(DIGEST)


def test_the_vault_s_key_is_named_with_its_version() -> None:
    with Stub(vault) as stub:
        assert VaultSigner(URL, Credential(), transport=ToStub(VAULT, stub.url)).key.key == VERSION


@pytest.fixture
def rotating() -> Iterator[tuple[VaultSigner, Callable[[], None]]]:
    """A signer, and what rotates its key."""
    newest = [VERSION]
    with Stub(lambda to: vault(to, newest[0])) as stub:
        yield VaultSigner(URL, Credential(), transport=ToStub(VAULT, stub.url)), lambda: newest.__setitem__(0, ROTATED)


def named(version: str) -> str:
    """How the vault's key of this version is told."""
    n = _private(version.rpartition("/")[2]).public_key().public_numbers().n
    return f"sha256:{hashlib.sha256(n.to_bytes(256, 'big')).hexdigest()} (key-vault key {version})"


def test_the_fingerprint_of_a_vault_s_key_is_what_the_command_in_the_readme_tells() -> None:
    """`az` shows the modulus in base64 with its padding, a checkpoint in that for URLs, without."""
    n = PRIVATE.public_key().public_numbers().n.to_bytes(256, "big")
    shown = json.dumps({"key": {"kid": VERSION, "kty": "RSA", "n": base64.b64encode(n).decode()}})
    command = FINGERPRINT_OF.partition(" | ")[2]
    done = subprocess.run(["/bin/sh", "-c", command], input=shown, text=True, capture_output=True, check=True)
    with Stub(vault) as stub:
        key = VaultSigner(URL, Credential(), transport=ToStub(VAULT, stub.url)).key
    assert done.stdout.strip() == key.fingerprint == named(VERSION)[:71]
    run = gathered(FakeSigner())
    run.ports.signer = type("Vault", (FakeSigner,), {"key": key})()
    run.desk().run.close("succeeded")
    assert f"\n  {FINGERPRINT_OF}\n" in run.objects["README.txt"].decode()
    assert FINGERPRINT_OF in (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")


def gathered(signer: Signer) -> Archived:
    run = Archived()
    run.ports.signer = signer
    run.desk().keep_bytes("data/a.txt", b"a", kind="note", media_type="text/plain")
    return run


def test_a_key_that_was_rotated_signs_the_next_run_and_each_says_whose_it_is(
    rotating: tuple[VaultSigner, Callable[[], None]],
) -> None:
    """Without a restart of the app."""
    signer, rotate = rotating
    signed = []
    for _ in range(2):
        run = gathered(signer)
        run.desk().run.close("succeeded")
        signed.append(run.checked().signed)
        rotate()
    assert signed == [named(VERSION), named(ROTATED)]
    assert signed[0][:71] != signed[1][:71]


def test_a_key_may_be_rotated_between_the_two_halves_of_a_seal(
    rotating: tuple[VaultSigner, Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    """What the older version signed stays, since it is ours and says the same; the log says so, and which it was."""
    signer, rotate = rotating
    run = gathered(signer)

    def crash(call: str) -> None:
        if call == "evidence.commit" and "checkpoint.json" in run.objects:
            raise ConnectionResetError

    run.evidence.after = crash
    with pytest.raises(ConnectionResetError):
        run.desk().run.close("succeeded")
    run.evidence.after = lambda _call: None
    rotate()
    with caplog.at_level("INFO"):
        run.desk().run.close("succeeded")
    assert (run.checked().findings, run.checked().signed) == ([], named(VERSION))
    assert f"was sealed with {VERSION}, which is no longer the newest" in caplog.text
    assert caplog.text.count(f'"key": "{VERSION}", "fingerprint": "{named(VERSION)[:71]}"') == 1


def test_a_checkpoint_of_somebody_else_s_key_is_no_seal_of_ours(
    rotating: tuple[VaultSigner, Callable[[], None]],
) -> None:
    """Whoever may write can sign the same with a key of their own, and call it a version of ours."""
    signer, _ = rotating
    for named in (ROTATED, f"{VAULT}/keys/another/{'0' * 32}", "https://x", "local"):
        forged, run = FakeSigner(), gathered(signer)
        real = forged.key
        forger: Any = type("Forger", (), {"key": PublicKey("key-vault", named, real.n, real.e), "sign": forged.sign})()
        run.ports.signer = forger
        run.desk().run.close("succeeded")
        del run.evidence.stored[f"{run.folder}/tagmanifest-sha256.txt"]
        run.ports.signer = signer
        with pytest.raises(Rejected, match="other content"):
            run.desk().run.close("succeeded")


@pytest.mark.parametrize("spoilt", [b"", b"{}", b"[]", b"null", b'{"signer": 3}'])
def test_rubbish_in_the_place_of_the_checkpoint_is_no_seal_of_ours(signer: Signer, spoilt: bytes) -> None:
    run = gathered(signer)
    run.evidence.write_once(f"{run.folder}/checkpoint.json", [spoilt], metadata={})
    with pytest.raises(Rejected, match="other content"):
        run.desk().run.close("succeeded")


def test_of_two_who_make_a_local_key_one_does() -> None:
    rows = FakeRows()
    first, second = LocalSigner(rows), LocalSigner(rows)

    def meanwhile(call: str) -> None:
        if call == "rows.commit":
            rows.before = lambda _call: None
            second.sign(DIGEST)

    rows.before = meanwhile
    assert first.key == second.key
    assert set(rows.stored) == {(PARTITION, KEY)}


@pytest.mark.parametrize(
    ("status", "kind"), [(403, Denied), (404, NotFound), (429, Throttled), (503, Transient)], ids=str
)
def test_what_a_vault_refuses_says_what_to_do(status: int, kind: type[BulkheadError]) -> None:
    def refuse(to: BaseHTTPRequestHandler) -> None:
        _json(to, status if "Authorization" in to.headers else 401, {"error": {"code": "x", "message": "secret"}})

    with Stub(refuse) as stub:
        transport = ToStub(VAULT, stub.url)
        with pytest.raises(kind) as refused:
            VaultSigner(URL, Credential(), transport=transport).sign(DIGEST)
    assert "secret" not in str(refused.value)


def test_nobody_answers() -> None:
    transport = ToStub(VAULT, "http://127.0.0.1:1")
    with pytest.raises(Transient, match="could not be reached"):
        VaultSigner(URL, Credential(), transport=transport).sign(DIGEST)
