"""The acceptance kit, on a simulated Linux device that really runs the shipped script."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.acceptance import FAILS, HOLDS, UNSEEN, Kit, report
from local.tenant.liveresponse import nobody
from tests.fakes.clients import FakeDownloads
from tests.integration.live_bench import Bench

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, "capture_memory", {"memory_mib": 5})
    yield made
    made.close()


def kit(bench: Bench) -> Kit:
    wait: Callable[[float], object] = bench.clock.advance
    return Kit(bench.devices, FakeDownloads(bench.tenant), bench.settings, bench.action.device, wait)


def test_every_assumption_is_seen_to_hold_where_it_does(bench: Bench) -> None:
    made = kit(bench)
    made.run("avml")
    assert [line for line in made.lines if line[1] != HOLDS] == []
    assert len(made.lines) >= 12
    assert list(bench.left()) == []
    assert "holds          GetFile answers gzip: 1f8b" in report(made)


def test_without_a_tool_nothing_is_captured(bench: Bench) -> None:
    made = kit(bench)
    made.run("")
    assert [line[0] for line in made.lines if line[1] == UNSEEN] == ["A detached process outlives its session"]
    assert "PutFile" not in str([one.commands for one in bench.tenant.desk.everything()])


def test_what_does_not_hold_is_said(bench: Bench) -> None:
    made = kit(bench)
    bench.tenant.desk._runner = nobody
    made.run("avml")
    assert "Our script runs" in [line[0] for line in made.lines if line[1] == FAILS]


def test_a_tool_that_is_not_pinned_is_not_put_anywhere(bench: Bench) -> None:
    made = kit(bench)
    made.run("other")
    assert ("The tool is pinned", FAILS, "add it to the setting TOOLS") in made.lines
    assert list(bench.left()) == []
