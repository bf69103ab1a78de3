"""`python -m tests.bicep`: the Bicep files against Azure's published types, without Azure and without the bicep CLI.

The checker is no part of the project. It lies beside it, or where BICEPCHECK says. Where it is missing, that is said
loudly and nothing is checked: the names and the grants are held to the code by tests/unit all the same.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
BESIDE = ROOT.parent / "shared" / "tools" / "bicepcheck" / "bicepcheck.py"
SERIOUS = (" error ", " warning ")
SKIPPED = "SKIPPED: infra/*.bicep were NOT checked. Say where the checker is: BICEPCHECK=.../bicepcheck.py"


def check(environment: Mapping[str, str], beside: Path = BESIDE, root: Path = ROOT) -> tuple[int, str]:
    """Check every file that somebody deploys, and the modules that they use: an exit status and what to say. 1 means
    that something is wrong, 2 that BICEPCHECK names a file that is not there.
    """
    named = environment.get("BICEPCHECK", "")
    checker = Path(named) if named else beside
    if not checker.is_file():
        return (2, f"BICEPCHECK: there is no file {named}") if named else (0, SKIPPED)
    files = [str(path.relative_to(root)) for path in sorted((root / "infra").glob("*.bicep"))]
    done = subprocess.run([sys.executable, str(checker), *files], cwd=root, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    found = [line for line in lines if any(level in line for level in SERIOUS)]
    if found or done.returncode or not lines:
        return 1, "\n".join(found) or done.stderr or "the checker said nothing"
    return 0, f"Bicep: {lines[-1]}"


if __name__ == "__main__":
    status, said = check(os.environ)
    sys.stderr.write(f"{said}\n")
    sys.exit(status)
