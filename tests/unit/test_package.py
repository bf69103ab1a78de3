"""Packages opened: by shape, in several languages, whatever is wrong with them.

All texts are synthetic, made after published descriptions of real packages (fact sheet evidence.md 2.2 and 2.4): folder
and file names as observed, `netstat -anob` with its component lines, `reg query /s`, ragged services, localised
`schtasks`. `System2.evtx`, `windows_firewall.log` and the prefetch files are real (`tests/data/README.md`).
"""

import io
import stat
import struct
import threading
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responders._investigation.packaged import in_package
from responders._package import eventlog, inventory, listed, told, unix
from responders._package.apart import lines_of
from responders._package.decoding import decoded
from responders._package.members import by_shape, way_of
from responders._package.opening import MOST_MEMBERS, Remote, opened
from responders._package.prefetch import NoPrefetch, read
from responders._package.tables import read_table
from responders._package.value import Member, Opened, Outcome
from shared.models.action import Artefact
from shared.models.findings import Kind

DATA = Path(__file__).parents[1] / "data"
DEVICE = "d1"

NETSTAT = """
Aktive Verbindungen

  Proto  Lokale Adresse         Remoteadresse          Status           PID
  TCP    0.0.0.0:135            0.0.0.0:0              ABHÖREN         1004
  RpcEptMapper
 [svchost.exe]
  TCP    192.0.2.3:51000        203.0.113.66:443       HERGESTELLT     5120
 [updater.exe]
  TCP    [2001:db8::3]:51001    [2001:db8::66]:443     HERGESTELLT     5120
 Es konnten keine Besitzerinformationen abgerufen werden.
  UDP    0.0.0.0:5353           *:*                                    2200
 [chrome.exe]
"""
AUTORUNS = r"""
HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Run
    SecurityHealth    REG_EXPAND_SZ    %windir%\system32\SecurityHealthSystray.exe
    Updater  mit Leer    REG_SZ    C:\Users\Public\updater.exe

HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon
    Shell    REG_SZ    explorer.exe
    AutoRestartShell    REG_DWORD    0x1

ERREUR : Impossible de trouver la clé ou la valeur de Registre spécifiée.
"""
DNS = """
Windows-IP-Konfiguration

    cdn.updates.example
    ----------------------------------------
    Eintragsname . . . . . : cdn.updates.example
    Eintragstyp  . . . . . : 1
    Gültigkeitsdauer . . . : 42
    Datenlänge . . . . . . : 4
    Abschnitt. . . . . . . : Antwort
    (Host-)A-Eintrag . . . : 203.0.113.66
"""
TASK_HEAD_FR = (
    '"Nom de l\'hôte","Nom de la tâche","Prochaine exécution","Statut","Mode d\'ouverture de session",'
    '"Dernière exécution","Dernier résultat","Auteur","Tâche à exécuter","Démarrer dans","Commentaire",'
    '"État de la tâche planifiée","Temps d\'inactivité","Gestion de l\'alimentation","Exécuter en tant qu\'utilisateur"'
)
TASK_ROW = (
    '"HOST1","\\{name}","N/A","Prêt","Interactif","29/11/2026 04:00:00","0","CONTOSO\\alice",'
    '"C:\\Users\\Public\\updater.exe","N/A","N/A","Activée","Désactivé","","alice"'
)
TASKS_FR = "\n".join(
    [TASK_HEAD_FR, TASK_ROW.format(name="Updater"), TASK_HEAD_FR, TASK_ROW.format(name="Microsoft\\x")]
)
TASK_HEAD_JA = (
    '"ホスト名","タスク名","次回の実行時刻","状態","ログオン モード","前回の実行時刻","前回の結果","作成者",'
    '"実行するタスク","開始","コメント","スケジュールされたタスクの状態","アイドル時間","電源管理","ユーザーとして実行"'
)
SERVICES = """Name,DisplayName,PathName,Started,StartMode,StartName
Spooler,Print Spooler,C:\\Windows\\System32\\spoolsv.exe,True,Auto,LocalSystem
Evil,"Ein Dienst, böse",C:\\Users\\Public\\svc.exe,"'True','Auto'",LocalSystem
Short,Kurz
"""
PROCESSES = r'''#TYPE System.Management.ManagementObject
"ProcessName","ProcessId","ParentProcessId","ExecutablePath","CommandLine","CreationDate","UserName"
"updater.exe","5120","4780","C:\Users\Public\u.exe","u.exe -s ""cdn""","20260813085640.000000+060","alice"
"System","4","0","","","",""
"odd","not a number","0","","","",""
'''
QUSER = """ USERNAME              SESSIONNAME        ID  STATE   IDLE TIME  LOGON TIME
>alice                 console             1  Active      none   8/13/2026 8:00 AM
 bob                                       3  Disc            5  8/12/2026 7:00 PM
"""
GROUP = """Aliasname     Administratoren
Beschreibung  Administratoren haben Vollzugriff

Mitglieder

-------------------------------------------------------------------------------
Administrator
CONTOSO\\alice
Der Befehl wurde erfolgreich ausgeführt.
"""


