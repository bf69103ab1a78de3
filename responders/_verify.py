"""Checks a run of the archive, every object, the custody chain and the signature, and says what differs, and where.

This file is in every run as `verify.py`, and needs Python 3.9 or newer, nothing else:  python3 verify.py [FOLDER]
Of a folder access/run-... it follows the chain. Exit status: 0 all is as it was sealed, 1 something differs, 2 no run.
"""

import sys

if sys.version_info < (3, 9):  # noqa: UP036 - reviewers bring their own; and so no older one may stumble before this
    sys.stderr.write("verify.py needs Python 3.9 or newer\n")
    sys.exit(2)

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

PAYLOAD, TAGS, MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt", "manifest.json"
CHECKPOINT, CHAIN, CHUNK = "checkpoint.json", "custody.jsonl", 1024 * 1024
LARGE, SMALL, VALUES, MOST = 16 * CHUNK, 8 * CHUNK, 500_000, 1000  # bytes of a list, of a file; values; findings
_NAMED = re.compile(  # how the path of a run ends, as far as it is called as in the archive
    r"(/[0-9]{4}/[0-9]{2}/inc-[^/]+/[^/]+/run-[^/]+|((/inc-[^/]+)?/(dev-[a-z0-9-]+-[0-9a-f]{8}|tenant))?"
    r"/run-[0-9]{8}T[0-9]{6}Z-[^/]+-[0-9]{2,})$"
)
_LINE, _EACH = re.compile(r"([0-9a-f]{64})  (\S.*)\n?"), re.compile(r"[^\n]*\n|[^\n]+")
KEY_BYTES, EXPONENTS = range(256, 1025), range(0x10001, 1 << 32)  # with the exponent 1 anything would be signed
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, 9.2: DigestInfo of SHA-256


class Reader(Protocol):
    """A run's objects by their names inside it: all names, and the bytes of one (KeyError, OSError: cannot be had)."""

    def names(self) -> list[str]: ...
    def read(self, name: str) -> Iterator[bytes]: ...


def plain(text: str) -> str:
    """A text that may be anybody's, in ASCII: no terminal obeys it, or has no sign for it."""
    return "".join(each if " " <= each <= "~" else ascii(each)[1:-1] for each in text)


@dataclass(frozen=True)
class Finding:
    """What differs: the object, where in it (a line, a range of bytes, or nothing), and what is the matter."""

    object: str
    where: str
    text: str

    def __str__(self) -> str:
        return plain(f"{self.object}{', ' if self.where else ''}{self.where}: {self.text}")


@dataclass
class Folder:
    """A downloaded run. A link is no object of it: it is listed with where it leads, as no object is called."""

    root: Path

    def names(self) -> list[str]:
        found = {path: path.relative_to(self.root).as_posix() for path in self.root.rglob("*")}
        links = {path: f" -> {path.readlink()}" for path in found if path.is_symlink()}
        return sorted(name + links.get(path, "") for path, name in found.items() if path in links or path.is_file())

    def read(self, name: str) -> Iterator[bytes]:
        with (self.root / name).open("rb") as file:
            yield from iter(lambda: file.read(CHUNK), b"")


@dataclass
class Checked:
    """What a check read and found: `run` is whose seal it is, `key` the fingerprint of the key that signed it (SHA-256
    of its modulus), `signed` that and, in words, what the key calls itself, which may be anything.
    """

    objects: int = 0
    size: int = 0
    run: str = ""
    key: str = ""
    signed: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return not self.findings


