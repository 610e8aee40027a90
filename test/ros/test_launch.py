import asyncio
import importlib.util

import pytest

from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.middleware import FASTDDS_TRANSPORT

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

    # The package itself need not be installed where launch is.
    arguments.setdefault("params_file", str(SOURCE_ROOT / "config" / "perception.yaml"))
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
    assert (
        "generate_launch_description" in code.co_names or "def generate_launch_description" in text
    )
    assert f"ros2 launch mtv_perception {path.name}" in text


@file_of
def test_a_launch_file_builds_its_description(launch, path):
    assert isinstance(load(path).generate_launch_description(), launch.LaunchDescription)


def test_arguments_are_described_and_have_defaults(launch):
    path = SOURCE_ROOT / "launch" / "perception.launch.py"
    declared = {a.name: a for a in load(path).generate_launch_description().get_launch_arguments()}
    names = {
        "params_file",
        "namespace",
        "image_topic",
        "model",
        "log_level",
        "zones",
        "ranging",
        "respawn",
        "respawn_delay",
    }
    assert names <= set(declared)
    assert all(
        argument.default_value is not None and argument.description
        for argument in declared.values()
    )


def test_the_transport_is_set_before_the_node_starts(launch, monkeypatch):
    monkeypatch.delenv("FASTDDS_BUILTIN_TRANSPORTS", raising=False)
    context, found = entities(launch, SOURCE_ROOT / "launch" / "perception.launch.py")
    names = [type(entity).__name__ for entity in found]
    assert names.index("SetEnvironmentVariable") < names.index("LifecycleNode")
    assert context.environment["FASTDDS_BUILTIN_TRANSPORTS"] == FASTDDS_TRANSPORT


def test_a_transport_that_is_set_already_stays(launch, monkeypatch):
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
    context, _ = entities(launch, SOURCE_ROOT / "launch" / "perception.launch.py")
    assert context.environment["FASTDDS_BUILTIN_TRANSPORTS"] == "UDPv4"


@pytest.mark.parametrize(
    "given", [{}, {"model": "m"}, {"autostart": "false", "use_sim_time": "true", "model": "m"}]
)
def test_arguments_that_are_given_override_the_file(launch, given):
    _, found = entities(launch, SOURCE_ROOT / "launch" / "perception.launch.py", **given)
    assert type(found[-1]).__name__ == "LifecycleNode"


def started(found):
    """The nodes among entities: executable, and what they are started with."""
    return {
        str(entity.node_executable): entity
        for entity in found
        if type(entity).__name__ in ("Node", "LifecycleNode")
    }


@pytest.mark.parametrize("given", [{}, {"zones": ""}])
def test_without_a_zones_file_there_is_no_zones_node(launch, given):
    _, found = entities(launch, SOURCE_ROOT / "launch" / "perception.launch.py", **given)
    assert set(started(found)) == {"perception_node"}


@pytest.mark.parametrize("given, expected", [({}, False), ({"ranging": "true"}, True)])
def test_the_ranging_node_starts_where_it_is_asked_for(launch, given, expected):
    _, found = entities(launch, SOURCE_ROOT / "launch" / "perception.launch.py", **given)
    assert ("ranging_node" in started(found)) == expected


