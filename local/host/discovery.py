"""Importing the app and asking it for its functions, by the worker's rules.

The worker takes the one FunctionApp it finds among the module's names, whatever it is called; none or two is an error.
"""

import importlib
import logging
import sys
from pathlib import Path

import azure.functions as func

from local.host.bindings import Declared
from local.host.errors import StartRefusedError


class _WithoutAuthLevel(logging.Filter):
    """Drops the SDK's remark, at every start, that an app without HTTP triggers has no use for an auth level."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Auth level is not applied")


def make_importable(root: Path) -> None:
    """Put the app's root first on the path, as the worker does."""
    text = str(root)
    if text in sys.path:
        sys.path.remove(text)
    sys.path.insert(0, text)


def declared_functions(module_name: str) -> list[Declared]:
    """Import the module (its own errors rise) and list its functions; StartRefusedError when it is not one app."""
    module = importlib.import_module(module_name)
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        found = "no FunctionApp" if not apps else f"{len(apps)} FunctionApps"
        raise StartRefusedError([f"{module_name} has {found} at its top level; one is needed"])
    (app,) = apps
    quieten = _WithoutAuthLevel()
    logging.getLogger().addFilter(quieten)
    try:
        functions = app.get_functions()
    except ValueError as error:  # the SDK's word for a function without a trigger and for two of one name
        raise StartRefusedError([f"{module_name}: {error}"]) from None
    finally:
        logging.getLogger().removeFilter(quieten)
    return [
        Declared(
            name=str(each.get_function_name()),
            raw_bindings=each.get_raw_bindings(),
            call=each.get_user_function(),
            retried=bool(each.get_settings_dict("retry_policy")),
        )
        for each in functions
    ]
