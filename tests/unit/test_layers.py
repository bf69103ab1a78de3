"""The architecture as a table: who may import whom, what is pure, and what an import may cost.

Every import counts, those for types and those inside functions too, unless a test says otherwise.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from responders._wiring import responders

ROOT = Path(__file__).parents[2]
FOLDERS = ("responders", "shared", "local", "console", "tests")
LONGEST = 300
CATALOGUES = ("responders._languages.en", "responders._languages.ja")
"""As long as what there is to say: one line after the other, and nothing to be understood between them."""
ALONE = {"responders._verify": 350}
"""A reviewer is given it as one file, which imports nothing of ours: it cannot be taken apart."""

PURE = (
    "responders._actionable",
    "responders._afterwards",
    "responders._given_back",
    *("responders._case", "responders._concern", "responders._conditions", "responders._device_conditions"),
    *("responders._evidence_conditions", "responders._examples", "responders._findings", "responders._guardrails"),
    *("responders._hours", "responders._inert", "responders._interface", "responders._leaves"),
    *("responders._news", "responders._notices", "responders._planning", "responders._policy"),
    *(
        "responders._policy_check",
        "responders._personal",
        "responders._protection",
        "responders._taking",
        "responders._undoing",
    ),
    *("responders._rails", "responders._rendering", "responders._repeats", "responders._rule", "responders._settling"),
    *("responders._truth", "responders._versions", "responders._wants", "responders._refusal", "responders._refusals"),
    *("responders._refusals_actions", "responders._refusals_apis", "responders._refusals_passing"),
    *("responders._refusals_places", "responders._consent"),
    *("responders._incident_files", "responders._zip", "responders._live", "responders._memory"),
    *("responders._zip_marks", "responders._zip_tables", "responders._zip_heads", "responders._told"),
    "responders._waking",
    *("responders._calls", "responders._capture", "responders._legs", "responders._bundles", "responders._several"),
    *("responders._languages", "responders._languages.en", "responders._languages.ja", "responders._report"),
    *(
        f"responders._report.{name}"
        for name in ("branches", "chapters", "closing", "devices", "exports", "index", "inventory")
    ),
    *(f"responders._report.{name}" for name in ("moments", "page", "plain", "revisions", "summary", "table", "tree")),
    "responders._report.value",
    *("responders._diagnosis", "responders._telemetry"),
    *("responders._kql", "responders._hunting_plan", "responders._hunting_progress"),
    *("responders._investigation.rows", "responders._investigation.collector", "responders._investigation.hunted"),
    *("responders._investigation.processes", "responders._investigation.correlated"),
    "responders._investigation.opinions",
    "responders._investigation.packaged",
    *("responders._investigation.persistence", "responders._package.value", "responders._package.decoding"),
    *("responders._package.tables", "responders._package.console", "responders._package.told"),
    *("responders._package.listed", "responders._package.members", "responders._package.inventory"),
    *("responders._package.unix", "responders._package.prefetch"),
)
"""Machinery that is pure; so are `shared.models` and every responder."""

MATERIAL = (
    *("responders._incident_files", "responders._taking", "responders._zip", "responders._live", "responders._memory"),
    *("responders._capture", "responders._legs", "responders._bundles", "responders._several"),
    *("responders._kql", "responders._hunting_plan", "responders._hunting_progress"),
)
"""What responders share beside the interface; pure too, and nothing of the machinery."""

TABLES = ("shared", "shared.errors", "shared.zones")
"""What pure modules may run on besides: the zones come from a pinned package, and are the same for everybody."""

LAYERS = {
    "shared.models": ("shared.models",),
    "shared.errors": (),
    "shared.config": ("shared.errors", "shared.models", "shared.zones"),
    "shared.zones": (),
    "shared.clients": ("shared.clients", "shared.errors", "shared.config", "shared.models"),
    "shared.storage": ("shared.storage", "shared.errors", "shared.config", "shared.models"),
    "responders": ("responders", "shared"),
    "function_app": ("responders._wiring",),
    "console": ("console", "responders", "shared"),
    "local": ("local", "responders", "shared", "console.costs", "console.costing"),
}
"""What a module whose name begins so may import of ours."""

EFFECTS = {
    *("os", "time", "random", "secrets", "uuid", "logging", "socket", "subprocess", "threading", "pathlib", "shutil"),
    *("tempfile", "io", "sys", "requests", "urllib3", "http", "azure", "asyncio", "sqlite3", "zoneinfo"),
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "handler", "lib"}


@dataclass(frozen=True)
class Import:
    """One import: the module meant, and whether it is there for types only."""

    of: str
    typing: bool


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    files = [ROOT / "function_app.py", *(path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py")))]
    return {_dotted(path): path for path in files if "node_modules" not in path.parts}


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> tuple[Import, ...]:
    return tuple(_imports(tree(module), typing=False))


def _imports(node: ast.AST, *, typing: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = typing or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            origin = "." * child.level + (child.module or "")
            yield from (Import(_meant(origin, alias.name), inside) for alias in child.names)
        else:
            yield from _imports(child, typing=inside)


def _meant(origin: str, name: str) -> str:
    """`from shared.storage import limits` means a module, `from shared.config import load` what is in one."""
    return f"{origin}.{name}" if f"{origin}.{name}" in modules() else origin


def within(module: str, names: tuple[str, ...] | set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def ours(module: str) -> bool:
    return within(module, ("function_app", *FOLDERS))


def calls(module: str) -> Iterator[str]:
    """What is called, as written."""
    yield from (ast.unparse(node.func) for node in ast.walk(tree(module)) if isinstance(node, ast.Call))


def product() -> list[str]:
    """What is deployed."""
    return [name for name in modules() if within(name, ("function_app", "responders", "shared"))]


def public() -> list[str]:
    """The modules of responders."""
    return [name for name in modules() if name.startswith("responders.") and not name.startswith("responders._")]


def pure() -> list[str]:
    return [*PURE, *public(), *(name for name in modules() if within(name, ("shared.models",)))]


def test_the_modules_are_found() -> None:
    """Else everything here would hold for nothing at all."""
    assert set(PURE) <= set(modules())
    assert {"responders.isolate", "responders.collect_package"} <= set(public())
    assert "shared.models.incident" in pure()
    assert Import("shared.models.incident", typing=False) in imports("responders._findings")
    assert any(each.of == "azure.identity" for each in imports("responders._wiring"))


# Who may import whom


@pytest.mark.parametrize("layer", LAYERS)
def test_dependencies_point_one_way(layer: str) -> None:
    for module in (name for name in modules() if within(name, (layer,))):
        strangers = [each.of for each in imports(module) if ours(each.of) and not within(each.of, LAYERS[layer])]
        assert strangers == [], f"{module} imports {strangers}"


def test_every_module_stands_in_a_layer() -> None:
    packages = {"shared", "tests"}
    lost = [name for name in modules() if not within(name, (*LAYERS, "tests")) and name not in packages]
    assert lost == []


@pytest.mark.parametrize("folder", ["local", "tests", "console"])
def test_what_is_not_deployed_is_imported_by_nothing_that_is(folder: str) -> None:
    assert [name for name in product() if any(within(each.of, (folder,)) for each in imports(name))] == []


def test_only_local_and_the_tests_import_local() -> None:
    users = {name for name in modules() if any(within(each.of, ("local",)) for each in imports(name))}
    assert [name for name in users if not within(name, ("local", "tests"))] == []


def test_a_responder_sees_of_the_machinery_its_interface_only() -> None:
    for module in public():
        seen = {each.of for each in imports(module) if within(each.of, ("responders",))}
        assert seen <= {"responders._interface", *MATERIAL}, module


@pytest.mark.parametrize("port", ["shared.clients", "shared.storage"])
def test_adapters_are_met_in_the_wiring_only(port: str) -> None:
    """Everybody else works through the port's interface."""
    for module in (name for name in modules() if within(name, ("responders",)) and name != "responders._wiring"):
        seen = {each.of for each in imports(module) if within(each.of, (port,))}
        assert seen <= {f"{port}.interface"}, module


