"""A host for Azure Functions on one machine.

The real host (a .NET program) cannot be had everywhere, and an incident responder that has only ever met mocks of its
platform is not tested. This package runs an app of the Python v2 programming model against real queues and blobs, and
keeps the habits of the real host that applications come to depend on: one timer over all instances, hidden messages,
delivery again after a crash, poison queues, the restart of the worker on a time-out. It knows nothing of the app.

Run it with `python -m local.host --settings local.settings.json`.
"""
