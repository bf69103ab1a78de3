"""A synthetic investigation package of a Windows device.

Folders and files follow what Microsoft documents and what published analyses of real packages show; every byte in them
is made up from the device's name and the action's id, so the same collection always yields the same archive.
"""

from __future__ import annotations

import csv
import io
import random
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_PROGRAMS = ("chrome.exe", "svchost.exe", "explorer.exe", "OUTLOOK.EXE", "powershell.exe", "lsass.exe", "MsSense.exe")
_CRLF = "\r\n"


def build(host: str, action_id: str, collected: datetime) -> bytes:
    """Return the zip archive of one collection; some hundreds of kilobytes."""
    chance = random.Random(f"{host}/{action_id}")  # noqa: S311 - chance that repeats is the point
    when = (collected.year, collected.month, collected.day, collected.hour, collected.minute, collected.second)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(host, action_id, collected, chance):
            info = zipfile.ZipInfo(name, when)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


def _members(host: str, action_id: str, collected: datetime, chance: random.Random) -> Iterable[tuple[str, bytes]]:
    time = f"{collected:%Y-%m-%d %H:%M:%S}"
    yield "Autoruns/Autoruns.txt", _autoruns()
    yield "Installed Programs/InstalledPrograms.csv", _installed(chance)
    yield "Network Connections/ActiveNetConnections.txt", _connections(chance)
    yield "Network Connections/Arp.txt", _lines("Interface: 10.0.0.5 --- 0x6", "  10.0.0.1  00-15-5d-00-04-01  dynamic")
    yield "Network Connections/DnsCache.txt", _lines(*(f"    Record Name . . . . . : {n}" for n in _domains(chance)))
    yield "Network Connections/IpConfig.txt", _lines("Windows IP Configuration", "", f"   Host Name . . . : {host}")
    yield "Network Connections/FirewallExecutionLog.txt", _lines("File not found - pfirewall.log", "0 File(s) copied")
    yield from _prefetch(collected, chance)
    yield "Processes/Processes.csv", _processes(time, chance)
    yield "Scheduled Tasks/ScheduledTasks.csv", _tasks(host, time, chance)
    yield "Security Event Log/Security.evtx", _empty_evtx()
    yield "Services/Services.csv", _services(chance)
    yield "SMB Session/Summary.txt", _lines("Inbound sessions: none", "Outbound sessions: none")
    yield (
        "System Information/SystemInformation.txt",
        _lines(f"Host Name:     {host}", "OS Name:       Windows 11 (synthetic)"),
    )
    yield "Temp Directories/alice_TempDirFiles.txt", _temp(time, chance)
    yield "Users and Groups/LocalGroups.txt", _lines("Aliases for \\\\" + host, "*Administrators", "*Users")
    yield (
        "Users and Groups/QueryUser.txt",
        _lines(" USERNAME  SESSIONNAME  ID  STATE", " alice     console      1   Active"),
    )
    yield "WdSupportLogs/MpCmdRunLog.txt", _lines(*(f"MpCmdRun: synthetic line {n}" for n in range(400)))
    # random content after the signature: this is what makes the archive as large as a small real one
    yield "WdSupportLogs/MPSupportFiles.cab", b"MSCF\0\0\0\0" + chance.randbytes(240_000)
    yield "Forensics Collection Summary.csv", _summary(action_id, time)


def _lines(*lines: str) -> bytes:
    return (_CRLF.join(lines) + _CRLF).encode()


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=_CRLF)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def _domains(chance: random.Random) -> list[str]:
    return [f"host{chance.randrange(900)}.example.net" for _ in range(40)]


def _autoruns() -> bytes:
    run = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"
    return _lines(
        run,
        "    SecurityHealth    REG_EXPAND_SZ    %windir%\\system32\\SecurityHealthSystray.exe",
        "    Updater    REG_SZ    C:\\Users\\Public\\updater.exe -silent",
        "",
        "ERROR: The system was unable to find the specified registry key or value.",
    )


def _installed(chance: random.Random) -> bytes:
    rows = [
        (f"Program {n}", "Contoso", f"{n}.{chance.randrange(99)}", f"C:\\Program Files\\Program {n}", "")
        for n in range(60)
    ]
    return _table(("Name", "Vendor", "Version", "InstallLocation", "InstallSource"), rows)