def test_the_functions_know_azure_functions_and_the_wiring_and_nothing_else() -> None:
    assert {each.of for each in imports("function_app")} == {"__future__", "azure.functions", "responders._wiring"}


def test_the_functions_hold_neither_branch_nor_loop() -> None:
    kinds = (ast.If, ast.For, ast.While, ast.Try, ast.IfExp, ast.BoolOp, ast.comprehension, ast.Match, ast.With)
    assert [type(node).__name__ for node in ast.walk(tree("function_app")) if isinstance(node, kinds)] == []


def test_imports_are_absolute() -> None:
    assert [name for name in modules() if any(each.of.startswith(".") for each in imports(name))] == []


# What is pure


@pytest.mark.parametrize("module", pure())
def test_a_pure_module_imports_nothing_that_has_effects(module: str) -> None:
    """Neither the world nor the clock nor chance: a decision is made of its arguments."""
    touched = [each.of for each in imports(module) if within(each.of, EFFECTS)]
    assert touched == []


@pytest.mark.parametrize("module", pure())
def test_a_pure_module_runs_on_pure_modules_only(module: str) -> None:
    """For types it may look further."""
    needed = {each.of for each in imports(module) if ours(each.of) and not each.typing}
    assert needed <= {*pure(), *TABLES}


@pytest.mark.parametrize("module", pure())
def test_a_pure_module_asks_for_neither_time_nor_files(module: str) -> None:
    """A desk's time is an argument, as the desk is."""
    asked = [each for each in calls(module) if each.rpartition(".")[2] in {"now", "utcnow", "today", "open", "print"}]
    asked = [each for each in asked if each not in {"desk.now", "self._desk.now"}]
    assert asked == []