PROGRAMS = """Name,Vendor,Version,InstallLocation,InstallSource
7-Zip 24.08,Igor Pavlov,24.08,C:\\Program Files\\7-Zip\\,C:\\Temp\\
AnyDesk,AnyDesk Software GmbH,8.0.9,,C:\\Users\\Public\\
"""
ARP_DE = """
Schnittstelle: 10.0.0.7 --- 0x5
  Internetadresse       Physische Adresse     Typ
  10.0.0.1              00-1c-42-00-00-18     dynamisch
  10.0.0.255            ff-ff-ff-ff-ff-ff     statisch
  224.0.0.22            01-00-5e-00-00-16     statisch
"""
IPCONFIG_FR = """
Configuration IP de Windows

   Nom de l'hôte . . . . . . . . . . : HOST1

Carte Ethernet Ethernet0 :

   Description. . . . . . . . . . . . . . : Intel(R) 82574L
   Adresse physique . . . . . . . . . . . : 00-0C-29-AA-BB-CC
   Adresse IPv6 de liaison locale. . . . .: fe80::1c2d:3e4f%5(préféré)
   Adresse IPv4. . . . . . . . . . . . . .: 10.0.0.7(préféré)
   Masque de sous-réseau. . . . . . . . . : 255.255.255.0
   Serveurs DNS. . .  . . . . . . . . . . : 10.0.0.1
                                       10.0.0.2
"""
SYSTEM_DE = """
Hostname:                                      HOST1
Betriebssystemname:                            Microsoft Windows 11 Enterprise
Hotfix(es):                                    2 Hotfix(e) installiert.
                                               [01]: KB5034204
                                               [02]: KB5034765
"""
DIR_FR = """ Le volume dans le lecteur C n'a pas de nom.

 Répertoire de C:\\Users\\alice\\AppData\\Local\\Temp

29/11/2026  04:00    <DIR>          .
29/11/2026  04:00    <REP>          bas
29/11/2026  03:59            12 345 updater.exe
28/11/2026  18:00                17 note é.txt
               2 fichier(s)           12 362 octets
"""
DIR_JA = """ C:\\Users\\alice\\AppData\\Local\\Temp のディレクトリ

2026/11/29  04:00    <DIR>          .
2026/11/29  03:59            12,345 updater.exe
"""
DIR_EN = """ Directory of C:\\Users\\alice\\AppData\\Local\\Temp

11/29/2026  03:59 AM            12,345 updater.exe
"""
PS_AUX = """USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND
root           1  0.0  0.1 168140 11232 ?        Ss   Nov28   0:04 /sbin/init
www-data    4711  9.9  0.1   2888  1100 ?        S    03:59   0:00 /tmp/.x/kworker -o 203.0.113.66:443
"""
PS_EF = """  UID   PID  PPID   C STIME   TTY           TIME CMD
    0     1     0   0 28Nov26 ??         0:12.31 /sbin/launchd
  501  4711     1   0  3:59AM ??         0:00.10 /Users/ann/Library/x --quiet
"""
SS = """Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process
tcp   LISTEN 0      128          0.0.0.0:22         0.0.0.0:*     users:(("sshd",pid=900,fd=3))
tcp   ESTAB  0      0           10.0.0.9:50122 203.0.113.66:443   users:(("kworker",pid=4711,fd=5))
"""
NETSTAT_MAC = """Active Internet connections
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  10.0.0.9.52345         203.0.113.66.443       ESTABLISHED
tcp4       0      0  *.22                   *.*                    LISTEN
tcp4       0      0  10.0.0.9.52346         198.51.100.7.80        CLOSE_WAIT
"""
LAST = """alice    pts/0        203.0.113.9      Sat Nov 28 22:10   still logged in
root     tty1                          Sat Nov 28 08:00 - 09:00  (01:00)
wtmp begins Mon Nov  3 08:00:00 2026
"""
RELEASE = 'NAME="Ubuntu"\nVERSION_ID="24.04"\n'


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def remote(data: bytes, piece: int = 1000) -> Remote:
    def read_from(start: int) -> Iterator[bytes]:
        for at in range(start, len(data), piece):
            yield data[at : at + piece]

    return Remote(len(data), read_from)


def open_bytes(data: bytes, left: float = 60.0) -> Opened:
    return opened(remote(data), DEVICE, "p", lambda: left)


def only(members: dict[str, bytes]) -> Member:
    [member] = open_bytes(zipped(members)).members
    return member


