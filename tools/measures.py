#!/usr/bin/env python3
"""Prints the measures of this project's style, for a tree as it is or as it was at a commit.

tools/measures.py                    # this tree
tools/measures.py --before 2e4ad6d   # that commit beside it
tools/measures.py --check            # exit status 1 where a bar is missed
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "mtv_perception"
CODE = ("mtv_perception", "scripts", "tools", "research", "launch", "test")
COLUMNS = 100
MARKDOWN_COLUMNS = 120
LONGEST_FOLDER = 16
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Tree:
    """The Python and Markdown files below a folder, parsed once.

    Args:
        root: of a working tree.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = sorted(path for folder in CODE for path in (root / folder).rglob("*.py"))
        self.sources = [path for path in self.files if self._folder(path).startswith(PACKAGE)]
        self.trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in self.sources}
        self.modules = {self.module(path): path for path in self.sources}

    def _folder(self, path: Path) -> str:
        return path.parent.relative_to(self.root).as_posix()

    def module(self, path: Path) -> str:
        """The dotted name of a source file."""
        return ".".join(path.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__")

    def folders(self) -> Counter[str]:
        """How many Python files each folder holds."""
        return Counter(self._folder(path) for path in self.files)

    def functions(self, but: str = "") -> list[tuple[int, str]]:
        """Lines of each function's body (docstring left out) and its place, shortest first.

        Args:
            but: a folder of the package that does not count.
        """
        found = []
        for path, tree in self.trees.items():
            if but and f"/{but}/" in path.as_posix():
                continue
            for node in ast.walk(tree):
                if isinstance(node, Function):
                    found.append((_body_lines(node), f"{self.module(path)}.{node.name}"))
        return sorted(found)

    def imports(self) -> dict[str, set[str]]:
        """Modules of the package that each module imports, inside of functions too."""
        edges: dict[str, set[str]] = {}
        for path, tree in self.trees.items():
            name = self.module(path)
            edges[name] = set(self._targets(tree)) - {name}
        return edges

    def _targets(self, tree: ast.Module) -> Iterator[str]:
        typing_only = {
            child
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for child in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in typing_only:
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.modules)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    if full in self.modules or node.module in self.modules:
                        yield full if full in self.modules else str(node.module)

    def package_imports(self) -> dict[str, set[str]]:
        """Packages that each package imports from, sub-packages of one package beside each other.

        What a package and its own sub-packages import of each other is inside of one package.
        """

        def folders(name: str) -> list[str]:
            inside = self.modules[name].name == "__init__.py"
            parts = name.split(".")
            return parts if inside else parts[:-1]

        edges: dict[str, set[str]] = {}
        for name, targets in self.imports().items():
            own = folders(name)
            for target in targets:
                other = folders(target)
                pairs = enumerate(zip(own, other, strict=False), start=1)
                for depth in [depth for depth, (a, b) in pairs if a != b][:1]:
                    edges.setdefault(".".join(own[:depth]), set()).add(".".join(other[:depth]))
        return edges

    def class_names(self) -> dict[str, list[str]]:
        """Public classes that several modules define, with these modules."""
        places: dict[str, list[str]] = {}
        for path, tree in self.trees.items():
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(self.module(path))
        return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def _body_lines(node: Function) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected groups of more than one node (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in sorted(edges.get(name, ())):
            if target not in order:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], order[target])
        if low[name] == order[name]:
            at = stack.index(name)
            group = sorted(stack[at:])
            del stack[at:]
            if len(group) > 1:
                groups.append(group)

    for name in sorted(edges):
        if name not in order:
            visit(name)
    return groups


def _quantiles(numbers: list[int]) -> str:
    ordered = sorted(numbers)
    return " / ".join(str(ordered[int(q * (len(ordered) - 1))]) for q in (0.5, 0.9, 1.0))


def _lines(paths: list[Path]) -> list[str]:
    return [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def long_markdown(root: Path) -> list[str]:
    """Markdown lines over MARKDOWN_COLUMNS that are no rows of tables and no code."""
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("research/*.md")]
    found = []
    for page in sorted([*pages, *root.glob("models/*/*.md")]):
        inside = False
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            inside ^= line.startswith("```")
            if len(line) > MARKDOWN_COLUMNS and not inside and not line.startswith("|"):
                found.append(f"{page.relative_to(root)}:{number}")
    return found


def _annotated(tree: Tree) -> float:
    arguments = [
        argument
        for parsed in tree.trees.values()
        for node in ast.walk(parsed)
        if isinstance(node, Function)
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if argument.arg not in ("self", "cls")
    ]
    return 100 * sum(argument.annotation is not None for argument in arguments) / len(arguments)


