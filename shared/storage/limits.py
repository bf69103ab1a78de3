"""What the storage can hold, checked before any call, so that a fake and the cloud refuse the same things.

Sources: learn.microsoft.com "Understanding the Table service data model" (an entity holds 1 MiB, its strings counted as
UTF-16; a transaction's request body 4 MiB), "Naming and referencing containers, blobs, and metadata", "Put Message"
(64 KiB as sent, hidden for at most seven days).
"""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.storage.interface import MAX_BATCH, MAX_TEXT_UNITS, MAX_VALUE, Change, Delete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_COMMIT_BYTES = 4_000_000
"""Bytes of all the texts of one commit as escaped JSON, with an allowance for each row's envelope."""

MAX_MESSAGE_BYTES = 48 * 1024
"""Bytes of UTF-8 in one queue message: base64 makes 64 KiB of them."""

MAX_DELAY = 7 * 24 * 3600.0
"""Seconds for which a message can be hidden."""

MAX_RECEIVED = 32
"""Messages in one answer at the most."""

MAX_NAME = 1024
"""Characters in a blob's name."""

MAX_METADATA_BYTES = 7_900
"""Bytes of all metadata keys and values together: 8 KiB less what we add ourselves."""

MAX_TAGS = 10
"""Index tags of one blob."""

SHA256_KEY = "sha256"
WRITE_ID_KEY = "write_id"
MAC_KEY = "mac"
RESERVED_KEYS = (SHA256_KEY, WRITE_ID_KEY, MAC_KEY)
"""Metadata keys that the evidence store writes itself."""

_ENVELOPE_BYTES = 2_000
_KEY = re.compile(r"[A-Za-z0-9 .:_~-]{1,512}")
_MEDIA_TYPE = re.compile(r"[!-~][ -~]{0,254}")
_PREFIX = re.compile(r"[A-Za-z0-9 .:_~-]{0,512}")
_DOCUMENT = re.compile(r"[A-Za-z0-9 ._/-]+")
_FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x1f\x7f\\]")
_METADATA_KEY = re.compile(r"[a-z][a-z0-9_]*")
_TAG_KEY = re.compile(r"[a-z][a-z0-9_]{0,127}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9 +./:=_-]{0,256}")
_METADATA_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


def check_key(partition: str, key: str) -> None:
    """Raise ValueError unless both are keys."""
    check_partition(partition)
    if not _KEY.fullmatch(key):
        raise ValueError(f"a row's key is 1 to 512 of A-Za-z0-9 .:_~-, not {key[:80]!r}")


def check_partition(partition: str, prefix: str = "") -> None:
    """Raise ValueError unless `partition` is a key and `prefix` could begin one."""
    if not _KEY.fullmatch(partition):
        raise ValueError(f"a partition is 1 to 512 of A-Za-z0-9 .:_~-, not {partition[:80]!r}")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"a prefix has up to 512 of A-Za-z0-9 .:_~-, not {prefix[:80]!r}")


def check_commit(partition: str, changes: Sequence[Change]) -> None:
    """Raise ValueError unless these changes can be one commit."""
    if not 1 <= len(changes) <= MAX_BATCH:
        raise ValueError(f"a commit has 1 to {MAX_BATCH} changes, not {len(changes)}")
    if len({change.key for change in changes}) != len(changes):
        raise ValueError("a commit changes each key once")
    texts: list[str] = []
    for change in changes:
        check_key(partition, change.key)
        if isinstance(change, Delete):
            continue
        utc(change.due)
        if (units := utf16_units(change.text)) > MAX_TEXT_UNITS:
            raise ValueError(f"the text of row {change.key!r} has {units} UTF-16 units; {MAX_TEXT_UNITS} fit")
        texts.append(change.text)
    if len(changes) == 1:
        return
    size = len(changes) * _ENVELOPE_BYTES + sum(len(json.dumps(text)) for text in texts)
    if size > MAX_COMMIT_BYTES:
        raise ValueError(f"the commit is {size - MAX_COMMIT_BYTES} bytes too big; {MAX_COMMIT_BYTES} fit")


def utf16_units(text: str) -> int:
    """Count `text` as the storage does. Raises ValueError for half a surrogate pair."""
    return len(text.encode("utf-16-le")) // 2


def utc(moment: datetime | None) -> datetime | None:
    """Give the same moment in UTC. Raises ValueError where it has no time zone."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("a due time needs a time zone")
    return moment.astimezone(UTC)


def check_document(name: str) -> None:
    """Raise ValueError unless a document can have this name."""
    if not _DOCUMENT.fullmatch(name):
        raise ValueError(f"a document's name is made of A-Za-z0-9 ._/-, not {name[:80]!r}")
    check_object(name)


def check_object(name: str) -> None:
    """Raise ValueError unless a blob can have this name and still has it after a URL was made of it.

    HTTP clients resolve `.` and `..` segments before they send, which would lead to another blob or container, and the
    service forbids segments that end in a dot.
    """
    if not 1 <= utf16_units(name) <= MAX_NAME or _FORBIDDEN_IN_NAME.search(name):
        raise ValueError(f"a name has 1 to {MAX_NAME} characters, no control character and no backslash: {name[:80]!r}")
    if any(not segment or segment.endswith(".") for segment in name.split("/")):
        raise ValueError(f"no segment of a name may be empty or end with a dot: {name[:80]!r}")


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise ValueError unless all of it survives as HTTP headers: no value is empty or has a space at an end."""
    for key, value in metadata.items():
        if not _METADATA_KEY.fullmatch(key) or key in RESERVED_KEYS:
            raise ValueError(f"a metadata key is a lower-case ASCII word, not {', '.join(RESERVED_KEYS)}: {key[:80]!r}")
        if len(value) > MAX_VALUE or not _METADATA_VALUE.fullmatch(value):
            raise ValueError(f"metadata {key!r} is not 1 to {MAX_VALUE} printable ASCII characters, trimmed")
    if sum(len(key) + len(value) for key, value in metadata.items()) > MAX_METADATA_BYTES:
        raise ValueError(f"the metadata has more than {MAX_METADATA_BYTES} bytes")


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise ValueError unless these can be index tags of a blob."""
    if len(tags) > MAX_TAGS:
        raise ValueError(f"{len(tags)} tags; {MAX_TAGS} fit")
    for key, value in tags.items():
        if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            raise ValueError(f"not a tag: {key[:80]!r}={value[:80]!r}")


def check_media_type(media_type: str) -> None:
    """Raise ValueError unless it can be a header's value."""
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise ValueError(f"not a media type: {media_type[:80]!r}")


def encode_message(text: str) -> str:
    """Give the text as it travels. Raises ValueError where it is too long."""
    data = text.encode()
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(data)} bytes; {MAX_MESSAGE_BYTES} fit")
    return base64.b64encode(data).decode("ascii")


def decode_message(sent: str) -> str:
    """Give the text of a message, or what was sent where it is not base64 of UTF-8."""
    try:
        return base64.b64decode(sent, validate=True).decode()
    except ValueError:
        return sent


def whole_seconds(duration: float, *, least: int) -> int:
    """Give a duration as the queue takes it: rounded up, so never early. Raises ValueError."""
    if not least <= duration <= MAX_DELAY:
        raise ValueError(f"{duration} seconds; from {least} to {MAX_DELAY:.0f} can be had")
    return math.ceil(duration)


def check_limit(limit: int) -> None:
    """Raise ValueError unless so many messages can be asked for."""
    if not 1 <= limit <= MAX_RECEIVED:
        raise ValueError(f"{limit} messages; 1 to {MAX_RECEIVED} can be asked for")
