"""A headless Chromium that opens reports, and what it complained of meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="NO CHROMIUM HERE (apt install chromium): reports are unseen")

_WATCH = """
addEventListener('securitypolicyviolation', (event) => {
  (window.violations ||= []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it; as root it has no sandbox of its own."""
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page, and whatever it said on the console, rose, asked the network for, or was refused."""

    page: Page
    said: list[str] = field(default_factory=list)

    def complaints(self) -> list[str]:
        """Everything that should not have been."""
        refused: list[str] = self.page.evaluate("window.violations || []")
        return [*self.said, *refused]


def opened(browser: Browser, path: Path, *, phone: bool = False, dark: bool = False, script: bool = True) -> Opened:
    """A file, opened in a context of its own."""
    size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
    context = browser.new_context(
        viewport=size,  # type: ignore[arg-type]
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
    )
    page = context.new_page()
    page.set_default_timeout(120_000)  # a loaded machine is slow, and that is no fault of the page
    made = Opened(page)
    page.on("console", lambda message: made.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: made.said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: made.said.append(f"dialog: {dialog.message}"))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else made.said.append(asked.url))
    page.add_init_script(_WATCH)
    page.goto(path.as_uri())
    return made