class _Run:  # while it is checked
    def __init__(self, reader: Reader, done: Checked) -> None:
        self.reader, self.names, self.done = reader, set(reader.names()), done
        self.hashes, self.chained = dict[str, str](), dict[str, str]()

    def say(self, *finding: str) -> None:
        self.done.findings += [Finding(*finding)] * (len(self.done.findings) < MOST)

    def whole(self, name: str) -> bytes:
        """An object, remembered by its hash; nothing, and a finding, where it cannot be had or is too large."""
        if name not in self.names:
            self.say(name, "", "is missing")
            return b""
        data, most, values = bytearray(), LARGE if name in (MANIFEST, CHAIN) else SMALL, 0
        try:
            for piece in self.reader.read(name):
                data += piece
                values += sum(map(piece.count, b",[{" if name.endswith(".json") else b"\n\n\n\n,[{"))  # a line is four
                if len(data) > most or values > VALUES:
                    self.say(name, "", f"is too large: it has more than {most} bytes or {VALUES} values")
                    return b""
        except (KeyError, OSError):
            self.say(name, "", "cannot be read")
            return b""
        self.hashes[name] = hashlib.sha256(data).hexdigest()
        self.done.objects, self.done.size = self.done.objects + 1, self.done.size + len(data)
        return bytes(data)

    def parsed(self, name: str) -> dict[str, Any]:
        data, found = self.whole(name), None
        try:
            found = json.loads(data or b"{}")
        except (ValueError, RecursionError) as error:
            at = error.start if isinstance(error, UnicodeDecodeError) else getattr(error, "pos", 0)
            self.say(name, f"line {data[:at].count(10) + 1}", "is not JSON any more")
        return found if isinstance(found, dict) else {}

    def listed(self, name: str) -> dict[str, tuple[str, int]]:
        """The hashes in a manifest of BagIt's: by name, with the line."""
        found: dict[str, tuple[str, int]] = {}
        for number, line in enumerate(_EACH.findall(self.whole(name).decode("utf-8", "replace")), 1):
            match = _LINE.fullmatch(line)
            odd = f"names {match[2]}, which is not there" if match else "is no longer a hash and a name"
            if match is None or match[2] not in self.names:
                self.say(name, f"line {number}", odd)
            found |= {match[2]: (match[1], number)} if match else {}
        return found


def called(root: Path) -> str:
    """How the path ends of the run that should lie here, from a slash on; empty where the name is none of ours."""
    match = _NAMED.search(root.resolve().as_posix())
    return match[0] if match else ""


def check(reader: Reader, folder: str = "", done: "Checked | None" = None) -> Checked:
    """Check a run: everything is read. `folder` is where it should lie, or, from a slash on, how that ends. What is
    found is in `done` at once. What nobody signed makes nothing part of it.
    """
    run = _Run(reader, Checked() if done is None else done)
    point, manifest = run.parsed(CHECKPOINT), run.parsed(MANIFEST)
    payload, sealed = run.listed(PAYLOAD), _signature(run, point)
    if sealed and not (f"/{run.done.run}".endswith(folder) if folder[:1] in ("", "/") else folder == run.done.run):
        run.say(CHECKPOINT, "", f"is the seal of another run: {run.done.run}")
    _chain(run, point if sealed else {})
    told = manifest["items"] if isinstance(manifest.get("items"), list) else []
    items = {str(each.get("path")): each for each in told if isinstance(each, dict)}
    for name in sorted({*items, *payload}):
        try:
            _item(run, name, items.get(name), payload.get(name))
        except (KeyError, OSError):
            run.say(name, "", "cannot be read")
    tags = {} if sealed else {name: sha256 for name, (sha256, _) in run.listed(TAGS).items()}
    promised = {**point["files"], **run.chained, CHECKPOINT: run.hashes[CHECKPOINT]} if sealed else tags
    _tags(run, promised, sealed=sealed)
    for name in sorted(run.names - {*items, *payload, *promised, *(() if sealed else run.hashes), TAGS, CHECKPOINT}):
        run.say(name, "", "is not part of the run: somebody put it there")
    return run.done


def _item(run: _Run, name: str, item: "dict[str, Any] | None", line: "tuple[str, int] | None") -> None:
    """An item against its two descriptions: where these disagree, the one that the item does not bear out is named."""
    if name not in run.names:
        if item:
            run.say(*((name, "", "is missing") if line else (MANIFEST, "", f"names {name}, which is not there")))
        return
    if item is None or line is None:
        missing, there = (MANIFEST, PAYLOAD) if item is None else (PAYLOAD, MANIFEST)
        run.say(missing, "", f"does not name {name}, which {there} does")
    size, sha256, blocks = _measured(run.reader, name, _blocks(item)[0])
    run.done.objects, run.done.size = run.done.objects + 1, run.done.size + size
    if sha256 not in ((item or {}).get("sha256"), line[0] if line else ""):
        _differs(run, name, size, blocks, item)
    elif line and line[0] != sha256:
        run.say(PAYLOAD, f"line {line[1]}", f"says another hash of {name}, which is as {MANIFEST} says")
    elif item and item.get("sha256") != sha256:
        run.say(MANIFEST, "", f"says another hash of {name}, which is as {PAYLOAD} says")
    elif item and (_blocks(item)[1] not in ([], blocks) or item.get("size") != size):
        run.say(MANIFEST, "", f"says other blocks or another size of {name}, which is whole")


