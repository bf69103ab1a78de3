"""Nothing unpinned runs on a device: what the library holds is compared before every session."""

import hashlib
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from local.tenant import samples
from responders._governor import Governor
from responders._holding import HOLD, held_in
from responders._ledger import Ledger
from responders._library import PinnedDevices, scripts, sync
from shared.config import Settings
from shared.errors import Rejected, Transient, Unobtainable
from shared.models.asked import Held
from shared.models.command import GetFile, PutFile, RunScript
from tests.contract.test_clients_stand import tenant_of
from tests.fakes.clients import FakeDevices
from tests.fakes.storage import FakeClock, FakeRows, Hook

HOST = samples.fleet_id(2)
OURS = "bulkhead-linux.sh"
TOOL = b"tool"
PINNED = {"tool": {"sha256": hashlib.sha256(TOOL).hexdigest().upper()}}


class Stand:
    """A tenant, and devices behind the pins."""

    def __init__(self, before: Hook | None = None, **settings: object) -> None:
        clock = FakeClock()
        self.tenant = tenant_of(clock)
        chosen = Settings.model_validate({"DEPLOYMENT": "test", "TOOLS": PINNED, **settings})
        self.rows = FakeRows(before=before)
        held = partial(held_in, Ledger(self.rows))
        self.devices = PinnedDevices(FakeDevices(self.tenant), Governor(FakeRows(), clock, chosen), chosen, held)

    def asked(self, *commands: PutFile | RunScript | GetFile) -> int:
        """Ask for a session; gives how many the tenant has had."""
        self.devices.live_response(HOST, commands, "x")
        return self.sessions

    @property
    def sessions(self) -> int:
        return len(self.tenant.desk.everything())


def test_what_is_in_place_is_used_as_it_is() -> None:
    stand = Stand()
    stand.tenant.library.put(OURS, scripts()[OURS], "us")
    stand.tenant.library.put("tool", TOOL, "them")
    assert stand.asked(PutFile("tool"), RunScript(OURS, "preflight")) == 1


@pytest.mark.parametrize("content", [None, b"something else"])
def test_our_script_is_put_there_first_and_the_session_is_for_somebody_with_time(content: bytes | None) -> None:
    stand = Stand()
    if content:
        stand.tenant.library.put(OURS, content, "them")
    with pytest.raises(Transient, match="did not hold our"):
        stand.asked(RunScript(OURS, "preflight"))
    assert stand.sessions == 0
    assert stand.asked(RunScript(OURS, "preflight")) == 1


@pytest.mark.parametrize(
    ("content", "settings", "words"),
    [
        (TOOL, {"TOOLS": {}}, "not pinned"),
        (b"evil", {}, "not the pinned one"),
        (None, {}, "holds no tool"),
    ],
)
def test_a_file_of_others_that_is_not_the_pinned_one_is_never_used(
    content: bytes | None, settings: dict[str, object], words: str
) -> None:
    stand = Stand(None, **settings)
    if content:
        stand.tenant.library.put("tool", content, "them")
    for command in (PutFile("tool"), RunScript("tool")):
        with pytest.raises(Unobtainable, match=words) as refused:
            stand.asked(command)
        assert "tool" in refused.value.todo
    assert stand.sessions == 0


def test_files_alone_need_no_library() -> None:
    stand = Stand()
    assert stand.asked(GetFile("/etc/hosts")) == 1
    assert not [entry for entry in stand.tenant.journal.entries() if "library" in entry["path"]]


def test_a_hold_that_began_while_the_library_was_read_is_heeded() -> None:
    stand = Stand()
    ledger, at = Ledger(stand.rows), datetime(2026, 1, 5, 9, tzinfo=UTC)
    ledger.put_single(HOLD, Held(active=True, since=at, by="ada", why="a drill"), "")
    with pytest.raises(Transient, match="everything is held by ada since 2026-01-05 09:00 UTC: a drill"):
        stand.asked(GetFile("/etc/hosts"))
    assert stand.sessions == 0


