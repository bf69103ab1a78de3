"""The simulated Linux devices: what is uploaded really runs there, within the documented limits, and nowhere else."""

import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from local.tenant.linux import Sandboxes, without_network
from local.tenant.model import Tenant
from local.tenant.sandbox import STANDINS, Sandbox
from local.tenant.settings import TenantSettings
from local.tenant.wire import Json
from tests.fakes.storage import FakeClock

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
FAST: Json = {"visibility_seconds": 0, "durations": {"LiveResponse": {"pending": 1, "running": 1}}}
Opened = Callable[..., "Bench"]


class Bench:
    """A tenant with one Linux device."""

    def __init__(self, root: Path, device: Json, **settings: object) -> None:
        chosen = TenantSettings.from_json({**FAST, **settings})
        self.devices = Sandboxes(root, chosen, wait=True)
        self.clock = FakeClock()
        self.tenant = Tenant(chosen, self.clock.now, 0, self.devices)
        self.machine = self.tenant.fleet.put({"computerDnsName": "srv.contoso.com", "osPlatform": "Ubuntu", **device})
        self.id = self.machine.shown["id"]
        self.tenant.library.put("avml", (STANDINS / "avml").read_bytes(), "x")

    @property
    def sandbox(self) -> Sandbox:
        return self.devices.of(self.machine)

    def session(self, *commands: tuple[str, dict[str, str]]) -> Json:
        """Have a session; the machine action once it is over."""
        asked = [{"type": kind, "params": [{"key": k, "value": v} for k, v in of.items()]} for kind, of in commands]
        made = self.tenant.run_live_response(self.id, {"Comment": "c", "Commands": asked}, "x")
        self.clock.advance(2)
        self.tenant.get_action(made["id"])
        self.clock.advance(3600)
        return self.tenant.get_action(made["id"])

    def script(self, text: str, args: str = "", *more: tuple[str, dict[str, str]], before: Sequence[str] = ()) -> Json:
        self.tenant.library.put("s.sh", f"#!/bin/bash\n{text}\n".encode(), "x")
        puts = [("PutFile", {"FileName": name}) for name in before]
        return self.session(*puts, ("RunScript", {"ScriptName": "s.sh", **({"Args": args} if args else {})}), *more)

    def said(self, text: str, args: str = "", before: Sequence[str] = ()) -> Json:
        """What a script answered."""
        done = self.script(text, args, before=before)
        assert done["status"] == "Succeeded", done
        result = self.tenant.desk.one(done["id"]).results[len(before)]
        assert isinstance(result, bytes)
        return dict(json.loads(result))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made: list[Bench] = []

    def open_one(device: Json | None = None, **settings: object) -> Bench:
        made.append(Bench(tmp_path / str(len(made)), {"device": device or {}}, **settings))
        return made[-1]

    yield open_one
    for each in made:
        each.devices.close()


def lines(said: Json) -> list[str]:
    """A script's output without the transcript's head."""
    return str(said["script_output"]).splitlines()[1:]


def test_a_script_runs_with_its_arguments_and_its_exit_code(opened: Opened) -> None:
    said = opened().said('echo "$1-$2"; echo oh >&2; exit 7', 'a "b c"')
    assert (lines(said), said["script_errors"], said["exit_code"]) == (["a-b c"], "oh\n", 7)
    assert said["script_name"] == "s.sh"


def test_a_script_finds_a_device_of_its_own(opened: Opened) -> None:
    bench = opened({"memory_mib": 24, "free_mib": 100, "lockdown": "integrity", "metered": True, "battery": 9})
    asks = "cat /proc/meminfo /sys/kernel/security/lockdown /sys/class/power_supply/BAT0/capacity; df -Pk x; nmcli"
    told = "\n".join(lines(bench.said(f'{asks}; cat /etc/shadow; env; [ "$PWD" = "$(pwd)" ]')))
    assert "MemTotal:       24576 kB" in told
    assert "none [integrity] confidentiality" in told
    assert "/dev/synthetic 102400 " in told
    assert "GENERAL.METERED:yes" in told
    assert "root:" not in told, "what the device does not have is not shown from this machine"
    assert "PYTEST" not in told
    assert str(bench.sandbox.root) in told


def test_a_script_has_no_network(opened: Opened) -> None:
    said = opened().said("cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '")
    if not without_network():
        pytest.skip("this machine does not let a network be taken away")
    assert lines(said) == ["lo"]


def test_a_file_is_put_and_one_is_got_as_gzip_of_several_members(opened: Opened) -> None:
    bench = opened(gzip_member_bytes=1000)
    done = bench.script('cp avml "$TMPDIR/copy"', "", ("GetFile", {"Path": "/var/tmp/copy"}), before=["avml"])
    result = bench.tenant.desk.one(done["id"]).results[2]
    assert isinstance(result, Path)
    packed = result.read_bytes()
    assert packed.count(b"\x1f\x8b\x08") > 1
    assert gzip.decompress(packed) == (STANDINS / "avml").read_bytes()