def _blocks(item: "dict[str, Any] | None") -> tuple[int, list[Any]]:  # size and hashes, as far as these can be
    told: dict[str, Any] = item["blocks"] if item and isinstance(item.get("blocks"), dict) else {}
    size, hashes = told.get("size"), told.get("sha256")
    return size if isinstance(size, int) and size >= CHUNK else 8 * CHUNK, hashes if isinstance(hashes, list) else []


def _measured(reader: Reader, name: str, block: int) -> tuple[int, str, list[str]]:  # size, hash, hashes of blocks
    whole, part, room, size, blocks = hashlib.sha256(), hashlib.sha256(), block, 0, []
    for piece in reader.read(name):
        whole.update(piece)
        size += len(piece)
        for taken in (piece[:room], *(piece[at : at + block] for at in range(room, len(piece), block))):
            part.update(taken)
            room -= len(taken)
            if not room:
                blocks.append(part.hexdigest())
                part, room = hashlib.sha256(), block
    return size, whole.hexdigest(), [*blocks, *([part.hexdigest()] if room < block else [])]


def _differs(run: _Run, name: str, size: int, found: list[str], item: "dict[str, Any] | None") -> None:
    (block, expected), length = _blocks(item), (item or {}).get("size")
    length = length if isinstance(length, int) else size
    if length != size:
        run.say(name, f"bytes {min(size, length)}-", f"has {size} bytes instead of {length}")
    if not expected:
        run.say(name, "", "has another hash than was sealed")
    for number, (is_, was) in enumerate(zip(found, expected)):  # noqa: B905 - Python 3.9 has no `strict`
        end = min((number + 1) * block, size)
        if is_ != was and (length == size or end < min(size, length)):
            run.say(name, f"bytes {number * block}-{end - 1}", "differ from what was sealed")


def _tags(run: _Run, promised: dict[str, Any], *, sealed: bool) -> None:
    """The files beside the payload; then the tag manifest, every line of which follows from the seal and the chain."""
    for name in sorted(promised.keys() - {each.object for each in run.done.findings}):  # accused once is enough
        data = run.whole(name) if name not in run.hashes else b""
        if run.hashes.get(name, promised[name]) != promised[name]:
            run.say(name, f"bytes 0-{len(data) - 1}" if data else "", "differs from what was sealed")
    found = _EACH.findall((run.whole(TAGS) if sealed else b"").decode("utf-8", "replace"))
    right = [f"{sha256}  {name}\n" for name, sha256 in sorted(promised.items()) if sealed and TAGS in run.hashes]
    places, known = {line: number for number, line in enumerate(found)}, set(right)
    odd = {number for number, line in enumerate(found) if line not in known or places[line] != number}
    odd |= {number for number, line in enumerate(right) if line not in places}
    for number in sorted(odd or (each for each, line in enumerate(right) if line != found[each])):
        should = f"should be {right[number].rstrip()}" if number < len(right) else "should not be there"
        run.say(TAGS, f"line {number + 1}", should)


def _chain(run: _Run, point: dict[str, Any]) -> None:
    """From the head back: of an event's line and its blob, the one that the next event holds the hash of is right."""
    lines = run.whole(CHAIN).removesuffix(b"\n").split(b"\n", 1_000_000)
    count, expected = len(lines), ""
    if point.get("head") and point.get("events") in range(1, max(count, len(run.names)) + 1):
        count, expected = int(point["events"]), str(point["head"])
    elif point:
        run.say(CHECKPOINT, "", "does not tell the end of the chain")
    if count != len(lines):
        run.say(CHAIN, f"line {len(lines)}", f"ends the file, which was sealed with {count} lines")
    for number in range(count, 0, -1):
        line, name = b"".join(lines[number - 1 : number]), f"custody/{number:06d}.json"
        blob = run.whole(name)
        right = [each for each in (line, blob) if each and expected in ("", hashlib.sha256(each).hexdigest())]
        if number <= len(lines) and (line not in right or line != (right or [line])[-1]):
            run.say(CHAIN, f"line {number}", "is not the event that was sealed")
        if name in run.hashes and blob not in right:
            run.say(name, f"bytes 0-{len(blob) - 1}" if blob else "", "is not the event that was sealed")
        event = (right or [line])[0]
        run.chained[name] = expected or hashlib.sha256(event).hexdigest()
        prev, seq = re.search(rb'"prev":"([0-9a-f]{64})"', event), re.search(rb'"seq":(\d{1,15})[,}]', event)
        expected = prev[1].decode() if prev else ""
        if right and not (seq and int(seq[1]) == number and (number == 1) is (expected == "0" * 64)):
            run.say(CHAIN, f"line {number}", "has another number, or another event before it, than its place")


