"""Plays the host's side of the worker protocol to Microsoft's own Python worker, in one process.

Run under Python 3.13 with `azure-functions-runtime` installed:
`python real_worker_driver.py ROOT RESULT NAME...` indexes the app in ROOT, invokes the named functions, and writes what
came back to RESULT as JSON. On Azure a gRPC shell fills protobuf messages and hands them to the same coroutines; they
are read and written by attribute only, so plain objects will do (1.3.0: `handle_event.py`).
"""

import asyncio
import importlib
import json
import os
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

BODY: Final = '{"synthetic": true}'


class Message(SimpleNamespace):
    """Stands for any protobuf message: keeps what it is given, and knows which of its oneofs is set."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  (protobuf's own name)
        return next(iter(vars(self)), None)


class BindingInfo(Message):
    """The one message whose enumerations the worker compares with: FunctionRpc.proto, BindingInfo."""

    # Named and numbered as the protocol has them.
    undefined: Final = 0
    out: Final = 1
    inout: Final = 2


class StatusResult(Message):
    """FunctionRpc.proto, StatusResult."""

    Failure: Final = 0
    Success: Final = 1


class Protos:
    """What the shell hands over as `protos`: the message classes by name."""

    BindingInfo = BindingInfo
    StatusResult = StatusResult

    def __getattr__(self, _name: str) -> type[Message]:
        return Message


def request(name: str, **members: object) -> Message:
    """Wrap a request as the shell does."""
    properties = {"host": "127.0.0.1", "protos": Protos()}
    return Message(request=Message(**{name: Message(**members)}), properties=properties)


def outcome(response: Message) -> dict[str, object]:
    """Say whether a response is a success, with the exception's text if not."""
    failure = getattr(response.result, "exception", None)
    return {
        "succeeded": response.result.status == StatusResult.Success,
        "message": failure.message if failure else "",
        "trace": failure.stack_trace if failure else "",
    }


def trigger_data(binding: dict[str, Any]) -> tuple[Message, dict[str, Message]]:
    """Make the trigger's datum and its metadata, as the host sends them for a timer and for a queue message."""
    if binding["type"] == "timerTrigger":
        tick = {
            "IsPastDue": True,
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {"Next": "2026-01-01T00:00:00Z"},
        }
        return Message(json=json.dumps(tick)), {}
    return Message(string=BODY), {
        "Id": Message(string=str(uuid.uuid4())),
        "DequeueCount": Message(json="3"),
        "PopReceipt": Message(string="synthetic"),
        "InsertionTime": Message(json='"2026-01-01T00:00:00+00:00"'),
        "ExpirationTime": Message(json='"9999-12-31T23:59:59+00:00"'),
        "NextVisibleTime": Message(json='"2026-01-01T00:10:00+00:00"'),
    }


async def drive(root: str, names: list[str]) -> dict[str, Any]:
    """Index the app, load and invoke the named functions."""
    worker: Any = importlib.import_module("azure_functions_runtime")
    started = await worker.worker_init_request(
        request("worker_init_request", capabilities={}, function_app_directory=root)
    )
    result: dict[str, Any] = {"indexed": outcome(started), "functions": {}, "invoked": {}}
    if not result["indexed"]["succeeded"]:
        return result
    listed = await worker.functions_metadata_request(request("functions_metadata_request"))
    found = {each.name: each for each in listed.function_metadata_results}
    result["functions"] = {name: [json.loads(raw) for raw in each.raw_bindings] for name, each in found.items()}
    worker.start_threadpool_executor()
    for name in names:
        function_id = found[name].function_id
        loaded = await worker.function_load_request(request("function_load_request", function_id=function_id))
        assert outcome(loaded)["succeeded"]
        (binding,) = result["functions"][name]
        data, metadata = trigger_data(binding)
        invocation = request(
            "invocation_request",
            invocation_id=str(uuid.uuid4()),
            function_id=function_id,
            input_data=[NamedData(binding["name"], data)],
            trigger_metadata=metadata,
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
        )
        result["invoked"][name] = outcome(await worker.invocation_request(invocation))
    return result


class NamedData(Message):
    """FunctionRpc.proto, ParameterBinding, whose oneof is always `data` here."""

    def __init__(self, name: str, data: Message) -> None:
        super().__init__(name=name, data=data)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802
        return "data"


def main(root: str, result_path: str, *names: str) -> None:
    os.chdir(root)
    sys.path[0] = root  # the app's folder in place of this script's
    Path(result_path).write_text(json.dumps(asyncio.run(drive(root, list(names)))), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
