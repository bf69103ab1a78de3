"""How long a cold start spends on our own modules: importing and indexing the app, against its packages alone.

What is paid before the first function runs is paid at every cold start. The packages are the same for every app of this
kind; ours is what comes on top. Whole interpreters are compared, so the figures hold start-up too.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TRIGGERS = "import azure.functions"
PACKAGES = "import azure.functions, pydantic"
APP = "import function_app; functions = function_app.app.get_functions(); assert len(functions) > 5"
RUNS = 9
MOST = 3.0
"""Times the import of `azure.functions`. Generous: a shared machine is noisy, and what is to be noticed is a forgotten
import (of an SDK, say).
"""


def seconds(code: str) -> float:
    """A fresh interpreter's life with this code, in seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def test_importing_and_indexing_the_app_costs_little_more_than_its_packages() -> None:
    codes = (TRIGGERS, PACKAGES, APP)
    for code in codes:
        seconds(code)  # the first life compiles
    rounds = [[seconds(code) for code in codes] for _ in range(RUNS)]
    triggers, packages, app = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"\nimport and index of function_app: {app * 1000:.0f} ms;"
        f" azure.functions alone {triggers * 1000:.0f} ms (ratio {app / triggers:.2f});"
        f" with pydantic {packages * 1000:.0f} ms (ratio {app / packages:.2f})"
    )
    assert app / triggers < MOST


def test_indexing_loads_no_sdk_and_builds_nothing() -> None:
    """The reason for the ratio: what only a call needs is imported by the call."""
    heavy = ("requests", "azure.identity", "azure.storage", "azure.data", "azure.core", "cryptography")
    code = f"{APP}\nimport sys\nprint([name for name in {heavy!r} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == "[]"
