"""What a device has: programs, addresses, neighbours, its system, files in temporary folders. Pure.

Windows writes the labels in its own language. So a line is known by its addresses, dates, paths and blanks, and a label
is kept as it stands there. Whoever had the device may have written it: no pattern takes longer than a line is long.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from responders._package.tables import cell, read_table
from responders._package.value import Read
from shared.models.findings import Findings, Inventoried, Where

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAC = re.compile(r"(?<![0-9A-Fa-f:-])(?:[0-9A-Fa-f]{1,2}[:-]){5}[0-9A-Fa-f]{1,2}(?![0-9A-Fa-f:-])")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]++")
_LONGEST_ADDRESS = 45
_NOBODY = frozenset({"ff-ff-ff-ff-ff-ff", "00-00-00-00-00-00"})
_LABEL_ENDS = (" : ", ".: ", ". : ")
_FOLDER_JA = "\u306e\u30c7\u30a3\u30ec\u30af\u30c8\u30ea"
_DRIVE = re.compile(r"[A-Za-z]:\\")
_SYSTEM = re.compile(r"(?P<label>\S[^:]{0,60}):\s{2,}(?P<value>\S.*)")
_BELOW = re.compile(r"\s{8,}(?P<value>\S.*)")
_LISTED = re.compile(
    r"\s*(?P<day>\d{1,4}[./-]\d{1,2}[./-]\d{1,4})\.?\s+(?P<time>\d{1,2}[:.]\d{2}(?:\s?[AaPp]\.?[Mm]\.?)?)\s+"
    r"(?P<size><[^<>]{2,12}>|\d{1,3}(?:[.,'\u00a0\u202f ]\d{3})+|\d+)\s+(?P<name>\S.*)"
)
_HIDING = frozenset({".", ".."})


def of_programs(text: str, device: str, source: str) -> Read:
    """The installed programs (Win32_Product): by name where the head is in English, else the first columns."""
    table = read_table(text)
    name, vendor = table.column("Name", "DisplayName", "Caption"), table.column("Vendor", "Publisher")
    version = table.column("Version", "DisplayVersion")
    place = table.column("InstallLocation", "InstallSource")
    guessed = name < 0
    found = tuple(
        Inventoried(
            device,
            "program",
            cell(row, 0 if guessed else name),
            cell(row, version),
            " · ".join(filter(None, (cell(row, vendor), cell(row, place)))),
            where=Where(source, row.number),
        )
        for row in table.rows
        if cell(row, 0 if guessed else name)
    )
    said = "no column has a known name: the first one is taken" if guessed and table.rows else ""
    return Read(len(table.rows), len(found), Findings(inventory=found), said)


def address_in(text: str) -> str:
    """The first IP address in a text, whatever stands round it; empty for none. Those of nobody do not count."""
    for found in _ADDRESS.finditer(text.partition("%")[0]):
        written = found[0].strip(".")
        if len(written) > _LONGEST_ADDRESS or not {":", "."} & set(written):
            continue
        try:
            told = ipaddress.ip_address(written)
        except ValueError:
            continue
        if not told.is_unspecified:
            return str(told)
    return ""


def _everybodys(address: str) -> bool:
    """Whether an address means many devices at once."""
    return address.endswith(".255") or bool(ipaddress.ip_address(address).is_multicast)


def of_neighbours(text: str, device: str, source: str) -> Read:
    """Who was near by (`arp -a`, `ip neigh`): lines that hold an address and a hardware address."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        mac = _MAC.search(line)
        if mac is None or mac[0].lower().replace(":", "-") in _NOBODY:
            continue
        address = address_in(_MAC.sub(" ", line))
        if address and not _everybodys(address):
            found.append(Inventoried(device, "neighbour", address, mac[0], where=Where(source, number)))
    return Read(len(found), len(found), Findings(inventory=tuple(found)))


def _labelled(line: str) -> tuple[str, str]:
    """The label of a line and its value; both empty where it has none."""
    places = [(line.find(end), end) for end in _LABEL_ENDS if end in line] if line[:1].isspace() else []
    if not places:
        return "", ""
    place, end = min(places)
    return line[:place].strip(" ."), line[place + len(end) :].strip()


def of_addresses(text: str, device: str, source: str) -> Read:
    """`ipconfig /all`: an adapter's line begins at the margin and ends with a colon; of its values those are told that
    are addresses, with the label as it stands there.
    """
    found: list[Inventoried] = []
    adapter, label = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1].strip() and line.rstrip().endswith(":"):
            adapter, label = line.rstrip()[:-1].strip(), ""
            continue
        before, value = _labelled(line)
        below = _BELOW.fullmatch(line)
        if value:
            label = before
        elif below and label:
            value = below["value"]
        mac = _MAC.fullmatch(value.strip())
        told = mac[0] if mac else address_in(value)
        if told and adapter:
            found.append(Inventoried(device, "address", adapter, told, label, where=Where(source, number)))
    return Read(len(found), len(found), Findings(inventory=tuple(found)))


def of_system(text: str, device: str, source: str) -> Read:
    """`systeminfo`: a label, a colon, blanks, a value; further values stand below, far from the margin."""
    found: list[Inventoried] = []
    for number, line in enumerate(text.splitlines(), 1):
        row, below = _SYSTEM.fullmatch(line), _BELOW.fullmatch(line)
        if row and not below:
            found.append(
                Inventoried(device, "system", row["label"].strip(), row["value"].strip(), where=Where(source, number))
            )
        elif below and found:
            name = found[-1].name
            found.append(Inventoried(device, "system", name, below["value"].strip(), where=Where(source, number)))
    return Read(len(found), len(found), Findings(inventory=tuple(found)))


def of_listing(text: str, device: str, source: str) -> Read:
    """`dir`: a day, a time, a size or the mark of a folder, a name. Days are written as each country does: they are
    kept as they stand, and are local.
    """
    found = tuple(_listed(text, device, source))
    return Read(len(found), len(found), Findings(inventory=found), zone="local")


def _listed(text: str, device: str, source: str) -> Iterator[Inventoried]:
    folder = ""
    for number, line in enumerate(text.splitlines(), 1):
        row = _LISTED.fullmatch(line)
        if row is None:
            drive = _DRIVE.search(line)
            folder = line[drive.start() :].strip().removesuffix(_FOLDER_JA).rstrip(" .\\") if drive else folder
        elif not row["size"].startswith("<") and row["name"] not in _HIDING:
            path = f"{folder}\\{row['name']}" if folder else row["name"]
            size = re.sub(r"\D", "", row["size"])
            local = f"{row['day']} {row['time']}"
            yield Inventoried(device, "file", path, size, local=local, where=Where(source, number))
