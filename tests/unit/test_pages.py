"""The pages lead where they say, and the commands in them name what there is."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from local import docs
from tests.unit.templates import DOCS, INFRA, ROOT, text

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def prose(page: Path) -> str:
    """A page without what is quoted as code."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    written = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\b((?:infra|docs|local|tests)/[\w./-]*\w)", written)) - {"infra/contoso.bicepparam"}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_what_is_published_by_hand_is_what_is_published_by_the_tools() -> None:
    """`.funcignore` says what stays behind; the command in deploy.md says what goes."""
    command = re.search(r"git archive .*?HEAD \\\n +(.*)\n", (DOCS / "deploy.md").read_text(encoding="utf-8"))
    assert command
    ignored = [
        line for line in (ROOT / ".funcignore").read_text(encoding="utf-8").split("\n") if line[:1] in {"/", "*"}
    ]
    left = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and path.name != "node_modules"}
    shipped = {name for name in left if not any(fnmatch(name, pattern.strip("/")) for pattern in ignored)}
    assert set(command[1].split()) == shipped - {"__pycache__"}


def test_the_commands_use_what_the_deployment_gives_back() -> None:
    outputs = set(re.findall(r"^output ([A-Z_]+) string", text("main.bicep"), re.MULTILINE))
    for page in ("deploy.md", "runbooks.md", "first-deployment.md"):
        used = set(re.findall(r'"\$([A-Z_]+)"', (DOCS / page).read_text(encoding="utf-8")))
        assert used <= outputs, page


def test_every_alarm_is_in_the_runbooks() -> None:
    titles = re.findall(r"title: '([^']+)'", text("modules/alarms.bicep"))
    titles += re.findall(r"displayName: 'Bulkhead: ([A-Z][^']+)'", text("modules/alarms.bicep"))
    page = (DOCS / "runbooks.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (.*?) \|", page.partition("\n## Alarms\n")[2].partition("\n## ")[0], re.MULTILINE)
    assert sorted(titles) == sorted(table[2:])


def test_what_may_be_chosen_and_is_named_in_a_page_exists() -> None:
    options = {
        f"{group}.{member}"
        for group, kind in (
            ("evidence", "Evidence"),
            ("app", "App"),
            ("people", "People"),
            ("network", "Network"),
            ("monitoring", "Monitoring"),
        )
        for member in chosen(f"type {kind}Options = {{")
    }
    for page in PAGES:
        named = set(re.findall(r"`((?:evidence|app|people|network|monitoring)\.[a-z]\w+)", page.read_text("utf-8")))
        assert named <= options, page.name


def chosen(start: str) -> list[str]:
    """The members of a group of options."""
    whole = text("options.bicep")
    return re.findall(r"^  (\w+): ", whole[whole.index(start) :].partition("\n}")[0], re.MULTILINE)


def test_the_settings_that_pages_show_are_settings() -> None:
    for page in ("deploy.md", "runbooks.md", "privacy.md"):
        named = re.findall(r"`?\b([A-Z]+_[A-Z_]+)[=:`]", (DOCS / page).read_text(encoding="utf-8"))
        outputs = re.findall(r"^output ([A-Z_]+) ", text("main.bicep"), re.MULTILINE)
        assert set(named) <= {*docs.MEANINGS, *outputs}, page


def test_no_file_for_operators_names_somebodys_tenant() -> None:
    files = "".join(path.read_text(encoding="utf-8") for path in INFRA.glob("*.bicepparam"))
    assert set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", files)) == {"00000000-0000-0000-0000-000000000000"}
