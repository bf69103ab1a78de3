"""YAML as a tree that knows its lines. It takes what a policy needs of YAML, and nothing that runs or explodes.

Built from PyYAML's events, so nothing is constructed but texts, lists and mappings. What a plain word means is left to
the field that it stands in (in YAML 1.1 `no` is false and 18:00 is 1080); only the sample data of examples is read as
JSON would be. A key may stand once. Anchors are fine; what they unfold to is limited, and so is everything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from shared.models.policy.problems import PolicyError, Problem, spelt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.models.policy.problems import Path

LONGEST = 512 * 1024
"""Bytes of a policy. A generous one has some tens of thousands."""

DEEPEST = 40
MOST_NODES = 50_000

LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where the package was built with it: ten times as fast, and otherwise the same."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?\d{1,18}")
_FLOAT = re.compile(r"[-+]?(\d{1,18}\.\d{0,18}|\.\d{1,18})([eE][-+]?\d{1,2})?")
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HINTS = (
    ("a tab", "; indent with spaces"),
    (r"'\t'", "; indent with spaces"),
    ("mapping values are not allowed", "; a text with a colon and a space in it needs quotes"),
    ("cannot start any token", "; a text that begins with such a character needs quotes"),
    ("expected ':'", "; is a colon missing, or does a text need quotes?"),
    ("expected <block end>", "; is a line indented otherwise than those before it?"),
    ("did not find expected key", "; is a line indented otherwise than those before it?"),
    ("did not find expected '-'", "; is a line indented otherwise than those before it?"),
    ("quoted scalar", "; is a closing quote missing?"),
    ("expected ',' or", "; is a closing bracket missing?"),
)
"""What is probably meant by what a parser says, of both parsers."""

_TEXT_TAG = "tag:yaml.org,2002:str"


@dataclass(slots=True)
class Node:
    """A value where it stands. `items` of a mapping have the line of their key."""

    line: int
    kind: str
    text: str = ""
    plain: bool = False
    members: dict[str, tuple[int, Node]] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)


def parse(text: str, loader: type[yaml.SafeLoader] = LOADER) -> tuple[Node | None, list[Problem]]:
    """The tree of a text, None where there is none, and what is wrong with it. Never raises."""
    refused = _refused(text)
    if refused:
        return None, [refused]
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        hint = next((hint for part, hint in _HINTS if part in said), "")
        builder.problems.append(Problem(mark.line + 1 if mark else 1, "", f"is not valid YAML: {said}{hint}"))
        return None, builder.problems
    except yaml.YAMLError as error:
        builder.problems.append(Problem(1, "", f"is not valid YAML: {error}"))
        return None, builder.problems
    except PolicyError as error:
        return None, [*builder.problems, *error.problems]
    if builder.root is None:
        builder.problems.append(Problem(1, "", "is empty"))
    return builder.root, builder.problems


def _refused(text: str) -> Problem | None:
    """Why a text is not even looked into."""
    odd = _NOT_YAML.search(text)
    if odd:
        line = text.count("\n", 0, odd.start()) + 1
        return Problem(line, "", f"holds a character that YAML does not allow (U+{ord(odd[0]):04X})")
    size = len(text.encode())
    return Problem(1, "", f"is too long: {size} bytes, at most {LONGEST} are read") if size > LONGEST else None


class _Builder:
    """Takes one event after the other."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[tuple[Node, str | None]] = []
        self._key: list[tuple[int, str] | None] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise PolicyError([Problem(line, "", "a second document begins here; a policy is one")])
        elif isinstance(event, yaml.AliasEvent):
            found = self._anchors.get(event.anchor or "")
            if found is None:
                self._note(line, f"'*{event.anchor}' names nothing above that is complete")
            self._put(found or Node(line, "text"))
        elif isinstance(event, yaml.ScalarEvent):
            self._tag(line, event.tag)
            node = Node(line, "text", text=event.value, plain=not event.style and event.tag is None)
            self._anchor(event.anchor, node)
            self._put(node)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._tag(line, event.tag)
            self._begin(Node(line, "mapping" if isinstance(event, yaml.MappingStartEvent) else "list"), event.anchor)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node, anchor = self._open.pop()
            self._key.pop()
            self._anchor(anchor, node)
            self._put(node)

    def _begin(self, node: Node, anchor: str | None) -> None:
        if len(self._open) >= DEEPEST:
            raise PolicyError([Problem(node.line, "", f"is nested more than {DEEPEST} deep")])
        self._open.append((node, anchor))
        self._key.append(None)

    def _put(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise PolicyError([Problem(node.line, "", f"holds more than {MOST_NODES} values")])
        if not self._open:
            self.root = node
            return
        around, key = self._open[-1][0], self._key[-1]
        if around.kind == "list":
            around.items.append(node)
        elif key is None:
            self._key[-1] = (node.line, self._name(node))
        else:
            self._key[-1] = None
            self._member(around, key, node)

    def _member(self, around: Node, key: tuple[int, str], node: Node) -> None:
        line, name = key
        if name == "<<":
            self._note(line, "merge keys (<<) are not read; write the keys out")
        elif name in around.members:
            self._note(line, f"'{name}' stands here again; it is already on line {around.members[name][0]}")
        else:
            around.members[name] = (line, node)

    def _name(self, node: Node) -> str:
        if node.kind == "text":
            return node.text
        self._note(node.line, "a key has to be a word")
        return f"(line {node.line})"

    def _anchor(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _tag(self, line: int, tag: str | None) -> None:
        if tag not in {None, "!", _TEXT_TAG}:
            self._note(line, f"the tag '{tag}' is not read; write the value without it")

    def _note(self, line: int, message: str) -> None:
        path: list[str | int] = []
        for (node, _), key in zip(self._open, self._key, strict=True):
            if node.kind == "list":
                path.append(len(node.items))
            elif key:
                path.append(key[1])
        self.problems.append(Problem(line, spelt(tuple(path)), message))


def plain(node: Node, *, samples: tuple[Path, ...] = ()) -> tuple[object, list[Problem]]:
    """The value of a tree: texts, lists and mappings. Below a path of `samples` (where "*" stands for every place in a
    list) texts are read as JSON would be; elsewhere a key without a value is a problem and is left out.
    """
    problems: list[Problem] = []
    try:
        return _Unfolding(samples, problems).value(node, ()), problems
    except PolicyError as error:
        return None, [*problems, *error.problems]


class _Unfolding:
    def __init__(self, samples: tuple[Path, ...], problems: list[Problem]) -> None:
        self._samples = samples
        self._problems = problems
        self._nodes = 0

    def value(self, node: Node, path: Path) -> object:
        self._nodes += 1
        if self._nodes > MOST_NODES or len(path) > 2 * DEEPEST:
            raise PolicyError([Problem(node.line, spelt(path), "its aliases unfold to too much")])
        if node.kind == "mapping":
            return dict(self._members(node, path))
        if node.kind == "list":
            return [self.value(item, (*path, place)) for place, item in enumerate(node.items)]
        if self._sample(path):
            return _resolved(node)
        if node.plain and node.text in _NULL:
            self._problems.append(Problem(node.line, spelt(path), "has no value; give it one, or leave the key out"))
            return None
        return node.text

    def _members(self, node: Node, path: Path) -> Iterator[tuple[str, object]]:
        for key, (line, member) in node.members.items():
            empty = member.kind == "text" and member.plain and member.text in _NULL
            if empty and not self._sample((*path, key)):
                said = "has no value; give it one, or leave the key out"
                self._problems.append(Problem(line, spelt((*path, key)), said))
            else:
                yield key, self.value(member, (*path, key))

    def _sample(self, path: Path) -> bool:
        return any(len(path) >= len(each) and all(map(_fits, each, path)) for each in self._samples)


def _fits(wanted: str | int, part: str | int) -> bool:
    return isinstance(part, int) if wanted == "*" else wanted == part


def _resolved(node: Node) -> object:
    """A scalar by YAML's core schema, as JSON would have it."""
    text = node.text
    if not node.plain:
        return text
    if text in _NULL:
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def line_of(root: Node, path: Path) -> int:
    """The line of the deepest part of a path that stands in the tree: of a member, the line of its key."""
    node, line = root, root.line
    for part in path:
        if isinstance(part, str) and part in node.members:
            line, node = node.members[part]
        elif isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line = node.line
        elif not (part == 0 and node.kind == "text"):
            break
    return line