# What an import costs


def _python(code: str, cwd: Path) -> object:
    """What a fresh interpreter with no settings at all prints as JSON."""
    bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "SYSTEMROOT", "VIRTUAL_ENV"}}
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=bare, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_importing_the_functions_costs_no_http_and_no_sdk() -> None:
    """A cold start is waited for: only the first call pays for what it needs. And nothing needs a setting yet."""
    loaded = _python("import function_app, json, sys; print(json.dumps(sorted(sys.modules)))", ROOT)
    assert isinstance(loaded, list)
    assert "responders._wiring" in loaded
    heavy = (
        "requests",
        "urllib3",
        "azure.storage",
        "azure.data",
        "azure.identity",
        "azure.core",
        "msal",
        "cryptography",
    )
    assert [name for name in loaded if within(name, heavy)] == []


# One file for a responder

NEW = '''
"""A responder that somebody adds."""

from responders._interface import Clear, Lane


class BrandNew:
    """Does something new."""

    name = "brand_new"
    lane = Lane.CONTAIN
    api = "actions"
    kinds = ("restrictcodeexecution",)
    permissions = ("Machine.RestrictExecution",)
    contains = True
    gathers = False

    def wants(self, assessment):
        return ""

    def standing(self, action, listed, own, ours):
        return Clear()


RESPONDER = BrandNew()
'''


def test_one_file_adds_a_responder(tmp_path: Path) -> None:
    for folder in ("responders", "shared"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import json; from responders._wiring import responders; print(json.dumps(list(responders())))"
    before = _python(code, tmp_path)
    (tmp_path / "responders" / "brand_new.py").write_text(NEW, encoding="utf-8")
    after = _python(code, tmp_path)
    assert before == list(responders())
    assert isinstance(after, list)
    assert sorted(after) == sorted([*responders(), "brand_new"])


def test_every_public_module_is_one_responder_of_that_name() -> None:
    assert {f"responders.{name}" for name in responders()} == set(public())
    assert all(name == each.name for name, each in responders().items())


def test_containment_is_planned_first() -> None:
    order = [each.contains for each in responders().values()]
    assert order == sorted(order, reverse=True)


def test_every_responder_names_its_permissions_and_has_its_test() -> None:
    for name, each in responders().items():
        assert each.permissions
        assert all(role.partition(".")[2] for role in each.permissions)
        assert f"tests.unit.test_{name}" in modules()


# House rules


@pytest.mark.parametrize("module", [name for name in modules() if not within(name, ("tests", *CATALOGUES))])
def test_a_module_is_of_readable_length(module: str) -> None:
    assert len(modules()[module].read_text(encoding="utf-8").splitlines()) <= ALONE.get(module, LONGEST)


def test_a_module_is_named_for_what_it_is() -> None:
    assert [name for name in modules() if FORBIDDEN_NAMES & {part.strip("_") for part in name.split(".")}] == []


def test_every_module_says_why_it_exists() -> None:
    silent = [name for name in modules() if modules()[name].stat().st_size and not ast.get_docstring(tree(name))]
    assert [name for name in silent if not within(name, ("tests",))] == []


@pytest.mark.parametrize("module", product())
def test_no_error_is_swallowed_unseen(module: str) -> None:
    broad = {None, "Exception", "BaseException"}
    caught = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ExceptHandler)]
    assert [node.lineno for node in caught if (ast.unparse(node.type) if node.type else None) in broad] == []


@pytest.mark.parametrize("module", product())
def test_the_product_does_not_know_that_it_is_tested(module: str) -> None:
    text = modules()[module].read_text(encoding="utf-8").lower()
    assert [word for word in ("pytest", "unittest", "hypothesis") if word in text] == []


def test_tests_patch_nothing() -> None:
    """A seam is a parameter, and a fake holds state."""
    for module in (name for name in modules() if within(name, ("tests",))):
        assert not [each.of for each in imports(module) if within(each.of, ("unittest",))], module
        assert not [each for each in calls(module) if each.endswith(("monkeypatch.setattr", "mock.patch"))], module