# a whole package


def package(encoding: str = "cp1252") -> dict[str, bytes]:
    return {
        "Autoruns\\Autoruns.txt": AUTORUNS.encode(encoding),
        "Network Connections/ActiveNetConnections.txt": NETSTAT.encode(encoding),
        "Network Connections/DnsCache.txt": DNS.encode(encoding),
        "Network Connections/pfirewall.log": (DATA / "windows_firewall.log").read_bytes(),
        "Processes/Processes.csv": PROCESSES.encode(encoding),
        "Scheduled Tasks/ScheduledTasks.csv": TASKS_FR.encode(encoding),
        "Services/Services.csv": SERVICES.encode(encoding),
        "Users and Groups/QueryUser.txt": QUSER.encode(encoding),
        "Users and Groups/Administratoren.txt": GROUP.encode(encoding),
        "Security Event Log/Security.evtx": (DATA / "System2.evtx").read_bytes(),
        "Prefetch Files/Prefetch/CMD.EXE-087B4001.pf": b"MAM\x04",
        "Installed Programs/InstalledPrograms.csv": PROGRAMS.encode(encoding),
        "Network Connections/Arp.txt": ARP_DE.encode(encoding),
        "Network Connections/IpConfig.txt": IPCONFIG_FR.encode(encoding),
        "System Information/SystemInformation.txt": SYSTEM_DE.encode(encoding),
        "Temp Directories/alice_TempDirFiles.txt": DIR_FR.encode(encoding),
        "WdSupportLogs/MPSupportFiles.cab": b"MSCF",
        "Forensics Collection Summary.csv": b"Command,Status\nnetstat,ok\n",
    }


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16-le", "utf-16", "cp850"])
def test_a_package_is_read_member_by_member_in_every_encoding(encoding: str) -> None:
    found = open_bytes(zipped(package(encoding)))
    outcomes = {member.path: member.outcome for member in found.members}
    assert found.problems == ()
    assert len(outcomes) == 18
    assert outcomes["Autoruns/Autoruns.txt"] is Outcome.PARSED
    assert outcomes["Scheduled Tasks/ScheduledTasks.csv"] is Outcome.PARSED
    assert outcomes["Services/Services.csv"] is Outcome.PARSED
    assert outcomes["Processes/Processes.csv"] is Outcome.PARTIAL
    assert outcomes["Security Event Log/Security.evtx"] is Outcome.PARSED
    assert outcomes["WdSupportLogs/MPSupportFiles.cab"] is Outcome.UNSUPPORTED
    assert outcomes["Prefetch Files/Prefetch/CMD.EXE-087B4001.pf"] is Outcome.UNSUPPORTED
    texts = [member for member in found.members if member.encoding and member.path.endswith((".txt", "Tasks.csv"))]
    assert {member.encoding for member in texts} <= {encoding, "utf-8", "cp1252", "cp850"}


def test_it_becomes_findings_with_a_source_for_each_member_and_its_lacks() -> None:
    made = open_bytes(zipped(package()))
    artefact = Artefact(name="run/data/package/investigation-package.zip", size=9, sha256="ab")
    findings = in_package(made, artefact, DEVICE, "p")
    assert {each.mechanism for each in findings.persistence} == {"run key", "logon", "task", "service"}
    assert ("203.0.113.66", "updater.exe") in {(each.address, each.process_name) for each in findings.endpoints}
    assert {each.kind for each in findings.accounts} == {"signed in", "member of Administratoren"}
    assert "package: WdSupportLogs/MPSupportFiles.cab" in {each.what for each in findings.missing}
    [processes] = [each for each in findings.sources if each.title == "Processes/Processes.csv"]
    assert (processes.rows, processes.read) == (3, 2)
    assert "1 of 3 rows were not understood" in processes.truncated
    zones = {each.title.rpartition("/")[2]: each.zone for each in findings.sources}
    assert (zones["pfirewall.log"], zones["ScheduledTasks.csv"], zones["DnsCache.txt"]) == ("local", "local", "unknown")


# by shape


def test_connections_in_german_with_their_components_and_programs() -> None:
    read = told.of_connections(NETSTAT, DEVICE, "s")
    assert read.rows == 4
    assert [(each.address, each.port, each.process_name) for each in read.findings.endpoints] == [
        ("203.0.113.66", 443, "updater.exe"),
        ("2001:db8::66", 443, ""),
    ]
    assert read.findings.endpoints[0].process
    assert read.findings.endpoints[0].process.pid == 5120
    assert read.findings.endpoints[0].where.line == 8