def test_a_zones_file_starts_the_zones_node_in_the_same_namespace(launch, tmp_path):
    from launch_ros.utilities import evaluate_parameters

    path = SOURCE_ROOT / "launch" / "perception.launch.py"
    (tmp_path / "zones.yaml").touch()
    given = {"zones": str(tmp_path / "zones.yaml"), "namespace": "robot_7", "use_sim_time": "true"}
    context, found = entities(launch, path, **given)
    node = started(found)["zones_node"]
    assert node._Node__node_namespace.perform(context) == "robot_7"
    assert evaluate_parameters(context, node._Node__parameters) == (
        {"zones_file": given["zones"]},
        {"use_sim_time": True},
    )


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("/**", False),
        ("perception", False),
        ("zones", True),
        ("robot_7/zones", True),
        ("zone", True),
    ],
)
def test_the_zones_node_reads_a_parameters_file_that_names_it(launch, tmp_path, key, read):
    from launch_ros.utilities import evaluate_parameters

    file, zones = tmp_path / "params.yaml", tmp_path / "zones.yaml"
    file.write_text(f"{key}: {{ros__parameters: {{base_frame: map}}}}\n")
    zones.touch()
    path = SOURCE_ROOT / "launch" / "perception.launch.py"
    context, found = entities(launch, path, params_file=str(file), zones=str(zones))
    first, *rest = evaluate_parameters(context, started(found)["zones_node"]._Node__parameters)
    assert (str(first) == str(file)) == read
    assert ({"zones_file": str(zones)} in rest) == read


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("/**: {ros__parameters: {use_sim_time: true}}", {}, [True]),
        ("/**: {ros__parameters: {use_sim_time: false}}", {}, [False]),
        ("/robot_7/*: {ros__parameters: {use_sim_time: true}}", {"namespace": "robot_7"}, [True]),
        ("/robot_7/*: {ros__parameters: {use_sim_time: true}}", {}, []),
        ("perception: {ros__parameters: {use_sim_time: true}}", {}, []),
        ("/**: {ros__parameters: {model: m}}", {}, []),
        ("/**: {ros__parameters: {use_sim_time: true}}", {"use_sim_time": "false"}, [True, False]),
    ],
)
def test_all_nodes_take_the_clock_of_a_parameters_file_for_every_node(
    launch, tmp_path, text, given, expected
):
    from launch_ros.utilities import evaluate_parameters

    file, zones = tmp_path / "params.yaml", tmp_path / "zones.yaml"
    file.write_text(text)
    zones.touch()
    path = SOURCE_ROOT / "launch" / "perception.launch.py"
    given = {"params_file": str(file), "zones": str(zones), "rviz": "true", **given}
    context, found = entities(launch, path, **given)
    for name in ("zones_node", "rviz2"):
        parameters = evaluate_parameters(context, started(found)[name]._Node__parameters or [])
        clocks = [item["use_sim_time"] for item in parameters if "use_sim_time" in item]
        assert clocks == expected, name


@pytest.mark.parametrize(
    ("given", "respawn", "delay"),
    [({}, "false", 2.0), ({"respawn": "true", "respawn_delay": "0.5"}, "true", 0.5)],
)
def test_both_nodes_are_respawned_where_that_is_asked_for(launch, tmp_path, given, respawn, delay):
    (tmp_path / "zones.yaml").touch()
    path = SOURCE_ROOT / "launch" / "perception.launch.py"
    context, found = entities(launch, path, zones=str(tmp_path / "zones.yaml"), **given)
    nodes = started(found)
    assert set(nodes) == {"perception_node", "zones_node"}
    for node in nodes.values():
        asked = node._ExecuteLocal__respawn
        assert "".join(part.perform(context) for part in asked) == respawn
        assert node._ExecuteLocal__respawn_delay == delay


PERCEPTION = SOURCE_ROOT / "launch" / "perception.launch.py"


def parameters_given(context, node):
    from launch_ros.utilities import evaluate_parameters

    found = {}
    for part in evaluate_parameters(context, node._Node__parameters):
        found |= part if isinstance(part, dict) else {}
    return found


def remapped(context, node):
    from launch.utilities import perform_substitutions as text

    return {text(context, a): text(context, b) for a, b in node._Node__remappings}


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_the_transport_is_handed_on(launch, transport):
    context, found = entities(launch, PERCEPTION, transport=transport, image_topic="/c/image")
    node = started(found)["perception_node"]
    assert parameters_given(context, node)["transport"] == transport
    assert remapped(context, node)["image/compressed"] == "/c/image/compressed"


