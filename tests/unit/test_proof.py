"""How far the hashes of an item agree: what could not be computed is not taken for different."""

import hashlib
from dataclasses import replace

import pytest

from responders import _parts
from shared.models.archive.contents import LARGEST
from shared.models.archive.manifest import Hashes, Proof, proof_of
from shared.models.part import Part


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


PACKED = tuple(Part(n, 9, sha(f"gzip {n}"), 20, sha(f"content {n}"), sha(f"content {n}")) for n in (1, 2))
PLAIN = tuple(Part(n, 9, sha(f"{n}"), 9, sha(f"{n}"), sha(f"{n}")) for n in (1, 2))
WHOLE = Hashes(device=sha("image"), received=sha("received"), stored=sha("received"))


@pytest.mark.parametrize(
    ("parts", "hashes", "proof"),
    [
        (PACKED, WHOLE, Proof.VERIFIED),  # unpacks to more than is looked through, and every part agrees
        (PACKED, WHOLE.model_copy(update={"content": sha("image")}), Proof.VERIFIED),
        (PACKED, WHOLE.model_copy(update={"content": sha("other")}), Proof.MISMATCH),
        (PLAIN, WHOLE, Proof.MISMATCH),  # nothing was packed: what was received is what it holds
        (PLAIN, WHOLE.model_copy(update={"received": sha("image")}), Proof.VERIFIED),
        (PACKED, WHOLE.model_copy(update={"device": ""}), Proof.VERIFIED),
        ((PACKED[0], replace(PACKED[1], device="")), WHOLE, Proof.RECEIVED),
        ((PACKED[0], replace(PACKED[1], device=sha("other"))), WHOLE, Proof.MISMATCH),
        ((), WHOLE.model_copy(update={"device": ""}), Proof.RECEIVED),
        ((), WHOLE, Proof.MISMATCH),
    ],
)
def test_what_nobody_looked_through_is_not_different(parts: tuple[Part, ...], hashes: Hashes, proof: Proof) -> None:
    assert proof_of(hashes, tuple(_parts.in_manifest(parts))) is proof


def test_a_part_that_is_too_large_to_be_looked_through_is_neither_right_nor_wrong() -> None:
    large = replace(PACKED[1], content_sha256="", content_size=LARGEST + 1)
    assert not _parts.wrong(large)
    assert proof_of(WHOLE, tuple(_parts.in_manifest((PACKED[0], large)))) is Proof.RECEIVED
    damaged = replace(PACKED[1], content_sha256="", content_size=7)
    assert _parts.wrong(damaged)
    assert proof_of(WHOLE, tuple(_parts.in_manifest((PACKED[0], damaged)))) is Proof.MISMATCH