def test_autoruns_in_french_and_values_whose_names_have_spaces() -> None:
    found = told.of_registry(AUTORUNS, DEVICE, "s").findings.persistence
    assert [(each.mechanism, each.name, each.command) for each in found] == [
        ("run key", "SecurityHealth", r"%windir%\system32\SecurityHealthSystray.exe"),
        ("run key", "Updater  mit Leer", r"C:\Users\Public\updater.exe"),
        ("logon", "Shell", "explorer.exe"),
    ]


def test_names_of_the_cache_in_german() -> None:
    [event] = told.of_names(DNS, DEVICE, "s").findings.events
    assert (event.what, event.detail, event.at) == ("cdn.updates.example", "203.0.113.66", None)


@pytest.mark.parametrize("head", [TASK_HEAD_FR, TASK_HEAD_JA])
def test_tasks_in_french_and_japanese(head: str) -> None:
    read = listed.of_tasks("\n".join([head, TASK_ROW.format(name="Updater")]), DEVICE, "s")
    [task] = read.findings.persistence
    assert (task.name, task.command, task.account) == ("\\Updater", r"C:\Users\Public\updater.exe", "alice")
    assert task.place == r"by CONTOSO\alice"
    assert "told by their content" in read.said


def test_tasks_in_english_are_read_by_name() -> None:
    head = '"HostName","TaskName","Author","Task To Run","Run As User"'
    read = listed.of_tasks(f'{head}\n"h","\\T","a","x.exe","SYSTEM"', DEVICE, "s")
    assert (read.findings.persistence[0].command, read.said) == ("x.exe", "")


def test_ragged_services_are_mended_or_counted() -> None:
    read = listed.of_services(SERVICES, DEVICE, "s")
    assert [(each.name, each.command, each.account) for each in read.findings.persistence] == [
        ("Spooler", r"C:\Windows\System32\spoolsv.exe", "LocalSystem"),
        ("Evil", r"C:\Users\Public\svc.exe", "LocalSystem"),
        ("Short", "", ""),
    ]
    assert "1 rows had several cells in one" in read.said
    assert "1 rows have another number of cells" in read.said


def test_processes_with_their_time_only_where_a_zone_is_written() -> None:
    updater, system = listed.of_processes(PROCESSES, DEVICE, "s").findings.processes
    assert updater.key.created == datetime(2026, 8, 13, 8, 56, 40, tzinfo=timezone(timedelta(hours=1)))
    assert updater.parent
    assert (updater.parent.pid, updater.command_line) == (4780, 'u.exe -s "cdn"')
    assert system.key.created is None
    assert listed.moment("13.08.2026 09:56:40") is None
    assert listed.moment("2026-08-13T09:56:40") is None
    assert listed.moment("00010101000000.000000+720") is None
    assert listed.moment("2026-08-13T09:56:40Z") == datetime(2026, 8, 13, 9, 56, 40, tzinfo=UTC)


def test_processes_under_a_head_that_nobody_knows() -> None:
    text = "映像名,識別子,場所\na.exe,4,C:\\a.exe\nb.exe,8,C:\\b.exe\n"
    read = listed.of_processes(text, DEVICE, "s")
    assert [(each.key.pid, each.path) for each in read.findings.processes] == [(4, "C:\\a.exe"), (8, "C:\\b.exe")]
    assert "told by their content" in read.said


def test_who_is_there_and_who_is_in_a_group() -> None:
    users = told.of_sessions(QUSER, DEVICE, "s").findings.accounts
    assert [each.name for each in users] == ["alice", "bob"]
    members = told.of_groups(GROUP, DEVICE, "s", named="x").findings.accounts
    assert [(each.name, each.kind) for each in members] == [
        ("Administrator", "member of Administratoren"),
        ("CONTOSO\\alice", "member of Administratoren"),
    ]


def have(data: bytes, name: str) -> list[tuple[str, str, str, str]]:
    found = only({name: data}).findings.inventory
    return [(each.topic, each.name, each.value, each.detail) for each in found]


def test_installed_programs_with_where_they_came_from() -> None:
    assert have(PROGRAMS.encode(), "Installed Programs/InstalledPrograms.csv") == [
        ("program", "7-Zip 24.08", "24.08", "Igor Pavlov · C:\\Program Files\\7-Zip\\"),
        ("program", "AnyDesk", "8.0.9", "AnyDesk Software GmbH"),
    ]
    strange = only({"Installed Programs/InstalledPrograms.csv": "名前,版\nAnyDesk,8\n".encode()})
    assert "no column has a known name" in strange.detail


def test_neighbours_in_german_without_those_that_mean_everybody() -> None:
    assert have(ARP_DE.encode("cp850"), "Network Connections/Arp.txt") == [
        ("neighbour", "10.0.0.1", "00-1c-42-00-00-18", "")
    ]


