"""Microsoft's own Python worker, the one that Azure runs on 3.13, indexes and invokes our app.

Everything else in these tests takes the word of the SDK, or of our own host, for what the worker accepts. The worker
is stricter in places (one wrong annotation and every function of the app is gone), and it is on PyPI, so it is asked.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from local.azurite import Azurite
from local.host.bindings import QueueTrigger, TimerTrigger, parse_trigger

REPOSITORY: Final = Path(__file__).parents[2]
DRIVER: Final = Path(__file__).with_name("real_worker_driver.py")
RUNTIME: Final = "azure-functions-runtime==1.3.0"
ENVIRONMENT: Final = REPOSITORY / ".cache" / "worker313"
ACCEPTABLE_TO_LOAD: Final = 60.0

SAMPLE: Final = """
from __future__ import annotations

import azure.functions as func

app = func.FunctionApp()
jobs = func.Blueprint()


@app.timer_trigger(arg_name="timer", schedule="%TICK%", use_monitor=False)
def tick(timer: func.TimerRequest) -> None:
    assert timer.past_due
    assert timer.schedule_status["Next"]


@jobs.queue_trigger(arg_name="message", queue_name="%JOBS%", connection="Store")
def job(message: func.QueueMessage, context: func.Context) -> None:
    assert context.function_name == "job"
    assert message.dequeue_count == 3
    raise ValueError("seen " + message.get_body().decode())


app.register_functions(jobs)
"""

# The first test builds the environment, which takes its time once.
pytestmark = pytest.mark.timeout(600)


def pythons() -> Iterator[str]:
    """Name the interpreters that may be a 3.13: the one asked for, this one, those on the path, those of pyenv."""
    if asked := os.environ.get("PYTHON313"):
        yield asked
    yield sys.executable
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which("python3.13", path=folder):
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob("versions/3.13*/bin/python3.13"), reverse=True))


def is_313(python: str) -> bool:
    """Try it: a pyenv shim is on the path even where the version behind it is not chosen."""
    command = [python, "-c", "import sys; sys.exit(sys.version_info[:2] != (3, 13))"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="session")
def worker_python() -> str:
    """The interpreter of an environment with the locked requirements and the worker; built once and kept."""
    python = next(filter(is_313, pythons()), None)
    if python is None:
        pytest.skip("the real worker was NOT asked: it needs Python 3.13 (python3.13 on PATH, or PYTHON313=...)")
    lock = REPOSITORY / "requirements.txt"
    wanted = hashlib.sha256(lock.read_bytes() + RUNTIME.encode()).hexdigest()
    stamp = ENVIRONMENT / "installed"
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    (ENVIRONMENT.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    with (ENVIRONMENT.parent / "worker313.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            build(python, lock)
            stamp.write_text(wanted, encoding="utf-8")
    return str(ENVIRONMENT / "bin" / "python")


def build(python: str, lock: Path) -> None:
    subprocess.run([python, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for what in (["--require-hashes", "-r", str(lock)], [RUNTIME]):
        done = subprocess.run([*pip, *what], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"the real worker was NOT asked: pip cannot install {what[-1]}:\n{done.stderr[-2000:]}")


def ask_worker(python: str, root: Path, result: Path, names: list[str], settings: dict[str, str]) -> dict[str, Any]:
    # CONTAINER_NAME makes the worker believe that it is on Azure.
    environment = {name: value for name, value in os.environ.items() if name not in {"CONTAINER_NAME", "PYTHONPATH"}}
    command = [python, str(DRIVER), str(root), str(result), *names]
    done = subprocess.run(
        command, env=environment | settings, capture_output=True, text=True, check=False, timeout=ACCEPTABLE_TO_LOAD
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answer: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return answer


def test_it_indexes_and_invokes_a_timer_and_a_queue_function(worker_python: str, tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(SAMPLE, encoding="utf-8")
    answer = ask_worker(worker_python, tmp_path, tmp_path / "result.json", ["tick", "job"], {})
    assert answer["indexed"]["succeeded"], answer
    assert list(answer["functions"]) == ["tick", "job"]
    settings = {"TICK": "0 */5 * * * *", "JOBS": "jobs"}
    triggers = [parse_trigger(binding, settings) for (binding,) in answer["functions"].values()]
    assert [type(each) for each in triggers] == [TimerTrigger, QueueTrigger]
    assert answer["invoked"]["tick"] == {"succeeded": True, "message": "", "trace": ""}
    assert answer["invoked"]["job"]["message"] == 'ValueError: seen {"synthetic": true}'


@pytest.mark.parametrize(
    ("mistake", "instead", "told"),
    [
        ('arg_name="timer"', 'arg_name="clock"', "declared in Python but not in the function definition"),
        ("timer: func.TimerRequest", "timer: func.QueueMessage", "annotation QueueMessage"),
        ("def job(", "def tick(", "unique function name"),
        ("import azure.functions as func", "import azure.functions as func, nowhere", "nowhere"),
    ],
)
def test_it_refuses_the_whole_app_for_one_mistake(
    worker_python: str, tmp_path: Path, mistake: str, instead: str, told: str
) -> None:
    """So that the green of the others is known to mean something."""
    (tmp_path / "function_app.py").write_text(SAMPLE.replace(mistake, instead), encoding="utf-8")
    answer = ask_worker(worker_python, tmp_path, tmp_path / "result.json", [], {})
    assert not answer["indexed"]["succeeded"]
    assert told in answer["indexed"]["message"]
    assert not answer["functions"]


def test_it_indexes_our_app_and_reaches_our_code(worker_python: str, tmp_path: Path, azurite: Azurite) -> None:
    """Settings are missing on purpose: an invocation may fail, but only in our code, past the worker's bindings."""
    settings = {"AzureWebJobsStorage": azurite.connection_string, "EVIDENCE_STORAGE": azurite.connection_string}
    result = tmp_path / "result.json"
    listed = ask_worker(worker_python, REPOSITORY, result, [], settings)
    assert listed["indexed"]["succeeded"], listed["indexed"]
    schedules = {f"{name}_SCHEDULE": "0 0 * * * *" for name in ("WATCH", "FOLLOW", "HOUSEKEEPING")}
    triggers = {name: parse_trigger(binding, schedules) for name, (binding,) in listed["functions"].items()}
    timers = [name for name, trigger in triggers.items() if isinstance(trigger, TimerTrigger)]
    queues = [name for name, trigger in triggers.items() if isinstance(trigger, QueueTrigger)]
    assert timers
    assert queues
    names = [timers[0], queues[0]]
    invoked = ask_worker(worker_python, REPOSITORY, result, names, settings)["invoked"]
    for name in names:
        told = invoked[name]
        assert told["succeeded"] or 'function_app.py", line' in told["trace"], told
