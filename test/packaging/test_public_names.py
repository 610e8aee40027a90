"""What each package offers: `__all__` names what is there, and the package is typed.

A package that imports quickly offers names. One that needs Keras, rosbags or matplotlib offers
modules, so that importing the package itself costs nothing.
"""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "mtv_perception"
SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))
INITS = {
    ".".join(path.parent.relative_to(ROOT).parts): path
    for path in SOURCES
    if path.name == "__init__.py"
}
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
packages = pytest.mark.parametrize("package", INITS)
HEAVY = ("tensorflow", "keras", "torch", "matplotlib", "rclpy", "openvino", "moderngl")


def offered_by(package):
    """The literal value of `__all__`, or None."""
    for node in TREES[INITS[package]].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


def modules_of(package):
    folder = INITS[package].parent
    return {
        item.stem
        for item in folder.iterdir()
        if (item.suffix == ".py" and not item.stem.startswith("__"))
        or (item / "__init__.py").is_file()
    }


def offers_modules(package):
    return set(offered_by(package)) <= modules_of(package)


def uses_from_outside(package):
    """The modules of a package that modules outside of it import, with one user of each."""
    found = {}
    for path, tree in TREES.items():
        if path.is_relative_to(INITS[package].parent):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                named = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                for name in named:
                    if name.startswith(f"{package}."):
                        found[name.removeprefix(f"{package}.").split(".")[0]] = path.name
    return {name: user for name, user in found.items() if name in modules_of(package)}


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for path in SOURCES}

    assert sorted(folder for folder in folders if not (folder / "__init__.py").is_file()) == []


@packages
def test_every_package_says_what_it_offers(package):
    offered = offered_by(package)

    assert offered, f"{INITS[package]} has no __all__"
    assert len(offered) == len(set(offered))
    if not offers_modules(package):
        module = importlib.import_module(package)
        assert [name for name in offered if not hasattr(module, name)] == []


@packages
def test_modules_that_others_use_are_offered(package):
    """So `__all__` is the interface, and what is missing there may change at any time."""
    if not offers_modules(package):
        return
    missing = {
        name: user
        for name, user in uses_from_outside(package).items()
        if name not in offered_by(package)
    }

    assert missing == {}


def test_importing_any_package_imports_nothing_heavy():
    code = "import sys\n" + "".join(f"import {package}\n" for package in INITS)
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=280
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"


def documented():
    """Modules and names that the page of the Python API shows."""
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    return re.findall(r"auto(?:module|function|class):: (mtv_perception[\w.]*)", page)


@pytest.mark.parametrize("name", documented())
def test_documented_names_are_offered(name):
    """By the nearest package, unless it is a module beside the packages."""
    parts = name.split(".")
    package = next(
        ".".join(parts[:end]) for end in range(len(parts), 0, -1) if ".".join(parts[:end]) in INITS
    )
    if package == PACKAGE:
        assert (ROOT / PACKAGE / f"{parts[1]}.py").is_file()
        return
    module = importlib.import_module(package)
    offered = {getattr(module, item) for item in offered_by(package)}
    homes = {item.__module__ for item in offered}

    assert name in homes or name in {f"{item.__module__}.{item.__name__}" for item in offered}


def test_the_package_is_typed():
    assert (ROOT / PACKAGE / "py.typed").is_file()
