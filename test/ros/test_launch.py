import asyncio
import importlib.util

import pytest

from mtv_perception.resources import SOURCE_ROOT

FILES = sorted((SOURCE_ROOT / "launch").glob("*.launch.py"))
file_of = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


@pytest.fixture
def launch():
    """ROS's launch; the folder of that name here is a namespace package without anything in it."""
    try:
        import launch_ros  # noqa: F401
        from launch import LaunchDescription  # noqa: F401
    except ImportError as error:
        pytest.skip(f"no ROS launch in this Python, it comes with a ROS distribution: {error}")
    import launch

    return launch


def load(path):
    spec = importlib.util.spec_from_file_location(path.name.partition(".")[0], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entities(launch, path, **arguments):
    """Everything a launch file would do, without starting a process."""
    from launch.actions import ExecuteProcess

    context = launch.LaunchContext()
    context.launch_configurations.update(arguments)
    found = []

    def visit(entity):
        found.append(entity)
        if not isinstance(entity, ExecuteProcess):
            for child in entity.visit(context) or []:
                visit(child)

    description = launch.LaunchDescription(
        [
            launch.actions.IncludeLaunchDescription(
                str(path), launch_arguments=[(name, value) for name, value in arguments.items()]
            )
        ]
    )
    asyncio.set_event_loop(asyncio.new_event_loop())
    for entity in description.entities:
        visit(entity)
    return context, found


def test_there_are_launch_files():
    assert {path.name for path in FILES} == {"perception.launch.py", "demo.launch.py"}


@file_of
def test_a_launch_file_compiles_and_says_how_it_is_used(path):
    text = path.read_text(encoding="utf-8")
    code = compile(text, path.name, "exec")
    assert "generate_launch_description" in code.co_names or "def generate_launch_description" in text
    assert f"ros2 launch mtv_perception {path.name}" in text


@file_of
def test_a_launch_file_builds_its_description(launch, path):
    assert isinstance(load(path).generate_launch_description(), launch.LaunchDescription)


def test_arguments_are_described_and_have_defaults(launch):
    path = SOURCE_ROOT / "launch" / "perception.launch.py"
    declared = {a.name: a for a in load(path).generate_launch_description().get_launch_arguments()}
    assert {"params_file", "namespace", "image_topic", "model", "log_level", "respawn"} <= set(declared)
    assert all(argument.default_value is not None and argument.description for argument in declared.values())


def test_the_transport_is_set_before_the_node_starts(launch, monkeypatch):
    monkeypatch.delenv("FASTDDS_BUILTIN_TRANSPORTS", raising=False)
    context, found = entities(
        launch, SOURCE_ROOT / "launch" / "perception.launch.py", params_file="unused.yaml"
    )
    names = [type(entity).__name__ for entity in found]
    assert names.index("SetEnvironmentVariable") < names.index("LifecycleNode")
    assert context.environment["FASTDDS_BUILTIN_TRANSPORTS"] == "LARGE_DATA"


def test_a_transport_that_is_set_already_stays(launch, monkeypatch):
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
    context, _ = entities(launch, SOURCE_ROOT / "launch" / "perception.launch.py", params_file="unused.yaml")
    assert context.environment["FASTDDS_BUILTIN_TRANSPORTS"] == "UDPv4"


@pytest.mark.parametrize(
    "given", [{}, {"model": "m"}, {"autostart": "false", "use_sim_time": "true", "model": "m"}]
)
def test_arguments_that_are_given_override_the_file(launch, given):
    _, found = entities(
        launch, SOURCE_ROOT / "launch" / "perception.launch.py", params_file="unused.yaml", **given
    )
    assert type(found[-1]).__name__ == "LifecycleNode"


def test_the_demo_starts_a_camera_and_the_perception_node(launch):
    _, found = entities(
        launch, SOURCE_ROOT / "launch" / "demo.launch.py", source="clip.mp4", params_file="unused.yaml"
    )
    assert [type(entity).__name__ for entity in found if type(entity).__name__.endswith("Node")] == [
        "LifecycleNode",
        "Node",
    ]