@pytest.mark.parametrize("path", ["/etc/../../../etc/passwd", "/missing", "/var/tmp", "/out"])
def test_what_is_no_file_of_the_device_is_not_got(opened: Opened, path: str) -> None:
    bench = opened()
    (bench.sandbox.root / "out").symlink_to("/etc/passwd")
    done = bench.session(("GetFile", {"Path": path}))
    assert (done["status"], done["commands"][0]["commandStatus"]) == ("Failed", "Failed")


def test_a_failure_is_the_last_command(opened: Opened) -> None:
    done = opened().session(("PutFile", {"FileName": "missing"}), ("GetFile", {"Path": "/etc/os-release"}))
    assert [one["commandStatus"] for one in done["commands"]] == ["Failed", "Created"]


def test_files_beyond_the_limits_are_refused(opened: Opened) -> None:
    bench = opened(put_file_limit=10, get_file_limit=10)
    assert bench.session(("PutFile", {"FileName": "avml"}))["status"] == "Failed"
    assert bench.session(("GetFile", {"Path": "/etc/os-release"}))["status"] == "Failed"


def test_a_transfer_that_would_take_too_long_times_out(opened: Opened) -> None:
    bench = opened(uplink_bytes_per_second=10, get_file_seconds=1)
    assert bench.session(("GetFile", {"Path": "/etc/os-release"}))["status"] == "TimeOut"


def test_a_script_beyond_its_time_is_ended_with_what_it_started(opened: Opened) -> None:
    bench = opened(script_seconds=0.3)
    began = time.monotonic()
    done = bench.script("sleep 60 & sleep 60")
    assert time.monotonic() - began < 5
    assert done["status"] == "TimeOut"
    until = time.monotonic() + 5
    while bench.sandbox.processes() and time.monotonic() < until:
        time.sleep(0.05)
    assert bench.sandbox.processes() == []


@pytest.mark.parametrize(
    "how", ["setsid -f sleep 60", "systemd-run --unit=x -- sleep 60", "nohup sleep 60 >/dev/null &"]
)
def test_what_was_detached_goes_on_and_nobody_waits_for_it(opened: Opened, how: str) -> None:
    bench = opened()
    began = time.monotonic()
    bench.said(how)
    assert time.monotonic() - began < 5
    assert len(bench.sandbox.processes()) == 1


def test_a_restart_ends_everything_and_empties_the_working_folder(opened: Opened) -> None:
    bench = opened()
    bench.said('setsid -f sleep 60; echo 1 > "$TMPDIR/kept"', before=["avml"])
    bench.tenant.reboot(bench.id)
    assert bench.sandbox.processes() == []
    assert lines(bench.said('ls avml; cat "$TMPDIR/kept"')) == ["1"]


def test_what_becomes_another_program_is_never_overlooked(opened: Opened) -> None:
    bench = opened()
    bench.said('echo \'exec bash "$0"\' > "$HOME/again"; setsid -f bash "$HOME/again"')
    assert {len(bench.sandbox.processes()) for _ in range(200)} <= {1, 2}
    bench.tenant.reboot(bench.id)
    assert bench.sandbox.processes() == []


def test_without_systemd_there_is_no_unit(opened: Opened) -> None:
    assert opened({"systemd": False}).said("systemd-run --unit=x -- sleep 60")["exit_code"] == 1


def test_the_stand_in_tool_has_the_commands_of_today(opened: Opened) -> None:
    bench = opened({"memory_mib": 5})
    said = bench.said(
        'chmod +x avml; ./avml --version; ./avml acquire "$TMPDIR/i"; ./avml x.lime; echo $?', before=["avml"]
    )
    assert lines(said) == ["avml 0.20.0", "2"]
    assert (bench.sandbox.root / "var/tmp/i").stat().st_size == 5 * (1 << 20) + 2 * 32


@pytest.mark.parametrize(
    ("device", "words"),
    [({"lockdown": "integrity"}, "locked down /proc/kcore"), ({"disk_fills": True, "free_mib": 16}, "No space left")],
)
def test_the_stand_in_tool_fails_as_the_real_one_does(opened: Opened, device: Json, words: str) -> None:
    said = opened(device).said('chmod +x avml; ./avml acquire "$TMPDIR/i"', before=["avml"])
    assert said["exit_code"] == 1
    assert words in said["script_errors"]


def test_a_mac_runs_nothing_here(opened: Opened) -> None:
    bench = opened()
    bench.machine.shown["osPlatform"] = "macOS"
    assert bench.session(("GetFile", {"Path": "C:\\x"}))["status"] == "Failed"
