"""What the shipped script must not do to a device: run somebody else's files, or fill its disk."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from responders._library import FOLDER

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
SCRIPT = FOLDER / "bulkhead-linux.sh"
NAME = "bulkhead-0123456789abcdef"
NOBODY = 65534


def step(path: str, *words: str, home: Path | None = None) -> dict[str, object]:
    """One step, with `path` before the system's own programs; gives what its last line says."""
    environment = {"PATH": f"{path}:{os.environ['PATH']}", "HOME": str(home or "/nonexistent")}
    done = subprocess.run(
        ["/bin/bash", str(SCRIPT), *words], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def with_free(folder: Path, kib: int) -> str:
    """A folder with a `df` that tells so much room."""
    folder.mkdir()
    (folder / "df").write_text(f"#!/bin/sh\necho head\necho /dev/x 9 9 {kib} 9% /\n", encoding="ascii")
    (folder / "df").chmod(0o755)
    return str(folder)


def somebodys(folder: Path) -> Path:
    """A capture that somebody made up, whose worker tells that it ran."""
    folder.mkdir()
    (folder / "status").write_text('"state":"capturing","bytes":1', encoding="ascii")
    (folder / "words").write_text("tool=x", encoding="ascii")
    (folder / "worker.sh").write_text(f"touch {folder.parent}/ran\n", encoding="ascii")
    return folder


@pytest.mark.parametrize("words", [("status",), ("cut", "offset=0", "length=1", "count=1"), ("clean",), ("triage",)])
def test_a_folder_that_is_somebody_elses_is_left_alone(tmp_path: Path, words: tuple[str, ...]) -> None:
    """In /var/tmp whoever saw the folder's name can make it again once it is gone, and would be run as root."""
    (tmp_path / NAME).symlink_to(somebodys(tmp_path / "theirs"))
    said = step("/bin", words[0], f"dir={tmp_path / NAME}", *words[1:])
    assert said["error"] == "folder"
    assert not (tmp_path / "ran").exists()
    assert (tmp_path / "theirs" / "status").exists()


def test_a_part_is_not_cut_where_the_disk_would_be_short_then(tmp_path: Path) -> None:
    """The room that was kept free while the image was made stays free while it is fetched."""
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "image").write_bytes(bytes(1 << 20))
    words = ("cut", f"dir={tmp_path / NAME}", "offset=0", f"length={1 << 20}", "count=1", "reserve=1000")
    assert step(with_free(tmp_path / "short", 2000), *words)["error"] == "disk"
    assert not list((tmp_path / NAME).glob("part-*"))
    assert "error" not in step(with_free(tmp_path / "enough", 2030), *words)


def collected(tmp_path: Path, path: str) -> tuple[dict[str, str], set[str]]:
    """What the triage says of each command, and what is in it."""
    said = step(path, "triage", f"dir={tmp_path / NAME}")
    with tarfile.open(str(said["path"]), "r:gz") as tar:
        told = tar.extractfile("./commands.txt")
        assert told
        lines = told.read().decode().splitlines()
        return dict(line.split(": ", 1) for line in lines), {name.removeprefix("./") for name in tar.getnames()}


def with_program(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{text}\n", encoding="ascii")
    (folder / name).chmod(0o755)
    return str(folder)


def test_a_collection_says_what_of_it_is_not_whole(tmp_path: Path) -> None:
    """A command that hangs is ended, one that prints for ever is cut, one that is not there prints nothing."""
    own = tmp_path / "own"
    with_program(
        own, "timeout", 'shift; case "$1" in ss) echo begun; exit 124 ;; who) exit 127 ;; *) exec "$@" ;; esac'
    )
    path = with_program(own, "uname", "head -c 100000500 /dev/zero")
    told, names = collected(tmp_path, path)
    assert told["sockets.txt"] == "exit code 124, 6 bytes, ended after 60 seconds: there is more"
    assert told["system.txt"] == "exit code 0, 100000000 bytes, which are the last ones"
    assert told["logged-on.txt"] == "exit code 127, 0 bytes"
    assert told["time.txt"] == "exit code 0, 21 bytes"
    assert {"sockets.txt", "time.txt"} < names
    assert "logged-on.txt" not in names


def test_nothing_is_collected_that_a_full_disk_has_no_room_for(tmp_path: Path) -> None:
    told, names = collected(tmp_path, with_free(tmp_path / "short", 100_000))
    assert set(told.values()) == {"not asked for: the disk is short"}
    assert "time.txt" not in names


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody")
def test_so_is_one_that_another_account_made(tmp_path: Path) -> None:
    theirs = somebodys(tmp_path / NAME)
    os.chown(theirs, NOBODY, NOBODY)
    assert step("/bin", "status", f"dir={theirs}")["error"] == "folder"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("old", [True, False])
def test_a_unit_that_is_over_leaves_nothing_in_systemd(tmp_path: Path, old: bool) -> None:
    """What is cleaned away is killed, and would stand among the failed units; systemd before 236 has no such option."""
    refuses = f'[ "$1" = --collect ] && {str(old).lower()} && exit 1'
    starts = 'while [ "$1" != -- ]; do shift; done; shift; setsid "$@" >/dev/null 2>&1 &'
    asked = tmp_path / "asked"
    path = with_program(tmp_path / "own", "systemd-run", f'echo "$1" >>{asked}; {refuses}\n{starts}')
    assert "error" not in step(path, "logs", f"dir={tmp_path / NAME}")
    try:
        assert asked.read_text().split() == (["--collect", "--quiet"] if old else ["--collect"])
    finally:
        assert step(path, "clean", f"dir={tmp_path / NAME}")["clean"] is True
