"""The policy of the lab is the shipped one, word for word, and one rule that takes the memory of Linux devices."""

from pathlib import Path

from responders._policy_check import check
from responders._wiring import responders
from shared.models.policy.reading import read

POLICIES = Path(__file__).parents[2] / "policies"


def body(name: str) -> str:
    """A policy without its heading."""
    return (POLICIES / name).read_text(encoding="utf-8").partition("\nrules:\n")[2]


def test_it_is_the_default_and_one_rule() -> None:
    assert body("lab-memory.yaml").startswith(body("default.yaml").rstrip("\n"))
    default, lab = (read((POLICIES / name).read_text(encoding="utf-8")) for name in ("default.yaml", "lab-memory.yaml"))
    assert lab.rules[:-1] == default.rules
    assert [ask.do for ask in lab.rules[-1].actions] == ["capture_memory"]


def test_it_can_be_used_with_what_is_here() -> None:
    """Its examples hold, too."""
    assert check((POLICIES / "lab-memory.yaml").read_text(encoding="utf-8"), responders()) == ()
