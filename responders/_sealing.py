"""Closing a run: its chain and everything in it become a manifest, a bag and a signed checkpoint, each written once.

Every step is made of what the steps before it left in the evidence store, so whoever repeats it after a crash, or does
it at the same time, writes the same or finds it there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from responders._bounded import bounded
from responders._telemetry import event
from responders._verify import genuine
from shared.errors import Rejected
from shared.models.archive.bag import BAGIT, CUSTODY, PAYLOAD, SCHEMA, TAGS, bag_info, digests, readme
from shared.models.archive.checkpoint import WORTH, PublicKey, checkpoint, checkpoint_json, digest_of
from shared.models.archive.custody import event_name, jsonl, manifest_of
from shared.models.archive.manifest import manifest_json, schema_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responders._custody import Chain
    from shared.clients.interface import Signer
    from shared.models.archive.custody import Event, Said
    from shared.storage.interface import Evidence

CHECKPOINT = "checkpoint.json"
CUSTODY_EVENT = "bulkhead.custody"
_ALONE = Path(__file__).with_name("_verify.py")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seal:
    """What a run is closed with. `metadata` and `tags` go with every file."""

    evidence: Evidence
    signer: Signer
    folder: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str]

    def close(self, chain: Chain, said: Said) -> Event:
        """Close the run, with `said` as its last event; gives the event that is. From then on everything else follows
        from the chain. Raises Transient and Rejected.
        """
        key = self.signer.key  # before anything is written: without it the run stays open
        sealed = chain.add(said)
        text = manifest_json(manifest_of(chain.events))
        files = {"manifest.json": text, **self._files(chain.events, key)}
        for name, data in files.items():
            self._put(name, data)
        hashes = {name: _hash(data) for name, data in files.items()}
        point, by = self._signed(checkpoint(self.folder, chain.events, hashes, key), key)
        events = {f"{CUSTODY}/{event_name(each.seq)}": each.hash for each in chain.events}
        self._put(TAGS, digests(hashes | events | {CHECKPOINT: _hash(point)}))
        announce(self.folder, sealed.hash, sealed.seq, by)
        return sealed

    def _signed(self, made: Mapping[str, Any], key: PublicKey) -> tuple[bytes, PublicKey]:
        """The signed checkpoint, and whose signature it has. One that an earlier try signed with another version of our
        key stays, if it is ours: the same but for its key, signed with that, and the signer knows that for its own.
        """
        place = f"{self.folder}/{CHECKPOINT}"
        if self.evidence.head(place) is not None:
            standing = bounded(self.evidence, place)
            signer = self._earlier(standing, made) if standing else None
            if standing and signer and signer != key and self.signer.known(signer):
                log.warning("%s was sealed with %s, which is no longer the newest", self.folder, signer.key)
                return standing, signer
        point = checkpoint_json(made, self.signer.sign(digest_of(made)))
        self._put(CHECKPOINT, point)
        return point, key

    @staticmethod
    def _earlier(standing: bytes, made: Mapping[str, Any]) -> PublicKey | None:
        """Whose the signature of a checkpoint is that says what ours says; None where it says anything else."""
        try:
            point = json.loads(standing)
            signer = {name: point["signer"][name] for name in ("kind", "key", "n", "e")}
            same = {**made, "signer": {**made["signer"], **signer}, "signature": point["signature"]} == point
            spelt = (json.dumps(point, indent=2, sort_keys=True) + "\n").encode("ascii") == standing
            return PublicKey(**signer) if same and spelt and genuine(point) else None
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return None

    def _files(self, chain: Sequence[Event], key: PublicKey) -> dict[str, bytes]:
        manifest = manifest_of(chain)
        return {
            "bagit.txt": BAGIT,
            "bag-info.txt": bag_info(manifest),
            "README.txt": readme(manifest, WORTH[key.kind]),
            "verify.py": _ALONE.read_bytes(),
            SCHEMA: schema_json(),
            "custody.jsonl": jsonl(chain),
            PAYLOAD: digests({item.path: item.sha256 for item in manifest.items}),
        }

    def _put(self, name: str, data: bytes) -> None:
        place = f"{self.folder}/{name}"
        stored = self.evidence.write_once(place, [data], metadata=self.metadata, tags=self.tags)
        if not stored.created and bounded(self.evidence, place, len(data)) != data:
            raise Rejected(f"{place} stands there already with other content", status=409, code="Differs")


def announce(folder: str, head: str, events: int, key: PublicKey | None = None) -> None:
    """Tell the log workspace, which nobody with a right to storage alone can rewrite, how a chain ends, and whose seal
    it has: by the name of the key, and by its fingerprint, which nobody can choose.
    """
    named, fingerprint = (key.key, key.fingerprint) if key else ("", "")
    members = {"run": folder, "head": head, "events": events, "key": named, "fingerprint": fingerprint}
    log.info("%s", event(CUSTODY_EVENT, members))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
