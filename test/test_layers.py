"""The arrows between the rooms of ARCHITECTURE.md, read from the source text: nothing is imported
here.
"""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "mtv_perception"

BASE = frozenset({"errors", "types", "config", "labels", "processes", "resources", "yaml_text"})
PERCEPTION = {"runtime", "visual"}
BAGS = {"media", "messages", "bags"}
RUNS = BAGS | {"replay", "compare"}
LEARNING = {"data", "metrics", "network", "plots"}
# What each room may import of ours, itself and BASE excepted. ARCHITECTURE.md has the same table.
ROOMS = {
    **{name: set() for name in BASE},
    "geometry": set(),
    "metrics": {"geometry"},
    "network": {"geometry"},
    "runtime": {"geometry"},
    "tracking": {"geometry"},
    "zones": {"geometry", "tracking"},
    "ranging": {"geometry"},
    "visual": {"geometry"},
    "media": {"geometry"},
    "messages": {"geometry", "runtime"},
    "bags": {"geometry", "media", "messages"},
    "replay": {"geometry"} | PERCEPTION | BAGS,
    "compare": {"geometry", "data", "replay"} | PERCEPTION | BAGS,
    "viewer": {"geometry"} | PERCEPTION | RUNS,
    "synthetic": {"geometry", "bags", "media", "messages"},
    "data": {"geometry", "media"},
    "plots": {"geometry", "metrics", "data"},
    "evaluation": {"geometry"} | PERCEPTION | LEARNING,
    "training": {"geometry", "evaluation"} | PERCEPTION | LEARNING,
    "export": {"geometry", "evaluation", "training"} | PERCEPTION | LEARNING,
    "fit": {"evaluation", "export", "media", "runtime", "training", "visual", "data"},
    "mining": {"geometry", "data", "media", "replay", "tracking"} | PERCEPTION,
    "testing": {"compare"},
    "pytest_plugin": {"replay", "runtime", "testing"},
    "ros": {"geometry", "tracking", "zones", "ranging", "viewer", "msg"} | PERCEPTION | RUNS,
    "demo": {"geometry", "ros"} | PERCEPTION | RUNS,
    "cli": {"geometry", "evaluation", "export", "fit", "mining", "ros", "synthetic", "training"}
    | {"viewer"}
    | PERCEPTION
    | RUNS
    | LEARNING,
}
FRAMEWORKS = frozenset({"tensorflow", "keras", "torch"})
OPENVINO_ENGINE = f"{PACKAGE}.runtime.backends.openvino"
MAY_TENSORFLOW = ("network", "data.pipeline", "training", "export")
ROS_PACKAGES = frozenset(
    {
        "rclpy",
        "rcl_interfaces",
        "builtin_interfaces",
        "tf2_ros",
        "cv_bridge",
        "launch",
        "launch_ros",
    }
)
ON_THE_ROBOT = (
    *("runtime", "media", "messages", "bags", "replay", "compare", "viewer"),
    *("ros", "zones", "tracking", "geometry", "visual"),
)


@dataclass(frozen=True)
class Import:
    """One imported module, seen from the room that imports it."""

    importer: str
    target: str
    line: int
    is_at_top: bool

    def __str__(self):
        return f"{self.importer.replace('.', '/')}.py:{self.line} imports {self.target}"


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
TREES = {
    name: ast.parse(path.read_text(encoding="utf-8"), str(path)) for name, path in SOURCES.items()
}


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def targets_of(node):
    """Modules an import statement names; `from package import module` names the module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    return [f"{base}.{a.name}" if f"{base}.{a.name}" in SOURCES else base for a in node.names]


def imports_of(name):
    def visit(node, is_at_top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                yield from (
                    Import(name, t, child.lineno, is_at_top)
                    for t in dict.fromkeys(targets_of(child))
                )
            elif not is_type_checking(child):
                inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from visit(child, is_at_top and not inside)

    return list(visit(TREES[name], True))


IMPORTS = [found for name in SOURCES for found in imports_of(name)]


def room(name):
    """The part of the package a module belongs to; '' is the package itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def inner(name):
    return name.removeprefix(f"{PACKAGE}.")


def lies_in(name, places):
    return any(inner(name) == place or inner(name).startswith(f"{place}.") for place in places)


def ours():
    return [i for i in IMPORTS if i.target.split(".")[0] == PACKAGE]


def text(imports):
    return "\n".join(map(str, imports))


def test_every_room_has_its_place():
    assert sorted({room(name) for name in SOURCES} - {""} - set(ROOMS)) == []