@pytest.mark.parametrize(
    ("cameras", "names", "topics"),
    [
        ("front", ["front"], {}),
        (
            "front=/a/image_raw, rear=/b/rgb/compressed",
            ["front", "rear"],
            {
                "front/image": "/a/image_raw",
                "front/image/compressed": "/a/image_raw/compressed",
                "front/camera_info": "/a/camera_info",
                "rear/image": "/b/rgb",
                "rear/image/compressed": "/b/rgb/compressed",
                "rear/camera_info": "/b/camera_info",
            },
        ),
        (
            "front=image_raw",
            ["front"],
            {
                "front/image": "image_raw",
                "front/image/compressed": "image_raw/compressed",
                "front/camera_info": "camera_info",
            },
        ),
    ],
)
def test_several_cameras_are_named_and_remapped_for_both_nodes(
    launch, tmp_path, cameras, names, topics
):
    zones = tmp_path / "zones.yaml"
    zones.touch()
    context, found = entities(launch, PERCEPTION, cameras=cameras, zones=str(zones))
    nodes = started(found)
    assert tuple(parameters_given(context, nodes["perception_node"])["cameras"]) == tuple(names)
    assert remapped(context, nodes["perception_node"]) == topics
    assert remapped(context, nodes["zones_node"]) == topics


def test_rviz_follows_the_topics(launch):
    context, found = entities(launch, PERCEPTION, rviz="true", image_topic="/c/image")
    node = started(found)["rviz2"]
    assert remapped(context, node)["image"] == "/c/image"
    _, found = entities(launch, PERCEPTION)
    assert set(started(found)) == {"perception_node"}


@pytest.mark.parametrize(
    "given",
    [
        {"transport": "rawish"},
        {"autostart": "maybe"},
        {"use_sim_time": "2"},
        {"log_level": "shout"},
        {"rviz": "yes please"},
        {"respawn": "often"},
        {"respawn_delay": "soon"},
        {"respawn_delay": "-1"},
        {"respawn_delay": "nan"},
        {"cameras": "a=/x,a=/y"},
        {"cameras": "a=/x,b=/x/compressed"},
        {"cameras": "front cam=/x"},
        {"cameras": "front=/x", "image_topic": "/y"},
        {"cameras": "front=/x", "camera_info_topic": "/y"},
        {"cameras": "front=/x,rear=/y", "ranging": "true"},
        {"params_file": "/no/such/file.yaml"},
        {"zones": "/no/such/file.yaml"},
    ],
    ids=str,
)
def test_an_argument_that_can_not_work_is_refused_by_name(launch, given):
    with pytest.raises(RuntimeError, match=next(iter(given)) if len(given) == 1 else ".*"):
        entities(launch, PERCEPTION, **given)


def test_the_demo_lists_the_arguments_of_both_files(launch):
    demo = load(SOURCE_ROOT / "launch" / "demo.launch.py").generate_launch_description()
    both = {argument.name for argument in demo.get_launch_arguments()}
    own = {a.name for a in load(PERCEPTION).generate_launch_description().get_launch_arguments()}
    assert own < both and "source" in both


@pytest.mark.parametrize("transport", ["raw", "compressed"])
@pytest.mark.parametrize("image_topic", ["/c/image", "/c/image/compressed"])
def test_the_demo_publishes_what_the_node_listens_to(launch, transport, image_topic):
    context, found = entities(
        launch,
        SOURCE_ROOT / "launch" / "demo.launch.py",
        source="a.mp4",
        transport=transport,
        image_topic=image_topic,
    )
    camera = started(found)["image_replay_node"]
    assert parameters_given(context, camera)["compressed"] is (transport == "compressed")
    theirs = remapped(context, started(found)["perception_node"])
    assert remapped(context, camera).items() <= theirs.items()


def test_the_demo_starts_a_camera_and_the_perception_node(launch):
    _, found = entities(
        launch,
        SOURCE_ROOT / "launch" / "demo.launch.py",
        source="clip.mp4",
    )
    assert [
        type(entity).__name__ for entity in found if type(entity).__name__.endswith("Node")
    ] == [
        "LifecycleNode",
        "Node",
    ]
