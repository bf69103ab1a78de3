"""From what the SDK hands the host to triggers that can run, and every refusal with its reason."""

import re
from collections.abc import Callable

import azure.functions as func
import pytest

from local.host.bindings import Declared, HostedFunction, QueueTrigger, TimerTrigger, host_functions
from local.host.connections import ByIdentity, ByString, find_connection
from local.host.ncrontab import Cron
from local.host.settings import resolve

SETTINGS = {"TICK": "0 */5 * * * *", "JOBS": "jobs", "FIVE": "*/5 * * * *", "EMPTY": ""}

Register = Callable[[func.FunctionApp], None]


def declared(register: Register) -> list[Declared]:
    app = func.FunctionApp()
    register(app)
    return [
        Declared(
            str(each.get_function_name()),
            each.get_raw_bindings(),
            each.get_user_function(),
            retried=bool(each.get_settings_dict("retry_policy")),
        )
        for each in app.get_functions()
    ]


def hosted(register: Register, **settings: str) -> HostedFunction:
    functions, problems = host_functions(declared(register), SETTINGS | settings)
    assert not problems
    (function,) = functions
    return function


def problem(register: Register) -> str:
    functions, problems = host_functions(declared(register), SETTINGS)
    assert not functions
    (told,) = problems
    return told


def timer(
    app: func.FunctionApp, schedule: str = "%TICK%", *, run_on_startup: bool = False, use_monitor: bool = True
) -> None:
    @app.timer_trigger(arg_name="timer", schedule=schedule, run_on_startup=run_on_startup, use_monitor=use_monitor)
    def tick(timer: func.TimerRequest) -> None: ...


def queue(app: func.FunctionApp, name: str = "%JOBS%", connection: str = "Store") -> None:
    @app.queue_trigger(arg_name="message", queue_name=name, connection=connection)
    def job(message: func.QueueMessage, context: func.Context) -> None: ...


def test_a_timer_with_its_placeholder_filled() -> None:
    function = hosted(timer)
    assert isinstance(function.trigger, TimerTrigger)
    assert isinstance(function.trigger.schedule, Cron)
    assert function.trigger.schedule.minutes == tuple(range(0, 60, 5))
    assert not function.trigger.run_on_startup
    assert function.trigger.use_monitor
    assert not function.wants_context
    assert str(function.trigger) == "timer 0 */5 * * * *"


def test_the_switches_of_a_timer() -> None:
    trigger = hosted(lambda app: timer(app, run_on_startup=True, use_monitor=False)).trigger
    assert isinstance(trigger, TimerTrigger)
    assert trigger.run_on_startup
    assert not trigger.use_monitor


def test_a_queue_with_its_placeholder_filled_and_a_context() -> None:
    function = hosted(queue)
    assert function.trigger == QueueTrigger("message", "jobs", "Store")
    assert function.wants_context


def test_a_queue_without_a_connection_uses_the_host_storage() -> None:
    assert hosted(lambda app: queue(app, connection="")).trigger == QueueTrigger(
        "message", "jobs", "AzureWebJobsStorage"
    )


def test_a_setting_disables_a_function() -> None:
    assert hosted(queue, **{"AzureWebJobs.job.Disabled": "true"}).disabled
    assert not hosted(queue, **{"AzureWebJobs.job.Disabled": "0"}).disabled


@pytest.mark.parametrize(
    ("register", "told"),
    [
        (lambda app: timer(app, "%FIVE%"), "tick: schedule '%FIVE%': .*put the seconds first"),
        (lambda app: timer(app, "nonsense"), "tick: schedule 'nonsense'"),
        (lambda app: timer(app, "%NOWHERE%"), "tick: no value for %NOWHERE%"),
        (lambda app: timer(app, ""), "tick: schedule ''"),
        (lambda app: queue(app, "%NOWHERE%-%EMPTY%"), "job: no value for %NOWHERE%, %EMPTY%"),
        (lambda app: queue(app, ""), "job: the queue has no name"),
        (lambda app: queue(app, "a"), "job: 'a' is not a queue name"),
        (lambda app: queue(app, "a--b"), "job: 'a--b' is not a queue name"),
        (lambda app: queue(app, "jobs_"), "job: 'jobs_' is not a queue name"),
    ],
)
def test_a_binding_that_cannot_run_is_refused_by_name(register: Register, told: str) -> None:
    assert re.match(told, problem(register))


