"""A small function app and a way to run the host over it as a process, for the tests of the host.

The app tells what happens to it in a file, one line of JSON each, written whole (O_APPEND), so that a killed process
leaves what it had told.
"""

import base64
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

REPOSITORY: Final = Path(__file__).parents[2]
_PATIENCE: Final = 30.0

APP: Final = """
import json, os, time
import azure.functions as func

app = func.FunctionApp()


def tell(what, **more):
    line = json.dumps({"what": what, "at": time.time(), "pid": os.getpid(), **more}) + "\\n"
    descriptor = os.open(os.environ["EVENTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


@app.timer_trigger(arg_name="timer", schedule="%TICK%")
def tick(timer: func.TimerRequest) -> None:
    tell("tick begins", past_due=timer.past_due)
    time.sleep(float(os.environ.get("TICK_TAKES", "0")))
    tell("tick ends")


@app.queue_trigger(arg_name="message", queue_name="%JOBS%", connection="Store")
def job(message: func.QueueMessage, context: func.Context) -> None:
    body = message.get_body().decode()
    told = {"body": body, "count": message.dequeue_count, "invocation": context.invocation_id}
    tell("job begins", **told)
    verb, _, number = body.partition(" ")
    if verb == "fail":
        raise ValueError("as the message says")
    if verb == "return":
        return "something"
    if verb == "exit":
        raise SystemExit(3)
    if verb == "die":
        os._exit(9)
    if verb == "sleep":
        time.sleep(float(number))
    tell("job ends", **told)
"""
ASYNC_APP: Final = """

@app.queue_trigger(arg_name="message", queue_name="%LATER%", connection="Store")
async def later(message: func.QueueMessage) -> None:
    import asyncio

    await asyncio.sleep(0.1)
    tell("later ends", body=message.get_body().decode())
"""
NEVER: Final = "0 0 0 31 2 *"


@dataclass
class Place:
    """An app's folder, with a queue and a host id that no other test has."""

    folder: Path
    connection_string: str
    app: str = APP
    settings: dict[str, str] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    queues: dict[str, Any] = field(default_factory=dict)
    queue_name: str = field(default_factory=lambda: f"jobs-{uuid.uuid4().hex[:12]}")
    host_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    create_queue: bool = True

    def __post_init__(self) -> None:
        if self.create_queue:
            self.queue().create_queue()

    def write(self) -> Path:
        """Write the app's files; give the path of its settings."""
        self.folder.joinpath("function_app.py").write_text(self.app, encoding="utf-8")
        queues = {"maxPollingInterval": "00:00:00.5", **self.queues}
        host = {"version": "2.0", "extensions": {"queues": queues}, **self.host}
        self.folder.joinpath("host.json").write_text(json.dumps(host), encoding="utf-8")
        values = {
            "AzureWebJobsStorage": self.connection_string,
            "Store": self.connection_string,
            "AzureFunctionsWebHost__hostid": self.host_id,
            "EVENTS": str(self.folder / "events"),
            "TICK": NEVER,
            "JOBS": self.queue_name,
            **self.settings,
        }
        path = self.folder / "test.settings.json"
        path.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
        return path

    def queue(self, suffix: str = "") -> QueueClient:
        """Give the queue of the app's job, or that of its poison."""
        return QueueServiceClient.from_connection_string(self.connection_string).get_queue_client(
            self.queue_name + suffix
        )

    def blobs(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.connection_string)

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.queue().send_message(base64.b64encode(body.encode()).decode())

    def messages_left(self) -> int:
        return self.queue().get_queue_properties().approximate_message_count or 0

    def poisoned(self) -> list[str]:
        """Give the texts in the poison queue, without taking them."""
        try:
            return [str(each.content) for each in self.queue("-poison").peek_messages(32)]
        except ResourceNotFoundError:
            return []

    def events(self, what: str) -> list[dict[str, Any]]:
        path = self.folder / "events"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["what"] == what]

    def wait_for(self, what: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the app has told it so often."""
        eventually(lambda: len(self.events(what)) >= count, f"{count} times {what!r}")
        return self.events(what)


def eventually(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


class RunningHost:
    """`python -m local.host` over a place, ready on entry and gone on exit."""

    def __init__(self, place: Place, *options: str, ready: bool = True) -> None:
        self._place = place
        self._options = options
        self._ready = ready
        self._resources = ExitStack()
        self.output_path: Final = place.folder / f"output-{uuid.uuid4().hex[:6]}"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "local.host", "--settings", str(self._place.write())]
        command += ["--root", str(self._place.folder), *self._options]
        with ExitStack() as starting:
            output = starting.enter_context(self.output_path.open("wb"))
            self.process = starting.enter_context(
                subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT)
            )
            starting.callback(self._kill)
            if self._ready:
                eventually(lambda: "host ready:" in self.output() or self._ended(), "host ready")
                assert not self._ended(), self.output()
            self._resources = starting.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def output(self) -> str:
        return self.output_path.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(_PATIENCE)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def _kill(self) -> None:
        if not self._ended():
            self.process.kill()


def is_alive(process_id: int) -> bool:
    """Say whether the process runs; a zombie that its parent has yet to collect does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def spans(begins: Sequence[dict[str, Any]], ends: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    return list(zip((each["at"] for each in begins), (each["at"] for each in ends), strict=False))