def test_storage_that_refuses_to_tell_of_a_hold_does_not_pass_for_defender() -> None:
    """A refusal of the POST would end the action; this one is of a role that is being renewed."""

    def refuse(call: str) -> None:
        if call == "rows.get":
            raise Rejected("not allowed", status=403)

    stand = Stand(before=refuse)
    with pytest.raises(Transient, match="whether everything is held cannot be read now: not allowed"):
        stand.asked(GetFile("/etc/hosts"))
    assert stand.sessions == 0


def test_windows_is_off_until_somebody_switches_it_on() -> None:
    with pytest.raises(Unobtainable, match="switched off"):
        Stand().asked(RunScript("bulkhead-windows.ps1", "preflight"))
    on = Stand(WINDOWS_LIVE_RESPONSE="experimental")
    on.tenant.library.put("bulkhead-windows.ps1", scripts()["bulkhead-windows.ps1"], "us")
    assert on.asked(RunScript("bulkhead-windows.ps1", "preflight")) == 1


def test_syncing_names_what_it_changed() -> None:
    stand = Stand()
    assert sync(stand.devices, scripts()) == sorted(scripts())
    assert sync(stand.devices, scripts()) == []


# The scripts themselves


@pytest.mark.parametrize("name", sorted(scripts()))
def test_a_script_is_plain_ascii_small_and_named_as_the_library_wants(name: str) -> None:
    content = scripts()[name]
    content.decode("ascii")
    assert b"\r" not in content
    assert len(content) < 100_000
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name)


@pytest.mark.parametrize("name", [name for name in sorted(scripts()) if name.endswith(".sh")])
def test_a_shell_script_passes_shellcheck(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(scripts()[name])
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, str(tmp_path / name)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_on_macos_a_command_is_bounded_in_time_and_size(tmp_path: Path) -> None:
    """The functions of its script under the bash that is here, with smaller bounds: one second, a thousand bytes."""
    (tmp_path / "bundle").mkdir()
    text = scripts()["bulkhead-macos.sh"].decode()
    functions = "room() {" + text.partition("\nroom() {")[2].partition("\nbegin() {")[0]
    small = functions.replace("turn < 60", "turn < 1").replace("most=100000000", "most=1000")
    assert small.count("turn < 1;") == small.count("most=1000 ") == 1
    asked = (
        "add few echo few\nadd slow bash -c 'echo begun; sleep 300; echo over'\nadd many seq 1 2000\nadd none true\n"
    )
    script = f'DIR="{tmp_path}"\n{small}\n{asked}'
    subprocess.run(["/bin/bash", "-uf", "-c", script], check=True, timeout=120, capture_output=True)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()}
    told = kept.pop("commands.txt").decode().splitlines()
    assert (kept["few"], kept["slow"], len(kept["many"])) == (b"few\n", b"begun\n", 1000)
    assert kept["many"].endswith(b"\n2000\n")
    assert told == [
        "few: exit code 0, 4 bytes",
        "slow: exit code 137, 6 bytes, ended after 60 seconds: there is more",
        "many: exit code 0, 1000 bytes, which are the last ones",
        "none: exit code 0, 0 bytes",
    ]
    assert set(kept) == {"few", "slow", "many"}


@pytest.mark.parametrize("name", [name for name in sorted(scripts()) if name.endswith(".ps1")])
def test_a_powershell_script_is_whole(name: str) -> None:
    """By a grammar, since no PowerShell runs here: it finds what is not closed, not what does not exist."""
    tree = Parser(Language(tree_sitter_powershell.language())).parse(scripts()[name])
    assert wrong(tree.root_node) == []


def test_the_grammar_finds_what_is_not_closed() -> None:
    parser = Parser(Language(tree_sitter_powershell.language()))
    for broken in (b"if ($a) {\n", b"function f { 'x }\n", b"foreach ($a of $b) { }\n"):
        assert wrong(parser.parse(scripts()["bulkhead-windows.ps1"] + broken).root_node)


