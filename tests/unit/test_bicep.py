"""The check of the Bicep files tells what it found, what it could not look at, and never takes one for the other."""

from pathlib import Path

import pytest

from tests.bicep import SKIPPED, check

CHECKER = """
import sys
print("checked", *sys.argv[1:])
print({line!r})
print("3 files, 0 errors, 0 warnings")
sys.exit({status})
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "infra" / "modules").mkdir(parents=True)
    for name in ("main.bicep", "grants.bicep", "modules/app.bicep", "lab.bicepparam"):
        (tmp_path / "infra" / name).touch()
    return tmp_path


def checker(folder: Path, line: str = "", status: int = 0) -> Path:
    script = folder / "checker.py"
    script.write_text(CHECKER.format(line=line, status=status), encoding="utf-8")
    return script


def test_without_a_checker_that_is_said_and_nothing_fails(project: Path) -> None:
    assert check({}, project / "none.py", project) == (0, SKIPPED)
    assert "NOT checked" in SKIPPED


def test_a_checker_that_was_named_has_to_be_there(project: Path) -> None:
    status, said = check({"BICEPCHECK": "nowhere.py"}, checker(project), project)
    assert (status, said) == (2, "BICEPCHECK: there is no file nowhere.py")


def test_the_checker_beside_the_project_is_used(project: Path) -> None:
    assert check({}, checker(project), project) == (0, "Bicep: 3 files, 0 errors, 0 warnings")


@pytest.mark.parametrize(
    ("line", "status"),
    [("infra/main.bicep:1:1 error no-such-property: x", 1), ("infra/main.bicep:1:1 warning unused: param 'x'", 0)],
)
def test_errors_and_warnings_fail(project: Path, line: str, status: int) -> None:
    assert check({"BICEPCHECK": str(checker(project, line, status))}, Path(), project) == (1, line)


def test_a_remark_does_not_fail(project: Path) -> None:
    assert check({}, checker(project, "infra/main.bicep:1:1 info type-casing: x"), project)[0] == 0


def test_a_checker_that_breaks_is_no_success(project: Path) -> None:
    broken = project / "broken.py"
    broken.write_text("raise SystemExit('no types')", encoding="utf-8")
    assert check({}, broken, project) == (1, "no types\n")


def test_a_checker_that_says_nothing_is_no_success(project: Path) -> None:
    silent = project / "silent.py"
    silent.touch()
    assert check({}, silent, project) == (1, "the checker said nothing")


def test_whatever_is_deployed_is_checked_and_modules_follow_from_it(project: Path) -> None:
    script = project / "telling.py"
    script.write_text("import sys; print(*sys.argv[1:])", encoding="utf-8")
    assert check({}, script, project) == (0, "Bicep: infra/grants.bicep infra/main.bicep")
