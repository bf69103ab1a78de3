"""A script of the library on a device: its output kept as it came, and read for people."""

import pytest

from responders._interface import Finished, NotObtainable, Onward
from responders.run_script import RunScriptOn
from shared.errors import Incomplete, Unobtainable
from shared.models.command import GetFile, RunScript
from tests.unit.incidents import action
from tests.unit.live_answers import Answering, desk, leg, printed


@pytest.mark.parametrize("args", ["", "-Case 42"])
def test_the_script_gets_its_arguments_as_they_are(args: str) -> None:
    devices = Answering()
    params = {"script": "fix.sh", **({"args": args} if args else {})}
    RunScriptOn().send(devices, action(responder="run_script", params=params), "x")
    assert list(devices.sent[0]) == [RunScript("fix.sh", args)]


def test_without_a_script_nothing_is_sent() -> None:
    devices = Answering()
    with pytest.raises(Unobtainable):
        RunScriptOn().send(devices, action(responder="run_script"), "x")
    assert devices.sent == []


@pytest.mark.parametrize("code", [0, 7])
def test_what_it_printed_is_kept_whatever_its_exit_code(code: int) -> None:
    result = printed("fixed\n", code, "a warning")
    at = desk(result)
    done = RunScriptOn().gather(leg("run_script", script="fix.sh"), at)
    assert isinstance(done, Finished)
    assert done.detail == f"fix.sh: exit code {code}"
    assert at.kept["data/sessions/script.json"] == result
    assert at.kept["data/script/output.txt"] == b"fixed\n\n--- errors\na warning"


def test_a_script_that_came_to_no_end_is_no_success() -> None:
    done = RunScriptOn().gather(leg("run_script", script="fix.sh"), desk(None))
    assert isinstance(done, NotObtainable)
    assert "no such file" in done.detail


def test_files_that_the_script_names_are_fetched_too() -> None:
    at = desk(printed('done\n{"bulkhead":1,"step":"x","files":["/a","/b",3]}'))
    onward = RunScriptOn().gather(leg("run_script", script="fix.sh"), at)
    assert isinstance(onward, Onward)
    devices = Answering()
    RunScriptOn().send(
        devices, action(responder="run_script", params={"script": "fix.sh"}, progress=onward.progress), "x"
    )
    assert list(devices.sent[0]) == [GetFile("/a"), GetFile("/b")]
    at._devices, at._downloads = Answering(b"1", b"2"), lambda link: [link[-1:].encode()]
    row = leg("run_script", onward.progress, script="fix.sh")
    done = RunScriptOn().gather(row.model_copy(update={"artefacts": onward.artefacts}), at)
    assert isinstance(done, Finished)
    assert done.detail == "fix.sh: exit code 0; 2 of 2 files"
    assert "data/sessions/script.json" in {each.name for each in done.artefacts}


def test_an_answer_that_is_none_is_asked_for_again() -> None:
    with pytest.raises(Incomplete):
        RunScriptOn().gather(leg("run_script", script="fix.sh"), desk(b"<html>"))
