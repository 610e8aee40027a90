"""What each package offers: `__all__` names what is there, and the package is typed."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted((ROOT / "mtv_perception").rglob("__init__.py"))


def names_of(tree):
    """What a package's file defines, assigns and imports."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {ast.unparse(target) for target in node.targets}
        elif isinstance(node, ast.AnnAssign):
            found.add(ast.unparse(node.target))
    return found


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_every_package_says_what_it_offers(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    offered = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    if not offered:
        pytest.skip("offers its modules")
    modules = {item.stem for item in path.parent.iterdir() if item.suffix == ".py" or item.is_dir()}
    assert set(offered[0]) <= modules | names_of(tree)


def test_the_package_is_typed():
    assert (ROOT / "mtv_perception" / "py.typed").is_file()
