"""The bindings of the app. Each function is one call into the flow; nothing is built or read before the first call."""

from __future__ import annotations

import azure.functions as func

from responders._wiring import flow

app = func.FunctionApp()
STORAGE = "AzureWebJobsStorage"


@app.timer_trigger(arg_name="timer", schedule="%WATCH_SCHEDULE%", use_monitor=False)
def watch_incidents(timer: func.TimerRequest) -> None:
    """Fetch the incidents that changed."""
    del timer
    flow().watch()


@app.queue_trigger(arg_name="message", queue_name="incidents", connection=STORAGE)
def assess_incident(message: func.QueueMessage) -> None:
    """Assess one incident, and contain what it asks for."""
    flow().assess(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="contain", connection=STORAGE)
def contain_devices(message: func.QueueMessage) -> None:
    """Send the containment that is due."""
    del message
    flow().contain()


@app.queue_trigger(arg_name="message", queue_name="collect", connection=STORAGE)
def collect_evidence(message: func.QueueMessage) -> None:
    """Send the collection that is due."""
    del message
    flow().collect()


@app.timer_trigger(arg_name="timer", schedule="%FOLLOW_SCHEDULE%", use_monitor=False)
def follow_actions(timer: func.TimerRequest) -> None:
    """Settle what Defender finished, and nudge what is overdue."""
    del timer
    flow().follow()


@app.queue_trigger(arg_name="message", queue_name="archive", connection=STORAGE)
def archive_evidence(message: func.QueueMessage) -> None:
    """Archive what is finished."""
    flow().archive(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="report", connection=STORAGE)
def report_incident(message: func.QueueMessage) -> None:
    """Build or refresh the report of one incident."""
    flow().report(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="notify", connection=STORAGE)
def notify_people(message: func.QueueMessage) -> None:
    """Tell people about one incident."""
    flow().notify(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="orders", connection=STORAGE)
def take_orders(message: func.QueueMessage) -> None:
    """Carry out what a person asks."""
    flow().order(message.get_body().decode())


@app.timer_trigger(arg_name="timer", schedule="%HOUSEKEEPING_SCHEDULE%", use_monitor=False)
def housekeeping(timer: func.TimerRequest) -> None:
    """The hourly round."""
    del timer
    flow().housekeeping()