def test_addresses_in_french_with_the_adapter_and_the_label_as_they_stand() -> None:
    found = have(IPCONFIG_FR.encode("cp1252"), "Network Connections/IpConfig.txt")
    assert [(name, value) for _, name, value, _ in found] == [
        ("Carte Ethernet Ethernet0", value)
        for value in ("00-0C-29-AA-BB-CC", "fe80::1c2d:3e4f", "10.0.0.7", "255.255.255.0", "10.0.0.1", "10.0.0.2")
    ]
    assert found[2][3] == "Adresse IPv4"
    assert found[-1][3] == "Serveurs DNS"


def test_the_system_in_german_with_values_over_several_lines() -> None:
    found = have(SYSTEM_DE.encode("cp850"), "System Information/SystemInformation.txt")
    assert [(name, value) for _, name, value, _ in found] == [
        ("Hostname", "HOST1"),
        ("Betriebssystemname", "Microsoft Windows 11 Enterprise"),
        ("Hotfix(es)", "2 Hotfix(e) installiert."),
        ("Hotfix(es)", "[01]: KB5034204"),
        ("Hotfix(es)", "[02]: KB5034765"),
    ]


@pytest.mark.parametrize(
    ("text", "encoding", "day"),
    [
        (DIR_FR, "cp850", "29/11/2026 03:59"),
        (DIR_JA, "cp932", "2026/11/29 03:59"),
        (DIR_EN, "cp1252", "11/29/2026 03:59 AM"),
    ],
)
def test_files_of_temporary_folders_in_any_countrys_dates(text: str, encoding: str, day: str) -> None:
    """Nobody says which number is the month, nor in which zone: the time stays as it was written."""
    member = only({"Temp Directories/alice_TempDirFiles.txt": text.encode(encoding)})
    first = member.findings.inventory[0]
    assert (first.name, first.value) == ("C:\\Users\\alice\\AppData\\Local\\Temp\\updater.exe", "12345")
    assert (first.local, member.zone) == (day, "local")
    assert [each.name.rpartition("\\")[2] for each in member.findings.inventory[1:]] in ([], ["note é.txt"])


@pytest.mark.parametrize(("text", "line"), [(PS_AUX, 2), (PS_EF, 2)])
def test_processes_of_linux_and_macos_whatever_the_member_is_called(text: str, line: int) -> None:
    member = only({"whatever/list": text.encode()})
    assert (member.parser, member.rows) == ("processes, by shape", line)
    one = member.findings.processes[-1]
    assert one.key.pid == 4711
    assert one.command_line.startswith(one.path)


@pytest.mark.parametrize(("text", "ends"), [(SS, 1), (NETSTAT_MAC, 2)])
def test_connections_of_linux_and_macos(text: str, ends: int) -> None:
    member = only({"net": text.encode()})
    assert member.parser == "connections, by shape"
    found = member.findings.endpoints
    assert len(found) == ends
    assert (found[0].address, found[0].port) == ("203.0.113.66", 443)
    assert found[0].process_name in {"kworker", ""}


def test_sign_ins_and_the_system_of_linux() -> None:
    accounts = only({"users.txt": LAST.encode()}).findings.accounts
    assert [(each.name, each.origin.partition(" ")[0]) for each in accounts] == [
        ("alice", "203.0.113.9"),
        ("root", "Sat"),
    ]
    system = only({"os.txt": RELEASE.encode()}).findings.inventory
    assert [(each.name, each.value) for each in system] == [("NAME", "Ubuntu"), ("VERSION_ID", "24.04")]


def test_a_text_that_only_holds_a_line_like_it_is_nothing() -> None:
    prose = "\n".join(["The quick brown fox."] * 20 + [PS_AUX.splitlines()[1]])
    assert only({"readme.txt": prose.encode()}).outcome is Outcome.METADATA


# prefetch


@pytest.mark.parametrize(
    ("name", "program", "runs", "newest"),
    [
        ("CMD.EXE-087B4001.pf", "CMD.EXE", 2, "2013-03-10T10:11:49"),
        ("PING.EXE-B29F6629.pf", "PING.EXE", 14, "2012-04-06T19:00:55"),
        ("BYTECODEGENERATOR.EXE-C1E9BCE6.pf", "BYTECODEGENERATOR.EXE", 7, "2015-05-14T22:11:58"),
    ],
)
def test_real_prefetch_files_of_three_windows_tell_what_ran_and_when(
    name: str, program: str, runs: int, newest: str
) -> None:
    """The last one is packed, as on Windows 10 and 11."""
    member = only({f"Prefetch Files/Prefetch/{name}": (DATA / name).read_bytes()})
    events = member.findings.events
    assert member.outcome is Outcome.PARSED
    assert {(each.what, each.detail) for each in events} == {(program, f"{runs} times in all")}
    assert str(events[0].at).startswith(newest.replace("T", " "))
    assert len(events) in {1, 7}


