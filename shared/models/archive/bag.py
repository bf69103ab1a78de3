"""The files that make a run a BagIt 1.0 bag (RFC 8493), and the page that says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.models.archive.manifest import Manifest

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD = "manifest-sha256.txt"
SCHEMA = "manifest.schema.json"
TAGS = "tagmanifest-sha256.txt"
CUSTODY = "custody"

POWERSHELL = (
    f"Get-Content '{PAYLOAD}', '{TAGS}' | ForEach-Object {{ $sha256, $name = $_ -split '  ', 2;",
    "  if ((Get-FileHash -LiteralPath $name -Algorithm SHA256).Hash -ne $sha256) { 'DIFFERS: ' + $name } }",
)
"""The lines that do on Windows what `sha256sum -c` does, in any PowerShell: they print what differs or is missing."""


def digests(named: Mapping[str, str]) -> bytes:
    """The hashes of files by name, as `sha256sum -c` and BagIt read them. The names have no character to be encoded."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(named.items())).encode("ascii")


def bag_info(manifest: Manifest) -> bytes:
    """`bag-info.txt`: what this is, for people who know bags and not us."""
    run = manifest.run
    total = sum(item.size for item in manifest.items)
    told = {
        "Bag-Software-Agent": f"Bulkhead {run.version}",
        "Bagging-Date": manifest.made[:10],
        "External-Identifier": run.folder,
        "External-Description": f"{run.responder} for incident {run.incident}, device {run.device.id}",
        "Internal-Sender-Identifier": f"{run.deployment}/{run.action}",
        "Payload-Oxum": f"{total}.{len(manifest.items)}",
    }
    return "".join(f"{key}: {value}\n" for key, value in told.items()).encode("ascii", "backslashreplace")


def readme(manifest: Manifest, signed: str) -> bytes:
    """`README.txt`. `signed` says what stands behind the checkpoint."""
    run = manifest.run
    name = run.folder.rpartition("/")[2]
    lines = [
        f"Evidence of incident {run.incident}, collected by Bulkhead ({run.responder}).",
        "",
        f"Device (Defender id)  {run.device.id}",
        f"Begun                 {run.begun} (UTC; all times here are)",
        f"Closed                {manifest.made}",
        f"Items                 {len(manifest.items)}, {sum(item.size for item in manifest.items)} bytes",
        *_missing(manifest),
        "",
        "The items are under data/. Treat them as hostile: they come from a device that was attacked.",
        "",
        "To check a downloaded copy, in this folder, with any of",
        "",
        "  sha256sum -c manifest-sha256.txt tagmanifest-sha256.txt",
        "  bagit.py --validate .              (this is a BagIt 1.0 bag, RFC 8493)",
        "  python3 verify.py                  (Python 3.9 or newer, no package; also checks the custody chain and the",
        "                                      signature, and tells which bytes differ)",
        "",
        "On Windows: py verify.py; or in PowerShell, which prints what differs or is missing, else nothing:",
        "",
        *(f"  {line}" for line in POWERSHELL),
        "",
        "or, for one file, to be compared with its line there:  certutil -hashfile FILE SHA256",
        "",
        "manifest.json    every item: size, SHA-256, where it came from, which of the hashes taken on the device, in",
        "                 flight and at rest agree; and what could not be had. Which members it has stands in",
        "                 manifest.schema.json (JSON Schema, draft 2020-12)",
        "custody.jsonl    what happened to it, one line an event; each holds the SHA-256 of the line before",
        "checkpoint.json  the end of that chain and the hashes of these files",
        "",
        signed,
        "",
        "What happened afterwards (read-outs, links, legal holds) stands beside this folder, under access/: a chain",
        "likewise, which nobody signed, so that nothing in it tells whether something followed. To check that one, do",
        "",
        f"  python3 verify.py ../access/{name}",
        "",
        "None of this says that the device told the truth.",
    ]
    return ("\n".join(lines) + "\n").encode("ascii", "backslashreplace")


def _missing(manifest: Manifest) -> Sequence[str]:
    if not manifest.missing:
        return []
    return [f'NOT here              {len(manifest.missing)}: see "missing" in manifest.json']
