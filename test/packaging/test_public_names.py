"""What each package offers: `__all__` names what is there, and the package is typed."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted((ROOT / "mtv_perception").rglob("__init__.py"))


def names_of(tree):
    """What a package's file assigns and imports."""
    imported = [
        a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names
    ]
    assigned = [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    return {*imported, *assigned}


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