def _signature(run: _Run, point: dict[str, Any]) -> bool:  # RS256, and the checkpoint stands as it was written
    try:
        stored = hashlib.sha256((json.dumps(point, indent=2, sort_keys=True) + "\n").encode()).hexdigest()
        right = genuine({**point, "files": {**point["files"]}}) and stored == run.hashes.get(CHECKPOINT)
        kind, key, n = point["signer"]["kind"], point["signer"]["key"], _number(point["signer"]["n"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        run.say(CHECKPOINT, "", "has no signature that can be read")
        return False
    named = f"sha256:{hashlib.sha256(n.to_bytes((n.bit_length() + 7) // 8, 'big')).hexdigest()}"
    if not right or (kind == "local" and key != named):
        run.say(CHECKPOINT, "", "calls its key by the name of another one" if right else "is not what was signed")
        return False
    run.done.run, run.done.key = str(point.get("run")), named
    run.done.signed = f"{named} ({kind} key{'' if kind == 'local' else f' {key}'})"
    return True


def genuine(point: dict[str, Any]) -> bool:
    """Whether a checkpoint's signature is of the key that it names itself."""
    signer, unsigned = point["signer"], {name: each for name, each in point.items() if name != "signature"}
    text = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    n, e, value = (_number(str(each)) for each in (signer["n"], signer["e"], point["signature"]))
    length = (n.bit_length() + 7) // 8
    usable = length in KEY_BYTES and e in EXPONENTS and signer["kind"] and signer["key"]
    right = b"\x00\x01" + (b"\x00" + _SHA256_INFO + hashlib.sha256(text).digest()).rjust(length - 2, b"\xff")
    return bool(usable) and pow(value, e, n).to_bytes(length, "big") == right


def follow(reader: Reader) -> Checked:
    """Follow a chain of accesses: each event holds the hash of the one before. Nothing in it tells what came last."""
    run, last, prev = _Run(reader, Checked()), 0, "0" * 64
    for name in sorted(run.names):
        event, number = run.parsed(name), int(name[:6]) if re.fullmatch(r"[0-9]{6}\.json", name) else 0
        if not number:
            run.say(name, "", "is no event: somebody put it there")
        elif number != last + 1:
            run.say(name, "", f"comes next after event {last}: what was between them is missing")
        elif not event or _spelt(event) != run.hashes[name] or event.get("seq") != number:
            run.say(name, "", "is no event of ours any more")
        elif event.get("prev") != prev:
            run.say(name, "", "does not follow the event before it: one of them was changed")
        last, prev = (number, run.hashes.get(name, "")) if number else (last, prev)
    return run.done


def _spelt(event: dict[str, Any]) -> str:  # the hash of its one spelling
    try:
        text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:
        return ""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _number(text: str) -> int:  # of base64 for URLs, without padding; ValueError where it is spelt otherwise
    found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != text:
        raise ValueError(text)
    return int.from_bytes(found, "big")


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    if root.is_dir() and root.resolve().parent.name == "access" and not (root / CHECKPOINT).exists():
        chain = follow(Folder(root))
        end = "unbroken; what came last, it does not tell" if chain.whole else "NOT one unbroken chain"
        print(*chain.findings, plain(f"{root}: {chain.objects} events; {end}"), sep="\n")
        return 0 if chain.whole else 1
    if not (root / CHECKPOINT).is_file():
        print(f"{plain(str(root))}: no run that was sealed ({CHECKPOINT} is missing)", file=sys.stderr)
        return 2
    run = check(Folder(root), called(root))
    how = f"signed with {run.signed}" if run.signed else "NOT signed"
    end = "as it was sealed" if run.whole else f"NOT as it was sealed: {len(run.findings)} differences"
    print(*run.findings, plain(f"{run.run or root}: {run.objects} objects, {run.size} bytes; {how}; {end}"), sep="\n")
    return 0 if run.whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
