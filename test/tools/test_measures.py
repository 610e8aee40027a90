"""The bars that this tree holds; tools/measures.py prints every measure."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_measures():
    spec = importlib.util.spec_from_file_location("measures", ROOT / "tools" / "measures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


measures = load_measures()


@pytest.fixture(scope="module")
def tree():
    return measures.Tree(ROOT)


def test_no_folder_holds_too_many_files(tree):
    name, count = measures.largest_folder(tree)

    assert count <= measures.LONGEST_FOLDER, name


def test_no_packages_import_each_other(tree):
    assert measures.cycles(tree.package_imports()) == []


def test_few_python_lines_are_long(tree):
    assert measures.long_share(tree) < 0.5


def test_functions_are_short(tree):
    lengths = [lines for lines, _ in tree.functions(but="synthetic")]

    assert lengths[int(0.9 * (len(lengths) - 1))] <= 18
    assert tree.functions(but="synthetic")[-1][0] <= 80


def test_a_cycle_is_found_through_several_nodes():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"a"}}

    assert measures.cycles(edges) == [["a", "b", "c"]]


def test_a_tree_is_measured_as_it_is(tmp_path):
    folder = tmp_path / "mtv_perception" / "a"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""A."""\n')
    (folder / "x.py").write_text("from mtv_perception.b import y\n\n\nclass Twice:\n    pass\n")
    (tmp_path / "mtv_perception" / "b").mkdir()
    (tmp_path / "mtv_perception" / "b" / "__init__.py").write_text("")
    long = f"def f(x):\n    from mtv_perception.a import x\n    return x  # {'-' * 100}\n"
    (tmp_path / "mtv_perception" / "b" / "y.py").write_text(f"{long}\n\nclass Twice:\n    pass\n")

    found = measures.Tree(tmp_path)

    assert measures.cycles(found.package_imports()) == [["mtv_perception.a", "mtv_perception.b"]]
    assert measures.cycles(found.imports()) == [["mtv_perception.a.x", "mtv_perception.b.y"]]
    assert measures.long_share(found) == pytest.approx(100 / 13, rel=0.2)
    assert found.class_names() == {"Twice": ["mtv_perception.a.x", "mtv_perception.b.y"]}
    assert found.functions() == [(2, "mtv_perception.b.y.f")]