def architecture_table():
    """Room by room what ARCHITECTURE.md says that it may import."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \| [^|]+ \| ([^|]*) \|$", page, re.MULTILINE)

    def names(cell):
        return re.findall(r"`(\w+)/?`", cell)

    return {room: set(names(allowed)) for rooms, allowed in rows for room in names(rooms)}


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_the_architecture_says_the_same(name):
    allowed = ", ".join(f"`{other}`" for other in sorted(ROOMS[name]))

    assert architecture_table().get(name) == ROOMS[name], f"The row of {name} ends: | {allowed} |"


def test_the_architecture_names_no_room_that_is_not_there():
    assert set(architecture_table()) == set(ROOMS)


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_a_room_imports_only_what_lies_below_it(name):
    wrong = [
        i
        for i in ours()
        if room(i.importer) == name and room(i.target) not in ROOMS[name] | BASE | {name, ""}
    ]

    assert not wrong, text(wrong)


def test_no_import_is_relative():
    relative = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert relative == []


def test_geometry_needs_numpy_and_opencv_alone():
    allowed = {PACKAGE, "numpy", "cv2", *sys.stdlib_module_names}
    foreign = [
        i
        for i in IMPORTS
        if room(i.importer) == "geometry" and i.target.split(".")[0] not in allowed
    ]

    assert not foreign, text(foreign)


def test_the_runtime_needs_what_a_robot_has():
    allowed = {PACKAGE, "numpy", "cv2", "yaml", "ai_edge_litert", *sys.stdlib_module_names}
    foreign = [
        i
        for i in IMPORTS
        if room(i.importer) in BASE | {"runtime"}
        and i.target.split(".")[0] not in allowed
        # The optional engine: its module alone, and only once it is asked for.
        and (i.importer, i.target, i.is_at_top) != (OPENVINO_ENGINE, "openvino", False)
        # Of the extra `signing`; only where a signature is asked for.
        and (i.target.split(".")[0], i.is_at_top) != ("cryptography", False)
    ]

    assert not foreign, text(foreign)


def test_tensorflow_stays_in_its_rooms():
    wrong = [
        i
        for i in IMPORTS
        if i.target.split(".")[0] in FRAMEWORKS and not lies_in(i.importer, MAY_TENSORFLOW)
    ]

    assert not wrong, text(wrong)


def is_of_ros(target):
    package = target.split(".")[0]
    return package in ROS_PACKAGES or package.endswith(("_msgs", "_srvs"))


def test_rclpy_and_messages_stay_in_ros():
    wrong = [
        i
        for i in IMPORTS
        if (is_of_ros(i.target) or lies_in(i.target, ["msg"])) and room(i.importer) != "ros"
    ]

    assert not wrong, text(wrong)


def reached_from(start):
    """Every module that importing one module imports, with the way there."""
    ways, queue = {start: (start,)}, [start]
    while queue:
        name = queue.pop()
        packages = [".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)]
        direct = [i.target for i in imports_of(name) if i.is_at_top] if name in SOURCES else []
        for target in (*packages, *direct):
            if target not in ways:
                ways[target] = (*ways[name], target)
                queue.append(target)
    return ways


@pytest.mark.parametrize("name", [name for name in SOURCES if lies_in(name, ON_THE_ROBOT)])
def test_importing_what_runs_on_the_robot_does_not_import_tensorflow(name):
    ways = reached_from(name)

    assert [
        " -> ".join(way) for target, way in ways.items() if target.split(".")[0] in FRAMEWORKS
    ] == []


@pytest.mark.parametrize(
    "name",
    [
        "inputs",
        "initial",
        "losses.multitask",
        "runs.provenance",
        "schedule",
        "state",
        "update",
        "losses.weighting",
    ],
)
def test_what_trains_on_any_backend_does_not_import_tensorflow(name):
    ways = reached_from(f"{PACKAGE}.training.{name}")

    assert [
        " -> ".join(way) for target, way in ways.items() if target.split(".")[0] == "tensorflow"
    ] == []


@pytest.mark.parametrize("name", ["demo.main", "ros.process.processes", "cli.main"])
def test_what_starts_processes_does_not_import_rclpy(name):
    ways = reached_from(f"{PACKAGE}.{name}")

    assert [" -> ".join(way) for target, way in ways.items() if is_of_ros(target)] == []


def test_no_modules_import_each_other_in_a_circle():
    """Imports inside of functions count, too: they are how circles hide."""
    edges = {name: {i.target for i in imports_of(name) if i.target in SOURCES} for name in SOURCES}
    done, circles = set(), []

    def visit(name, way):
        if name in way:
            circles.append(" -> ".join([*way[way.index(name) :], name]))
        elif name not in done:
            for target in sorted(edges[name]):
                # A package is imported with each of its modules, which is no circle.
                if not name.startswith(f"{target}."):
                    visit(target, [*way, name])
            done.add(name)

    for name in SOURCES:
        visit(name, [])
    assert circles == []


def nodes(kind):
    return [
        (name, node)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, kind)
    ]


def test_no_exception_is_caught_without_a_name():
    assert [
        f"{name}:{node.lineno}" for name, node in nodes(ast.ExceptHandler) if node.type is None
    ] == []


def tells_the_type_checker(node):
    """`assert x is not None`, where the type checker can't know."""
    test = node.test
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.IsNot)
        and ast.unparse(test.comparators[0]) == "None"
    )


def test_input_is_not_checked_by_assert():
    """`python -O` removes them. What is written for tests (testing/) asserts by trade."""
    found = [
        f"{name}:{node.lineno}"
        for name, node in nodes(ast.Assert)
        if room(name) != "testing" and not tells_the_type_checker(node)
    ]

    assert found == []


def test_there_is_no_drawer_of_utilities():
    assert [
        name
        for name in SOURCES
        if name.split(".")[-1] in {"utils", "util", "helpers", "common", "misc"}
    ] == []


def test_every_module_says_what_it_is_for():
    assert [
        name for name, tree in TREES.items() if TREES[name].body and not ast.get_docstring(tree)
    ] == []