def wrong(node: Node) -> list[str]:
    """What of a tree is no PowerShell, with its line."""
    if not node.has_error:
        return []
    own = [f"line {node.start_point[0] + 1}: {node.text!r}"[:200]] if node.is_error or node.is_missing else []
    return own + [found for child in node.children for found in wrong(child)]


def test_windows_is_asked_in_the_words_of_linux() -> None:
    """One contract: what one script is asked, the other is asked too."""
    linux, windows = scripts()["bulkhead-linux.sh"].decode(), scripts()["bulkhead-windows.ps1"].decode()
    for step in ("preflight", "start", "worker", "status", "cut", "triage", "logs", "clean"):
        assert f"\n  {step}) " in linux
        assert f"$Step -eq '{step}'" in windows
    for word in ("dir", "id", "tool", "sha256", "compress", "part", "reserve", "expire", "offset", "length", "count"):
        assert f"    {word}=*) " in linux
        assert re.search(rf"[ {{;]{word} = '", windows)


def test_what_windows_was_given_has_an_end_of_its_own() -> None:
    """A task that outlives restarts, ends itself, and goes with all else. Whether Windows does it was not seen."""
    windows = scripts()["bulkhead-windows.ps1"].decode()
    made, gone = windows.partition("function Register-End")[2], windows.partition("function Remove-Ours")[2]
    for word in ("-StartWhenAvailable", "EndBoundary", "-DeleteExpiredTaskAfter", "-RepetitionInterval", "(New-End)"):
        assert word in made.partition("function ")[0]
    assert "Unregister-ScheduledTask -TaskName ($name + '-end')" in gone.partition("\nfunction ")[0]
    for asks in ("Invoke-Start", "New-Bundle"):
        assert "Register-End" in windows.partition(f"function {asks}")[2].partition("\nfunction ")[0]


def test_the_end_on_windows_runs_no_file() -> None:
    """Its task holds the text of the removal on one line, as the script joins it; no file can be put in its place."""
    windows = scripts()["bulkhead-windows.ps1"].decode()
    body = windows.partition("function Remove-Ours {")[2].partition("\n}\n")[0]
    line = re.sub(r"\s*[\r\n]+\s*", " ", body)
    assert not re.search(r"[\"#%]|\$\(", line)
    assert all(each.endswith((";", "{")) for each in body.split("\n")[1:])
    parser = Parser(Language(tree_sitter_powershell.language()))
    assert wrong(parser.parse(f"& {{{line}}} 'x' 1".encode()).root_node) == []
    ending = windows.partition("function New-End {")[2].partition("\n}\n")[0]
    assert "${function:Remove-Ours}" in ending
    assert "-File" not in ending


def test_the_folder_on_windows_is_of_the_system_and_closed_to_others() -> None:
    """Whether Windows does it was not seen."""
    windows = scripts()["bulkhead-windows.ps1"].decode()
    made = windows.partition("function New-Folder {")[2].partition("\n}\n")[0]
    assert re.search(r"ReparsePoint\)[^}]*Stop-Step", made)
    assert re.search(r"'S-1-5-18', 'S-1-5-32-544'\) -notcontains \$owner\) {\s*Stop-Step", made)
    assert re.search(r"icacls.exe [^\n]*\n    if \(\$LASTEXITCODE -ne 0\) {\s*Stop-Step", made)
    base = windows.partition("function Get-Base {")[2].partition("}")[0]
    assert base.split() == ["return", "$env:SystemRoot"]
    gone = windows.partition("function Remove-Ours {")[2]
    assert re.search(r"ReparsePoint\) {\s*return;\s*};\s*Remove-Item", gone)


def test_nothing_that_powershell_does_not_have_is_used() -> None:
    """Forms of newer versions, and those that the grammar takes for errors (5.1 has neither)."""
    windows = scripts()["bulkhead-windows.ps1"].decode()
    assert not re.search(r"\?\?|\?\.|&&|\|\||-Parallel|ForEach-Object -P|clean \{", windows)
