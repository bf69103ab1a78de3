"""Paging, ordering and filtering, the same for every list the tenant serves."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.tenant.clock import ticks
from local.tenant.odata import Fields, ODataError, Predicate, parse_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local.tenant.wire import Json


@dataclass(frozen=True, slots=True)
class ListRules:
    """What one list accepts."""

    fields: Fields
    max_top: int
    page: int
    options: frozenset[str]
    orderable: frozenset[str] = frozenset()
    newest: str | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list call's options, read and checked."""

    where: Predicate | None
    top: int
    skip: int
    count: bool
    expand: bool
    order: str | None
    descending: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page; `following` is the skiptoken of the next one."""

    items: list[Json]
    total: int
    following: str | None


def read_query(options: Mapping[str, str], rules: ListRules) -> ListQuery:
    """Read the options of a call; ODataError when the API would refuse them."""
    for name in options:
        if name.startswith("$") and name not in rules.options:
            message = f"The query option '{name}' is not supported."
            raise ODataError(message)
    top = _whole(options, "$top", rules.page)
    if top > rules.max_top:
        message = (
            "The query specified in the URI is not valid. "
            f"The limit of '{rules.max_top}' for Top query has been exceeded. "
            f"The value from the incoming request is '{top}'."
        )
        raise ODataError(message)
    order, descending = _order(options.get("$orderby"), rules)
    skip = _token_skip(options["$skiptoken"]) if "$skiptoken" in options else _whole(options, "$skip", 0)
    return ListQuery(
        where=parse_filter(options["$filter"], rules.fields) if options.get("$filter") else None,
        top=top,
        skip=skip,
        count=_flag(options.get("$count", "false")),
        expand=_expand(options.get("$expand")),
        order=order,
        descending=descending,
    )


def read_expand(options: Mapping[str, str]) -> bool:
    """Read $expand of a call for one thing."""
    return _expand(options.get("$expand"))


def cut(items: Iterable[Json], query: ListQuery) -> Page:
    """Filter, order and page."""
    found = [item for item in items if query.where is None or query.where(item)]
    if query.order is not None:
        name = query.order
        found.sort(key=lambda item: ticks(item[name]), reverse=query.descending)
    end = query.skip + query.top
    return Page(found[query.skip : end], len(found), skip_token(end) if end < len(found) else None)


def _whole(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text):
        message = f"Invalid value '{text}' for {name}: a non-negative integer is expected."
        raise ODataError(message)
    return int(text)


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        message = f"Invalid value '{text}' for $count."
        raise ODataError(message)
    return text == "true"


def _expand(text: str | None) -> bool:
    if text not in {None, "alerts"}:
        message = f"Could not find a property named '{text}' to expand."
        raise ODataError(message)
    return text == "alerts"


def _order(text: str | None, rules: ListRules) -> tuple[str | None, bool]:
    if text is None:
        return rules.newest, True
    name, _, direction = text.strip().partition(" ")
    if name not in rules.orderable or direction.strip() not in {"", "asc", "desc"}:
        message = f"The $orderby expression '{text}' is not supported."
        raise ODataError(message)
    return name, direction.strip() == "desc"


def skip_token(skip: int) -> str:
    """Return the token of a page that begins after so many."""
    return base64.urlsafe_b64encode(json.dumps({"after": skip}).encode()).rstrip(b"=").decode()


def _token_skip(token: str) -> int:
    try:
        value: Any = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(value["after"])
    except (ValueError, KeyError, TypeError) as error:
        message = "The skip token is not valid."
        raise ODataError(message) from error
