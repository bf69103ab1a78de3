"""What people read about the code is what the code says."""

import importlib.util
import json
from pathlib import Path

import pytest

from local import docs
from responders._ports import QUEUES
from responders._wiring import responders
from shared.config import Settings, load

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
EXAMPLE = ROOT / "local.settings.example.json"
HOSTS_OWN = {"FUNCTIONS_WORKER_RUNTIME"}


def values() -> dict[str, str]:
    found: dict[str, str] = json.loads(EXAMPLE.read_text(encoding="utf-8"))["Values"]
    return found


def triggers(kind: str, member: str) -> list[str]:
    """What the app's triggers of a kind name. From a copy of the app, because an app can be indexed only once."""
    spec = importlib.util.spec_from_file_location("copy_of_the_app", ROOT / "function_app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [function.get_trigger() for function in module.app.get_functions()]
    return sorted(each.get_dict_repr()[member] for each in found if each.type == kind)


def test_the_readme_has_a_place_for_every_table() -> None:
    assert not README.exists() or docs.marked(README.read_text(encoding="utf-8")) == set(docs.TABLES)


@pytest.mark.parametrize("table", docs.TABLES)
def test_the_readmes_tables_are_as_the_code_has_them(table: str) -> None:
    """`python -m local.docs --write` brings them up to date."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    assert table not in docs.marked(text) or docs.TABLES[table]() in text


@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.name)
def test_every_page_has_a_place_for_each_of_its_tables(page: Path) -> None:
    assert docs.marked(page.read_text(encoding="utf-8")) == set(docs.PAGES[page])


@pytest.mark.parametrize("path", docs.files(), ids=lambda path: path.name)
def test_what_is_made_from_the_code_is_as_the_code_has_it(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == docs.files()[path]


def test_a_table_is_written_between_its_markers_and_nowhere_else() -> None:
    text = "before\n<!-- table: responders -->\nold\n<!-- end -->\nafter <!-- end -->\n"
    once = docs.written(text)
    assert once == f"before\n<!-- table: responders -->\n{docs.responders_table()}<!-- end -->\nafter <!-- end -->\n"
    assert docs.written(once) == once


def test_a_marker_for_a_table_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such table: colours; there are settings, responders, permissions"):
        docs.written("<!-- table: colours -->\n<!-- end -->")


def test_every_setting_has_a_meaning() -> None:
    assert list(docs.MEANINGS) == list(Settings.model_fields)


def test_every_role_that_a_responder_needs_says_what_breaks_without_it() -> None:
    roles = {role for responder in responders().values() for role in responder.permissions}
    assert roles <= docs.OURS.keys() | docs.WITHOUT.keys()
    assert all(f"`{role}`" in docs.permissions_table() for role in roles | docs.OURS.keys())


def test_the_example_names_every_setting_and_no_other() -> None:
    assert values().keys() - HOSTS_OWN == set(Settings.model_fields)


def test_the_example_is_not_encrypted_and_runs_python_on_the_emulator() -> None:
    assert json.loads(EXAMPLE.read_text(encoding="utf-8"))["IsEncrypted"] is False
    assert values()["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert {values()[name] for name in ("AzureWebJobsStorage", "EVIDENCE_STORAGE")} == {"UseDevelopmentStorage=true"}


def test_the_example_is_the_defaults() -> None:
    """What has a default is written with it, so that nobody has to look it up in order to change it."""
    given = {name: value for name, value in values().items() if name not in HOSTS_OWN and "STORAGE" not in name.upper()}
    assert {name: value for name, value in given.items() if value} == {
        name: docs.default_of(name) for name in given if docs.default_of(name)
    }


def test_the_example_is_accepted_and_means_the_defaults() -> None:
    read = load(values())
    plain = load(dict.fromkeys(("AzureWebJobsStorage", "EVIDENCE_STORAGE"), "UseDevelopmentStorage=true"))
    assert read == plain


def test_every_queue_has_its_function() -> None:
    assert triggers("queueTrigger", "queueName") == sorted(QUEUES)


def test_every_schedule_is_a_setting() -> None:
    schedules = [f"%{name}%" for name in Settings.model_fields if name.endswith("_SCHEDULE")]
    assert triggers("timerTrigger", "schedule") == sorted(schedules)