@given(st.binary(max_size=700), st.sampled_from([b"MAM\x04", b"\x1e\x00\x00\x00SCCA", b""]))
def test_no_prefetch_file_is_odd_enough_to_break_it(data: bytes, start: bytes) -> None:
    try:
        ran = read(start + data)
    except NoPrefetch:
        return
    assert all(1990 <= moment.year < 2200 for moment in ran.times)


def test_a_member_of_any_name_is_known_by_its_shape() -> None:
    """Packages of Linux and macOS have names that no page gives; theirs are counted."""
    assert by_shape(NETSTAT) is not None
    assert by_shape(AUTORUNS) is not None
    assert by_shape("total 0\ndrwxr-xr-x root") is None
    assert only({"collected/processes.txt": b"USER PID\nroot 1\n"}).outcome is Outcome.METADATA
    assert way_of("WdSupportLogs/MpCmdRunLog.txt").parser is None


# encodings


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("プロセス名とサービスの一覧", "cp932"),
        ("Müller über Größe", "cp1252"),
        ("Müller über Größe", "cp850"),
        ("tâche planifiée à exécuter", "cp1252"),
        ("tâche planifiée à exécuter", "cp850"),
        ("plain words", "utf-8"),
        ("プロセス plain words", "utf-16-le"),
        ("words and words", "utf-16-be"),
        ("日本語 words", "utf-8"),
    ],
)
def test_an_encoding_that_nobody_declares_is_told_by_the_bytes(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding)) == (text, encoding)


@given(st.binary(max_size=400))
def test_every_sequence_of_bytes_is_some_text(data: bytes) -> None:
    text, encoding = decoded(data)
    assert isinstance(text, str)
    assert encoding


# real files


def test_a_real_event_log_tells_logons_and_processes() -> None:
    """194 records, by the documents of plaso and by three parsers."""
    member = only({"Security Event Log/Security.evtx": (DATA / "System2.evtx").read_bytes()})
    assert (member.outcome, member.rows, member.understood) == (Outcome.PARSED, 194, 194)
    events = member.findings.events
    assert events
    assert all(each.at and each.at.year == 2015 for each in events)
    assert {each.kind for each in events} <= {Kind.LOGON, Kind.LOG, Kind.PROCESS}