def _connections(chance: random.Random) -> bytes:
    lines = ["Active Connections", "", "  Proto  Local Address          Foreign Address        State           PID"]
    for number in range(80):
        remote = f"203.0.113.{chance.randrange(1, 254)}:443"
        lines.append(
            f"  TCP    10.0.0.5:{49_000 + number}       {remote:<22} ESTABLISHED     {chance.randrange(9_000)}"
        )
        lines.append(f" [{chance.choice(_PROGRAMS)}]")
    return _lines(*lines)


def _processes(time: str, chance: random.Random) -> bytes:
    rows = []
    for number in range(220):
        name = chance.choice(_PROGRAMS)
        path = f"C:\\Windows\\System32\\{name}"
        rows.append((name, 400 + 4 * number, 400 + 4 * chance.randrange(number + 1), path, f'"{path}"', time, "SYSTEM"))
    header = "ProcessName ProcessId ParentProcessId ExecutablePath CommandLine CreationDate UserName"
    return _table(header.split(), rows)


def _tasks(host: str, time: str, chance: random.Random) -> bytes:
    header = ("HostName", "TaskName", "Next Run Time", "Status", "Logon Mode", "Last Run Time", "Last Result")
    rows = [
        (host, f"\\Microsoft\\Windows\\Task{n}", "N/A", "Ready", "Interactive/Background", time, chance.randrange(2))
        for n in range(150)
    ]
    return _table(header, rows)


def _services(chance: random.Random) -> bytes:
    rows = [
        (f"Svc{n}", f"Service {n}", chance.choice(("Running", "Stopped")), "Auto", f"C:\\Windows\\svc{n}.exe")
        for n in range(180)
    ]
    return _table(("Name", "DisplayName", "State", "StartMode", "PathName"), rows)


def _temp(time: str, chance: random.Random) -> bytes:
    return _lines(*(f"{time}    {chance.randrange(9_000_000):>12,} tmp{n:04x}.tmp" for n in range(200)))


def _summary(action_id: str, time: str) -> bytes:
    points = ("Autoruns", "Processes", "Scheduled tasks", "Services", "Security event log", "Prefetch files")
    rows = [(point, f"collect {point}", "Succeeded", 0, time) for point in points]
    rows.append(("Firewall log", "xcopy pfirewall.log", "Failed", 4, time))
    return _table(("Data point", "Command", "Status", "Error code", "Time (UTC)", action_id), rows)


def _prefetch(collected: datetime, chance: random.Random) -> Iterable[tuple[str, bytes]]:
    names = [f"{name.upper()}-{chance.getrandbits(32):08X}.pf" for name in _PROGRAMS]
    yield "Prefetch Files/PrefetchFilesList.txt", _lines(*names)
    for name in names:
        yield f"Prefetch Files/Prefetch/{name}", _scca(name, collected, chance)


def _scca(name: str, collected: datetime, chance: random.Random) -> bytes:
    """Write a prefetch file of version 30 with no sections: a name, a run count and one run time."""
    program, _, rest = name.rpartition("-")
    content = bytearray(304)
    struct.pack_into("<I4sII", content, 0, 30, b"SCCA", 0x11, len(content))
    content[16:76] = program.encode("utf-16-le")[:58].ljust(60, b"\0")
    struct.pack_into("<I", content, 76, int(rest[:8], 16))
    for offset in (84, 92, 100, 108):
        struct.pack_into("<I", content, offset, len(content))
    run = int(collected.timestamp()) - chance.randrange(86_400)
    struct.pack_into("<Q", content, 128, (run + 11_644_473_600) * 10_000_000)
    struct.pack_into("<I", content, 208, chance.randrange(1, 90))
    return bytes(content)


def _empty_evtx() -> bytes:
    """Write an event log without a record: a header with its checksum, and no chunk."""
    head = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, 0, 1, 128, 1, 3, 4096, 0)
    head = head.ljust(120, b"\0")
    return (head + struct.pack("<II", 0, zlib.crc32(head))).ljust(4096, b"\0")