def _documented(tree: Tree) -> float:
    named = [
        node
        for parsed in tree.trees.values()
        for holder in (parsed, *(n for n in parsed.body if isinstance(n, ast.ClassDef)))
        for node in holder.body
        if isinstance(node, (*Function.__args__, ast.ClassDef)) and not node.name.startswith("_")
    ]
    return 100 * sum(ast.get_docstring(node) is not None for node in named) / len(named)


def long_share(tree: Tree) -> float:
    """Python lines over COLUMNS, percent."""
    lines = _lines(tree.files)
    return 100 * sum(len(line) > COLUMNS for line in lines) / len(lines)


def largest_folder(tree: Tree) -> tuple[str, int]:
    """The folder of most Python files, `cli/` excepted, where one module is one command."""
    counted = {name: n for name, n in tree.folders().items() if not name.endswith("/cli")}
    return max(counted.items(), key=lambda item: item[1])


def measures(tree: Tree) -> dict[str, str]:
    """Every measure by name, as text."""
    functions, outside = tree.functions(), tree.functions("synthetic")
    tests = [path for path in tree.files if path.relative_to(tree.root).parts[0] == "test"]
    sizes = [len(path.read_text(encoding="utf-8").splitlines()) for path in tree.sources]
    module_cycles, package_cycles = cycles(tree.imports()), cycles(tree.package_imports())
    return {
        "lines a file, median / p90 / max": _quantiles(sizes),
        "function body, median / p90 / max": _quantiles([n for n, _ in functions]),
        "the same outside synthetic/": _quantiles([n for n, _ in outside]),
        "annotated parameters": f"{_annotated(tree):.0f}%",
        "public names with a docstring": f"{_documented(tree):.0f}%",
        "modules in import cycles": str(sum(map(len, module_cycles))),
        "packages in import cycles": str(sum(map(len, package_cycles))),
        "public classes of one name": str(len(tree.class_names())),
        "test lines per source line": f"{len(_lines(tests)) / sum(sizes):.2f}",
        "most Python files in one folder": "{1} ({0})".format(*largest_folder(tree)),
        f"Python lines over {COLUMNS} columns": f"{long_share(tree):.2f}%",
        f"Markdown lines over {MARKDOWN_COLUMNS} columns": str(len(long_markdown(tree.root))),
    }


def checked_out(commit: str, folder: Path) -> Path:
    """The files of a commit, written to a folder."""
    content = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(content.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def missed(tree: Tree) -> list[str]:
    """The bars that a tree does not hold, in words."""
    outside = [lines for lines, _ in tree.functions("synthetic")]
    p90, longest = outside[int(0.9 * (len(outside) - 1))], tree.functions("synthetic")[-1]
    folder, count = largest_folder(tree)
    found = {
        f"{folder} holds {count} Python files": count > LONGEST_FOLDER,
        f"modules import in cycles: {cycles(tree.imports())}": bool(cycles(tree.imports())),
        f"packages import in cycles: {cycles(tree.package_imports())}": bool(
            cycles(tree.package_imports())
        ),
        f"{long_share(tree):.2f}% of the Python lines are too long": long_share(tree) >= 0.5,
        f"Markdown lines are too long: {long_markdown(tree.root)}": bool(long_markdown(tree.root)),
        f"functions' p90 is {p90} lines": p90 > 18,
        f"{longest[1]} has {longest[0]} lines": longest[0] > 80,
    }
    return [text for text, is_missed in found.items() if is_missed]


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="COMMIT", help="measure this commit, too")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--details", action="store_true", help="print cycles, names, functions")
    args = parser.parse_args()
    tree = Tree(ROOT)
    columns = {"this tree": measures(tree)}
    if args.before:
        with tempfile.TemporaryDirectory() as folder:
            columns = {
                args.before: measures(Tree(checked_out(args.before, Path(folder))))
            } | columns
    print("| measure |", " | ".join(columns), "|")
    print("|---" * (1 + len(columns)) + "|")
    for name in columns["this tree"]:
        print("|", name, "|", " | ".join(column.get(name, "-") for column in columns.values()), "|")
    if args.details:
        print("\nmodule cycles:", cycles(tree.imports()))
        print("package cycles:", cycles(tree.package_imports()))
        print("names twice:", *(f"\n  {n}: {w}" for n, w in tree.class_names().items()))
        print("longest functions:", *(f"\n  {n} {w}" for n, w in tree.functions("synthetic")[-12:]))
    found = missed(tree)
    if args.check:
        print(*(f"missed: {text}" for text in found), sep="\n")
    return int(args.check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
