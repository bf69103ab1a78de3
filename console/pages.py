"""An HTML page as a tree: whatever is put into it is text, and nothing in it runs, loads or leads anywhere.

The page is one file. Its policy forbids everything but its own style, by that style's hash.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from responders._inert import inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #57606a; --line: #d0d7de; --ground: #ffffff; --bar: #2f6f9f;
  --wait: #b07800; --cap: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9aa4af; --line: #3a424b; --ground: #14181d;
  --bar: #6fb1de; --wait: #e0aa3e; --cap: #ff8f85; } }
@media print { :root { --ink: #000; --dim: #333; --line: #999; --ground: #fff; --bar: #2f6f9f; --wait: #b07800;
  --cap: #b42318; } thead { display: table-header-group; } tr, svg { break-inside: avoid; } }
body { margin: 2rem auto; padding: 0 1rem; max-width: 62rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; } .dim { color: var(--dim); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; } th { color: var(--dim); font-weight: 600; } .number { text-align: right; }
ul.figures { list-style: none; display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; padding: 0; }
ul.figures b { display: block; font-size: 1.7rem; line-height: 1.2; }
svg { width: 100%; height: auto; } svg text { fill: var(--dim); font-size: 11px; }
.bar { fill: var(--bar); } .wait { fill: var(--wait); }
.cap { stroke: var(--cap); stroke-width: 1.5; stroke-dasharray: 5 3; }
"""


class Page:
    """A page under construction. `title` is ours; texts of others become inert."""

    def __init__(self, title: str) -> None:
        """Begin with a heading."""
        self._root = Element("html", lang="en")
        head = SubElement(self._root, "head")
        SubElement(head, "meta", charset="utf-8")
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        only = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": only})
        SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
        SubElement(head, "meta", name="referrer", content="no-referrer")
        SubElement(head, "title").text = title
        SubElement(head, "style").text = STYLE
        self._body = SubElement(self._root, "body")
        SubElement(self._body, "h1").text = title
        self._place = self._body

    def section(self, title: str) -> None:
        """Begin a section."""
        self._place = SubElement(self._body, "section")
        SubElement(self._place, "h2").text = title

    def say(self, text: str, *, dim: bool = False) -> None:
        """A paragraph."""
        SubElement(self._place, "p", {"class": "dim"} if dim else {}).text = shown(text)

    def figures(self, figures: Iterable[tuple[str, str]]) -> None:
        """Numbers with what they count."""
        listed = SubElement(self._place, "ul", {"class": "figures"})
        for number, what in figures:
            item = SubElement(listed, "li")
            big = SubElement(item, "b")
            big.text, big.tail = shown(number), shown(what)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
        """Rows under their heads; numbers stand right."""
        table = SubElement(self._place, "table")
        head = SubElement(SubElement(table, "thead"), "tr")
        for column in columns:
            SubElement(head, "th", scope="col").text = column
        body = SubElement(table, "tbody")
        for row in rows:
            line = SubElement(body, "tr")
            for cell in row:
                kind = {"class": "number"} if isinstance(cell, int) else {}
                SubElement(line, "td", kind).text = shown(str(cell))

    def bars(self, label: str, days: Sequence[tuple[str, int, int]], cap: int) -> None:
        """A bar for each day, what waited on top, and a line for the cap."""
        most = max([1, cap, *(done + waited for _, done, waited in days)])
        width, high = max(240, 14 * len(days) + 60), 160
        unit = (high - 30) / most
        attributes = {"viewBox": f"0 0 {width} {high}", "role": "img", "aria-label": label}
        svg = SubElement(self._place, "svg", attributes)
        base = high - 20
        for place, (day, done, waited) in enumerate(days):
            left = 40 + 14 * place
            for kind, number, below in (("bar", done, 0), ("wait", waited, done)):
                if number:
                    y = base - (below + number) * unit
                    box = {"x": str(left), "y": f"{y:.1f}", "width": "10", "height": f"{number * unit:.1f}"}
                    bar = SubElement(svg, "rect", {"class": kind, **box})
                    SubElement(bar, "title").text = f"{day}: {number}"
            if place % 5 == 0:
                SubElement(svg, "text", x=str(left), y=str(high - 6)).text = day[5:]
        level = f"{base - cap * unit:.1f}"
        SubElement(svg, "line", {"class": "cap", "x1": "34", "x2": str(width - 4), "y1": level, "y2": level})
        SubElement(svg, "text", x="2", y=level).text = str(cap)
        SubElement(svg, "text", x="2", y=str(base)).text = "0"

    def text(self) -> str:
        """The page as it is written to a file."""
        return "<!doctype html>\n" + tostring(self._root, encoding="unicode", method="html") + "\n"


def shown(text: str) -> str:
    """Any text as it may stand on a page: no control character, no address that a reader's program makes live."""
    return inert(text, 1000, dots=False)
