"""What every test may ask for: a running Azurite, a mark by folder, and a profile for Hypothesis."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from local.azurite import Azurite, AzuriteServer

_TESTS = Path(__file__).parent

# The same examples every time, so that a red run is about the change. A loaded machine is slow to draw and slow to
# run, and neither is a fault of the code.
settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# New examples every time and many of them: for looking, on a machine that remembers what it found.
settings.register_profile("dev", max_examples=1_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder under tests/ (a misspelt folder fails: markers are strict)."""
    for item in items:
        folder, *rest = item.path.relative_to(_TESTS).parts
        if rest:
            item.add_marker(folder)


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """A storage account of this worker's own, gone at the end. Tests share it: take names that nobody else takes."""
    with AzuriteServer() as running:
        yield running
