"""The settings file and the `%NAME%` placeholders that bindings fill from it.

In Azure application settings reach the app as environment variables; locally they are the `Values` of
local.settings.json. The file wins over the environment: the file on the command line is what the person meant.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from local.host.errors import StartRefusedError

_PLACEHOLDER = re.compile(r"%([^%]*)%")


def read_settings(path: Path) -> dict[str, str]:
    """Read `Values`; numbers and booleans become text as JSON writes them. StartRefusedError lists what is wrong."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise StartRefusedError([f"{path} does not exist"]) from None
    except ValueError as error:
        raise StartRefusedError([f"{path} is not JSON: {error}"]) from None
    if not isinstance(document, dict) or not isinstance(document.get("Values"), dict):
        raise StartRefusedError([f'{path}: there is no object "Values"'])
    if document.get("IsEncrypted"):
        raise StartRefusedError([f'{path}: it is encrypted; set "IsEncrypted" to false and write the values plainly'])
    values: dict[str, str] = {}
    problems = []
    for name, value in document["Values"].items():
        if isinstance(value, str):
            values[name] = value
        elif isinstance(value, bool | int | float):
            values[name] = json.dumps(value)
        else:
            problems.append(f"{path}: Values.{name} must be text (write JSON as a string)")
    if problems:
        raise StartRefusedError(problems)
    return values


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Fill every `%NAME%`; ValueError names all that are missing or empty."""
    missing = [name for name in _PLACEHOLDER.findall(text) if not settings.get(name)]
    if missing:
        message = "no value for " + ", ".join(f"%{name}%" for name in missing)
        raise ValueError(message)
    return _PLACEHOLDER.sub(lambda found: settings[found[1]], text)


def is_on(value: str | None) -> bool:
    """Read a switch as the host does."""
    return (value or "").strip().lower() in {"1", "true"}