def test_other_triggers_are_refused_by_name() -> None:
    def http(app: func.FunctionApp) -> None:
        @app.route("x")
        def hello(req: func.HttpRequest) -> None: ...

    def blob(app: func.FunctionApp) -> None:
        @app.blob_trigger(arg_name="blob", path="in/{name}", connection="Store")
        def read(blob: func.InputStream) -> None: ...

    assert "hello: this host runs triggers only" in problem(http)
    assert "read: trigger 'blobTrigger' is not supported" in problem(blob)


def test_output_bindings_are_refused_by_name() -> None:
    def both(app: func.FunctionApp) -> None:
        @app.queue_output(arg_name="out", queue_name="next", connection="Store")
        @app.queue_trigger(arg_name="message", queue_name="jobs", connection="Store")
        def job(message: func.QueueMessage, out: func.Out[str]) -> None: ...

    assert problem(both) == "job: this host runs triggers only, not the bindings queue"


def test_retry_policies_are_refused() -> None:
    def retried(app: func.FunctionApp) -> None:
        @app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:01")
        @app.timer_trigger(arg_name="timer", schedule="%TICK%")
        def tick(timer: func.TimerRequest) -> None: ...

    assert problem(retried) == "tick: this host does not carry out retry policies"


def test_parameters_must_be_those_of_the_bindings_as_when_the_worker_indexes() -> None:
    def wrong(app: func.FunctionApp) -> None:
        @app.timer_trigger(arg_name="timer", schedule="%TICK%")
        def tick(clock: func.TimerRequest) -> None: ...

    def extra(app: func.FunctionApp) -> None:
        @app.timer_trigger(arg_name="timer", schedule="%TICK%")
        def tick(timer: func.TimerRequest, more: str) -> None: ...

    assert "arg_name 'timer' is not a parameter" in problem(wrong)
    assert "no binding fills the parameter more" in problem(extra)


def test_every_problem_is_told_at_once() -> None:
    def two(app: func.FunctionApp) -> None:
        timer(app, "%FIVE%")
        queue(app, "")

    both = declared(two)
    assert len(host_functions(both, SETTINGS)[1]) == 2
    assert host_functions([both[0], both[0]], {"FIVE": SETTINGS["TICK"]})[1] == ["tick: two functions have this name"]
    assert host_functions([], {})[1] == ["the app declares no functions"]


def test_placeholders_may_stand_within_a_text() -> None:
    assert resolve("a-%X%-%Y%", {"X": "1", "Y": "2"}) == "a-1-2"
    assert resolve("100 percent", {}) == "100 percent"


def test_a_connection_by_string() -> None:
    assert find_connection("Store", "queue", {"Store": "text"}) == ByString("text")
    assert find_connection("Store", "queue", {"Store": "text", "AzureWebJobsStore": "first"}) == ByString("first")
    emulator = find_connection("AzureWebJobsStorage", "blob", {"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert isinstance(emulator, ByString)
    assert "127.0.0.1:10001/devstoreaccount1" in emulator.text


def test_a_connection_by_identity() -> None:
    named = {"Store__accountName": "acct"}
    assert find_connection("Store", "queue", named) == ByIdentity("https://acct.queue.core.windows.net", False, None)
    managed = {
        "Store__queueServiceUri": "https://q.example",
        "Store__credential": "managedidentity",
        "Store__clientId": "0f5d",
    }
    assert find_connection("Store", "queue", managed) == ByIdentity("https://q.example", True, "0f5d")


def test_a_missing_connection_says_what_to_set() -> None:
    with pytest.raises(ValueError, match="Store__accountName, or Store__queueServiceUri"):
        find_connection("Store", "queue", {"Store__blobServiceUri": "https://b.example"})
