"""The policy's JSON Schema: made from the models, published for editors, and read for what somebody meant."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from shared.models.policy.document import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.models.policy.problems import Path

Schema = dict[str, Any]


@cache
def _made() -> Schema:
    made = Policy.model_json_schema(by_alias=True)
    cleaned: Schema = _cleaned(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **cleaned,
        "title": "Bulkhead policy",
        "description": "What incidents are held for, and what is done about them.",
    }


def schema() -> Schema:
    """The schema of a policy's file, as JSON values. Not to be changed by callers."""
    return _made()


def _cleaned(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Without what says nothing: null (a key is left out instead), its default, and titles that repeat the key."""
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _cleaned(member)
        for key, member in value.items()
        if not (key == "default" and _says_nothing(member)) and not (key == "title" and isinstance(member, str))
    }
    options = [option for option in kept.get("anyOf", ()) if option != {"type": "null"}]
    if "anyOf" in kept and len(options) == 1:
        del kept["anyOf"]
        return {**options[0], **kept}
    if options:
        kept["anyOf"] = options
    return kept


def _says_nothing(default: object) -> bool:
    return default is None or default == [] or isinstance(default, dict)


def at(path: Path) -> tuple[Schema, Path]:
    """The schema of what stands at one of pydantic's paths ({} where nothing can), and the path without the names of
    union members, which pydantic puts into it and no document has.
    """
    here: Schema = _followed(schema())
    real: Path = ()
    for part in path:
        chosen = _chosen(here, part)
        if chosen is None:
            here, real = _step(here, part), (*real, part)
        else:
            here = chosen
    return here, real


def _step(here: Schema, part: str | int) -> Schema:
    for option in (here, *map(_followed, here.get("anyOf", ()))):
        if isinstance(part, int) and "items" in option:
            return _followed(option["items"])
        if isinstance(part, str) and part in option.get("properties", {}):
            return _followed(option["properties"][part])
        if isinstance(part, str) and "patternProperties" in option:
            return _followed(next(iter(option["patternProperties"].values())))
    return {}


def _chosen(here: Schema, part: str | int) -> Schema | None:
    mapping: Mapping[object, str] = here.get("discriminator", {}).get("mapping", {})
    return _followed({"$ref": mapping[part]}) if part in mapping else None


def _followed(here: Schema) -> Schema:
    if "$ref" not in here:
        return here
    return {**schema_parts()[here["$ref"].rpartition("/")[2]], **{k: v for k, v in here.items() if k != "$ref"}}


def schema_parts() -> Mapping[str, Schema]:
    """The parts that the schema refers to, by name: the mappings of a policy."""
    parts: Mapping[str, Schema] = schema()["$defs"]
    return parts