def test_a_log_that_is_cut_short_is_partial_and_one_that_is_none_unsupported() -> None:
    data = (DATA / "System2.evtx").read_bytes()
    cut = only({"a.evtx": data[: len(data) // 2]})
    assert cut.outcome in {Outcome.PARTIAL, Outcome.PARSED, Outcome.UNSUPPORTED}
    assert cut.rows < 194
    assert only({"a.evtx": b"no log"}).outcome is Outcome.UNSUPPORTED


def test_an_event_log_that_never_ends_holds_nobody_else_up() -> None:
    """One bit of a real log keeps the compiled parser for ever, and with it every thread of its process."""
    data = bytearray((DATA / "System2.evtx").read_bytes()[:70_000])
    data[5772] = 1
    ticks: list[float] = []
    over = threading.Event()

    def tick() -> None:
        while not over.wait(0.05):
            ticks.append(time.monotonic())

    (beside := threading.Thread(target=tick)).start()
    began = time.monotonic()
    try:
        found = open_bytes(zipped({"a.evtx": bytes(data), "b/Autoruns.txt": AUTORUNS.encode()}), left=1.5)
    finally:
        over.set()
        beside.join()
    assert time.monotonic() - began < 10
    assert len(ticks) > 10
    log, other = found.members
    assert log.outcome is Outcome.UNSUPPORTED
    assert log.detail == "no event log: it took longer than 1.5 s"
    assert other.outcome is Outcome.PARSED


def test_a_log_of_which_the_rest_never_comes_tells_what_it_had() -> None:
    data = bytearray((DATA / "System2.evtx").read_bytes())
    data[5772 + 65_536] = 1
    [member] = open_bytes(zipped({"a.evtx": bytes(data)}), left=1.5).members
    assert (member.outcome, member.rows) == (Outcome.PARTIAL, 104)
    assert member.detail == "it took longer than 1.5 s after 104 records"
    assert member.findings.events


def test_a_parser_that_ends_badly_or_says_too_much_is_no_end_of_a_list() -> None:
    with pytest.raises(ChildProcessError, match="ended with 1"):
        list(lines_of("responders._package.no_such_module", [], b"", 30, 100))
    with pytest.raises(OSError, match="too much"):
        list(lines_of("this", [], b"", 30, 10))


def test_a_real_firewall_log_keeps_its_local_times_as_they_are() -> None:
    read = told.of_firewall((DATA / "windows_firewall.log").read_text(encoding="cp1252"), DEVICE, "s")
    first = read.findings.events[0]
    assert read.zone == "local"
    assert (first.at, first.local, first.action, first.what) == (
        None, "2005-04-11 08:05:57", "DROP", "123.156.78.255:137",
    )  # fmt: skip
    assert read.rows == read.understood > 10


# what is wrong with packages


def test_a_bomb_costs_no_more_than_its_bound() -> None:
    member = only({"bomb.txt": b"\0" * (60 << 20)})
    assert member.outcome is Outcome.METADATA
    assert "larger than" in member.detail


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_cannot_be_unpacked_within_a_bound_is_not_unpacked(method: int) -> None:
    """337 bytes of bzip2 are 400 MB at one go; and what is wrong with LZMA rises as an error of its own."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("a.txt", b"\0" * (8 << 20))
        archive.writestr(zipfile.ZipInfo("b.txt"), b"x")
    first, second = open_bytes(made.getvalue()).members
    assert (first.outcome, first.detail) == (Outcome.SKIPPED, f"packed in a way that is not read here ({method})")
    assert second.outcome is Outcome.METADATA


def test_one_odd_cell_hides_no_other_member() -> None:
    """A number of 5,000 digits is none of a process; whatever a parser trips over stays with its member."""
    tasks = b'"TaskName","Task To Run"\r\n"\\\\a","a.exe"\r\n'
    found = open_bytes(
        zipped({"Processes.csv": b"Name,ProcessId\na," + b"9" * 5000 + b"\n", "ScheduledTasks.csv": tasks})
    )
    assert not found.problems
    assert [(each.outcome, each.rows) for each in found.members] == [(Outcome.PARTIAL, 1), (Outcome.PARSED, 1)]


def test_of_endless_lines_as_many_are_read_as_there_is_room_for() -> None:
    """A megabyte of a table takes a hundred in memory."""
    lines = b"Name,ProcessId\n" + b"a,1\n" * 150_000
    found = open_bytes(zipped({"Processes.csv": lines, "old/Processes.csv": lines, "more/Processes.csv": lines}))
    first, second, third = found.members
    assert (first.outcome, first.rows) == (Outcome.PARSED, 150_000)
    assert (second.outcome, second.rows) == (Outcome.PARTIAL, 49_999)
    assert second.detail.startswith("only its first")
    assert third.rows == 0
    assert "only its first" in third.detail


def test_a_wide_table_is_cut_to_what_a_table_can_have() -> None:
    assert len(read_table("x," * 50_000 + "\n").head) <= 200


LONG = 1_000_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DnsCache.txt", "  " + "." * LONG),
        ("DnsCache.txt", " " * LONG + "x"),
        ("ActiveNetConnections.txt", "TCP 1.1.1.1:1 2.2.2.2:2" + " " * LONG + "x"),
        ("Autoruns.txt", "HKEY_LOCAL_MACHINE\\x\n  a" + " " * LONG + "x"),
        ("unknown.txt", "HKEY_A\\\n" + " " * LONG),
        ("unknown.txt", "\n" * LONG),
        ("Arp.txt", "00-" * (LONG // 3)),
        ("Arp.txt", "a" * LONG + " 00-1c-42-00-00-18"),
        ("IpConfig.txt", "A :\n  " + ". " * (LONG // 2)),
        ("IpConfig.txt", "A :\n  x : " + "1." * (LONG // 2)),
        ("IpConfig.txt", "A :\n" + " " * LONG),
        ("SystemInformation.txt", "x:" + " " * LONG),
        ("a_TempDirFiles.txt", "1/1/1 1:11 " + "1 111" * (LONG // 5)),
        ("a_TempDirFiles.txt", "C:\\" + " ." * (LONG // 2)),
        ("unknown.txt", "a 1 " + "1.0 " * (LONG // 4)),
        ("unknown.txt", "tcp 0 0 " + "1.1:" * (LONG // 4)),
        ("unknown.txt", "tcp 0 0 1.1.1.1:1 2.2.2.2:2 " + "1/" * (LONG // 2)),
        ("unknown.txt", "a pts/0 " + "x " * (LONG // 2)),
        ("unknown.txt", "A=" + '"' * LONG),
    ],
)
def test_no_line_takes_longer_than_it_is_long(name: str, text: str) -> None:
    """A pattern that tries every place against every other one would not come back from these within a day."""
    assert only({name: text.encode()}).path == name


def test_a_code_page_is_told_without_room_for_every_letter() -> None:
    assert decoded(b"\xb1" * (3 << 20))[1] == "cp932"


@pytest.mark.parametrize("event", ['{"Event": null}', '{"Event": [1]}', '{"Event": {"System": {"EventID": 4688}}}'])
def test_an_event_of_another_shape_is_counted(event: str) -> None:
    assert eventlog._event({"data": event}, DEVICE, "s") is None or "4688" in event
    assert eventlog._number("0x" + "f" * 5000) is None
    assert eventlog._number("0x1f4") == 500


def test_too_many_members_are_cut_aloud() -> None:
    found = open_bytes(zipped({f"{each}.x": b"" for each in range(MOST_MEMBERS + 3)}))
    assert len(found.members) == MOST_MEMBERS
    assert found.problems


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "C:\\x", "..\\x", "~/x"])
def test_paths_that_lead_outside_are_not_followed(name: str) -> None:
    member = only({name: b"x"})
    assert (member.outcome, member.rows) == (Outcome.SKIPPED, 0)
    assert "outside" in member.detail


def test_links_doubles_and_encrypted_members_are_named() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.txt", "one")
        archive.writestr("A.TXT", "two")
        archive.writestr("secret.txt", "three")
    data = bytearray(buffer.getvalue())
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    details = {member.path: member.detail for member in open_bytes(bytes(data)).members}
    assert details["link"] == "a symbolic link"
    assert details["A.TXT"] == "another member has the same path"
    assert details["secret.txt"] == "encrypted"


def test_a_damaged_member_is_partial_or_skipped_and_the_others_are_read() -> None:
    data = bytearray(zipped({"a.txt": b"x" * 5000, "Autoruns/Autoruns.txt": AUTORUNS.encode()}))
    data[40:48] = b"\xff" * 8
    first, second = open_bytes(bytes(data)).members
    assert first.detail
    assert second.outcome is Outcome.PARSED


def test_a_table_of_contents_beyond_any_bound_is_not_parsed() -> None:
    """Each of its entries of 47 bytes becomes an object of 400."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    table = entry * 60_000
    data = table + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 60_000, 60_000, len(table), 0, 0)
    found = open_bytes(data)
    assert found.members == ()
    assert found.problems == ("it cannot be opened as a zip file: OSError",)


def test_without_time_nothing_is_read_and_all_is_named() -> None:
    members = open_bytes(zipped(package()), left=0.0).members
    assert {member.outcome for member in members} == {Outcome.SKIPPED}
    assert all("no time" in member.detail for member in members)


def test_what_is_no_zip_is_said_to_be_none() -> None:
    assert open_bytes(b"<html>").problems


@given(st.binary(max_size=600))
@settings(max_examples=200)
def test_no_bytes_are_odd_enough_to_break_it(data: bytes) -> None:
    assert open_bytes(data).problems or open_bytes(data).members is not None


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_package_that_is_damaged_anywhere_never_reads_as_whole(data: st.DataObject) -> None:
    """What is read of it is what was there, or it says that something is wrong."""
    small = {"Autoruns/Autoruns.txt": AUTORUNS.encode(), "Services/Services.csv": SERVICES.encode()}
    whole = zipped(small)
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    found = open_bytes(flipped)
    before = {member.path: member.sha256 for member in open_bytes(whole).members}
    for member in found.members:
        assert member.sha256 in {"", *before.values()}
        assert member.sha256 or member.detail


parsers = st.sampled_from(
    [told.of_connections, told.of_names, told.of_registry, told.of_sessions, told.of_shares, told.of_firewall,
     listed.of_processes, listed.of_services, listed.of_tasks, listed.of_any_table, inventory.of_programs,
     inventory.of_neighbours, inventory.of_addresses, inventory.of_system, inventory.of_listing, unix.of_processes,
     unix.of_sockets, unix.of_sign_ins, unix.of_assignments]
)  # fmt: skip
pieces = st.sampled_from(
    ["TCP", "0.0.0.0:1", "*:*", "[a]", "HKEY_X\\Y", "  n    REG_SZ    d", "-----", "x . . : y", '"', "'a','b'", ",",
     "00-1c-42-00-00-18", "10.0.0.1", "fe80::1", "A :\n", "  b . . : ", "1/2/26  3:04 ", " 12 345 x", "A=1",
     "u 1 0.0 0.1 1 1 ? S x 0:00 /b", "tcp 0 0 10.0.0.9:1 203.0.113.6:443 ", "u pts/0 h Sat Nov 28 22:10",
     "\n", "\\T", "#Fields: a b", "1", "\t", "\r", "\u2028", "9" * 400]
)  # fmt: skip


@given(parsers, st.lists(st.one_of(pieces, st.text(max_size=12)), max_size=40).map("".join))
@settings(max_examples=300)
def test_no_text_is_odd_enough_to_break_a_parser(parser: object, text: str) -> None:
    read = parser(text, DEVICE, "s")  # type: ignore[operator]
    assert 0 <= read.understood <= read.rows


@given(st.text(max_size=200))
def test_a_table_is_whatever_a_text_holds(text: str) -> None:
    table = read_table(text)
    assert table.odd <= len(table.rows)
