"""The walls of the house: which room may look into which, and that assessing needs the core alone."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

import cardiofusion
from cardiofusion.records import assessment_schema

SOURCE = Path(cardiofusion.__file__).parent
# design.md, section 3: a room imports only rooms above it.
ORDER = (
    "records", "metrics", "readers", "writers", "datasets", "signal", "simulate", "tmae", "tabular", "cmaf",
    "conformal", "phenotypes", "explain", "evaluate", "bundle", "export", "runtime", "report", "serve",
    "study", "cli",
)  # fmt: skip
ROOMS = tuple(room for room in ORDER if (SOURCE / room).is_dir())
TRAINING_PACKAGES = (
    "torch", "numba", "umap", "hdbscan", "polars", "matplotlib", "sklearn", "pandas", "onnx", "onnxscript",
)  # fmt: skip


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import in a module, at the top, in a function or for typing only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def rooms_imported(path: Path) -> Iterator[tuple[int, str]]:
    for line, name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        parts = name.split(".")
        if parts[0] == "cardiofusion" and len(parts) > 1 and (SOURCE / parts[1]).is_dir():
            yield line, parts[1]


def test_every_folder_of_the_package_is_a_room_of_the_design():
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(ORDER)
    assert {"records", "runtime", "study", "cli"} <= folders


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_above_it(room):
    allowed = {*ORDER[: ORDER.index(room)], room}
    found = [
        f"{path.relative_to(SOURCE)}:{line} imports {other}"
        for path in sorted((SOURCE / room).rglob("*.py"))
        for line, other in rooms_imported(path)
        if other not in allowed
    ]
    assert not found


def public_names(tree: ast.Module) -> set[str]:
    """What an `__init__` offers: our own names it imports (for typing, where lazy) and what it defines."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cardiofusion."):
            names |= {alias.asname or alias.name for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def all_names(tree: ast.Module) -> list[str]:
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "__all__" for t in node.targets)
    )
    names: list[str] = ast.literal_eval(value)
    return names


def rank(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions, as ruff sorts `__all__`."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_all_it_offers_in_one_sorted_list(room):
    tree = ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8"))
    names = all_names(tree)
    assert names == sorted(names, key=rank)
    functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)} - {"__getattr__"}
    # A lazy room imports a module to take the name from it: that module is no name of its own.
    modules = {path.stem for path in (SOURCE / room).glob("*.py")} - functions - set(names)
    assert set(names) == public_names(tree) - modules
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_every_name_a_room_offers_is_there(room):
    module = importlib.import_module(f"cardiofusion.{room}")
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError):
        getattr(module, "no_such_name")  # noqa: B009


CORE_ONLY = """
import importlib.abc, json, sys
from pathlib import Path

BLOCKED = set({blocked!r})

class Wall(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{{name}} is not installed", name=name)

sys.meta_path.insert(0, Wall())
from cardiofusion.readers import read_recording
from cardiofusion.report import assessment_text, patient_sheet
from cardiofusion.runtime import System

recording = read_recording({ecg!r})
assessment = System.load({bundle!r}).assess(recording, json.loads({row!r}))
sheet = patient_sheet(assessment, recording)
there = sorted(BLOCKED & {{name.split(".")[0] for name in sys.modules}})
print(json.dumps({{"there": there, "assessment": assessment.to_json(), "sheet": sheet,
                  "text": assessment_text(assessment)}}, allow_nan=False))
"""


def test_a_full_assessment_needs_none_of_the_training_packages(tiny_bundle, virtual_patient):
    program = CORE_ONLY.format(
        blocked=TRAINING_PACKAGES,
        ecg=str(virtual_patient.header),
        bundle=str(tiny_bundle),
        row=json.dumps(virtual_patient.row),
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["there"] == []
    jsonschema.validate(found["assessment"], assessment_schema())
    for task in found["assessment"]["tasks"]:
        assert set(found["assessment"]["explanations"][task]) == {"gradcam", "shap", "attention"}
    assert "<svg" in found["sheet"]
    assert "WARNING" in found["text"] or not found["assessment"]["warnings"]


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "cli"])
def test_importing_a_room_loads_no_training_package(room):
    program = (
        f"import sys, cardiofusion.{room}; "
        f"print(sorted({{name.split('.')[0] for name in sys.modules}} & set({TRAINING_PACKAGES!r})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    # LightGBM imports pandas and scikit-learn where it finds them; the core install does not have them.
    assert set(found) - {"pandas", "sklearn", "pyarrow"} == set()


def test_the_command_line_starts_without_loading_a_training_package():
    program = (
        "import sys, cardiofusion.cli; "
        f"print(sorted({{name.split('.')[0] for name in sys.modules}} & set({TRAINING_PACKAGES!r})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ast.literal_eval(done.stdout) == []
