"""Starts the perception node: ros2 launch mtv_perception perception.launch.py image_topic:=/camera/image_raw

With zones:=/etc/mtv-perception/zones.yaml the zones node too, with rviz:=true also rviz2. Several
cameras: cameras:=front=/front/image_raw,rear=/rear/image_raw
"""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.logging import get_logger
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from mtv_perception.ros.process.params_file import read_params_file
from mtv_perception.ros.process.topics import compressed_of

ENVIRONMENT = {
    # By default Fast DDS drops nearly every best-effort camera image, because one is larger than
    # the sender's shared-memory segment. Every process that sends images needs this, the camera
    # driver too.
    "FASTDDS_BUILTIN_TRANSPORTS": "DEFAULT?sockets_size=8MB",
    # Keep the memory of large messages instead of giving it back to the kernel after each one:
    # without the page faults four 1280x720 cameras took 14% of a core instead of 46%.
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TOP_PAD_": "67108864",
    "MALLOC_TRIM_THRESHOLD_": "536870912",
}
# These override params_file, but only where they are given.
OVERRIDES = {"model": str, "transport": str, "autostart": bool, "use_sim_time": bool}
SWITCH = ["true", "false", "True", "False"]
SHARE = FindPackageShare("mtv_perception")
# Arguments of a single camera, which say nothing about one of several.
SINGLE = {"image_topic": "image", "compressed_topic": "", "camera_info_topic": "camera_info"}


def arguments() -> list[DeclareLaunchArgument]:
    def declare(name: str, default: Any, text: str, choices: list[str] | None = None) -> None:
        found.append(
            DeclareLaunchArgument(name, default_value=default, description=text, choices=choices)
        )

    found: list[DeclareLaunchArgument] = []
    parameters = PathJoinSubstitution([SHARE, "config", "perception.yaml"])
    layout = PathJoinSubstitution([SHARE, "config", "perception.rviz"])
    levels = ["debug", "info", "warn", "error", "fatal"]
    over = "overrides params_file where given"
    declare("params_file", parameters, "YAML file of parameters")
    declare("namespace", "", "of the nodes and their topics")
    declare("image_topic", SINGLE["image_topic"], "topic of the camera's images")
    declare("compressed_topic", "", "with transport:=compressed; default: image_topic/compressed")
    declare("camera_info_topic", SINGLE["camera_info_topic"], "topic of the camera's calibration")
    declare(
        "cameras",
        "",
        "several cameras: NAME=IMAGE_TOPIC,NAME=IMAGE_TOPIC ..., or names only; each calibration "
        "is camera_info beside its images",
    )
    declare("transport", "", f"raw or compressed; {over}", ["", "raw", "compressed"])
    declare("model", "", f"folder or name; {over}")
    declare("autostart", "", f"without a lifecycle manager; {over}", ["", *SWITCH])
    declare("use_sim_time", "", "follow /clock", ["", *SWITCH])
    declare("log_level", "info", "of the nodes' loggers", levels)
    declare("zones", "", "zones file for the zones node; empty: no zones node")
    declare("ranging", "false", "put detections into metres with ranging_node", SWITCH)
    declare("rviz", "false", "show the results in rviz2", SWITCH)
    declare("rviz_config", layout, "layout that rviz2 opens")
    declare("respawn", "false", "start a node again when it ends unexpectedly", SWITCH)
    declare("respawn_delay", "2.0", "seconds before it is started again")
    return found


def text_of(context: LaunchContext, name: str) -> str:
    return LaunchConfiguration(name).perform(context)


def seconds_of(context: LaunchContext, name: str) -> float:
    text = text_of(context, name)
    try:
        if 0 <= float(text) < float("inf"):
            return float(text)
    except ValueError:
        pass
    raise RuntimeError(f"{name}: expected seconds from 0 on, got '{text}'.")


def cameras_of(context: LaunchContext) -> dict[str, str]:
    """Image topic by camera name; no topic where only the name was given."""
    given = text_of(context, "cameras")
    if not given:
        return {}
    pairs = [item.strip().partition("=")[::2] for item in given.split(",")]
    found = dict(pairs)
    if len(found) < len(pairs) or not all(map(re.compile(r"[A-Za-z]\w*").fullmatch, found)):
        raise RuntimeError(
            "cameras: expected NAME=IMAGE_TOPIC,NAME=IMAGE_TOPIC with different names of letters, "
            f"digits and '_', got '{given}'."
        )
    topics = [topic.removesuffix("/compressed") for topic in found.values() if topic]
    if len(set(topics)) < len(topics):
        raise RuntimeError(
            f"cameras: expected an image topic of its own for each camera, got '{given}'."
        )
    single = [name for name, default in SINGLE.items() if text_of(context, name) != default]
    if single:
        raise RuntimeError(
            f"{single[0]}: expected no such argument beside cameras:={given}; "
            "write the topics there: NAME=IMAGE_TOPIC."
        )
    return found


def remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """From the nodes' input topics to the cameras'."""
    cameras = cameras_of(context)
    if not cameras:
        image = text_of(context, "image_topic")
        return [
            ("image", image),
            ("image/compressed", text_of(context, "compressed_topic") or compressed_of(image)),
            ("camera_info", text_of(context, "camera_info_topic")),
        ]
    found = []
    for name, topic in cameras.items():
        if topic:
            image = topic.removesuffix("/compressed")
            found += [
                (f"{name}/image", image),
                (f"{name}/image/compressed", compressed_of(topic)),
                (f"{name}/camera_info", f"{image[: image.rfind('/') + 1]}camera_info"),
            ]
    return found


def shared(context: LaunchContext) -> dict[str, Any]:
    """What all nodes are started with."""
    return {
        "namespace": LaunchConfiguration("namespace"),
        "remappings": remappings(context),
        "output": "screen",
    }


def supervised(context: LaunchContext) -> dict[str, Any]:
    """What this package's nodes are started with."""
    return {
        **shared(context),
        "package": "mtv_perception",
        "ros_arguments": ["--log-level", LaunchConfiguration("log_level")],
        "respawn": LaunchConfiguration("respawn"),
        "respawn_delay": seconds_of(context, "respawn_delay"),
    }


def given(context: LaunchContext, kinds: dict[str, type]) -> list[dict[str, Any]]:
    """The parameters of those launch arguments that are not empty."""
    found: dict[str, Any] = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in kinds.items()
        if text_of(context, name)
    }
    return [found] if found else []


def perception_node(context: LaunchContext) -> LifecycleNode:
    cameras = list(cameras_of(context))
    return LifecycleNode(
        executable="perception_node",
        name="perception",
        parameters=[
            LaunchConfiguration("params_file"),
            *given(context, OVERRIDES),
            *([{"cameras": cameras}] if cameras else []),
        ],
        **supervised(context),
    )


def sim_time(context: LaunchContext, node: str) -> list[dict[str, Any]]:
    """What the params_file says of use_sim_time for a node that reads nothing else of it."""
    file = read_params_file(Path(text_of(context, "params_file")))
    namespace = text_of(context, "namespace").strip("/")
    found = file.sim_time(f"/{namespace}/{node}" if namespace else f"/{node}")
    return [] if found is None else [{"use_sim_time": found}]


def zones_params_file(context: LaunchContext) -> list[Any]:
    """The params_file, if it has settings of a node other than perception and ranging.

    A misspelt name of the zones node counts, so that the node warns of it. Settings of every node
    (/**) do not count, but for use_sim_time: the package's own file has those of perception there.
    """
    keys = read_params_file(Path(text_of(context, "params_file"))).keys
    named = {key.rpartition("/")[2] for key in keys} - {"**", "*", "perception", "ranging"}
    return [LaunchConfiguration("params_file")] if named else sim_time(context, "zones")


def zones_node(context: LaunchContext) -> Node:
    file = ParameterValue(LaunchConfiguration("zones"), value_type=str)
    return Node(
        executable="zones_node",
        name="zones",
        parameters=[
            *zones_params_file(context),
            {"zones_file": file},
            *given(context, {"use_sim_time": bool}),
        ],
        **supervised(context),
    )


def ranging_node(context: LaunchContext) -> Node:
    return Node(
        executable="ranging_node",
        name="ranging",
        parameters=[LaunchConfiguration("params_file"), *given(context, {"use_sim_time": bool})],
        **supervised(context),
    )


def rviz_node(context: LaunchContext) -> Node:
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", LaunchConfiguration("rviz_config")],
        parameters=[*sim_time(context, "rviz2"), *given(context, {"use_sim_time": bool})],
        **shared(context),
    )


def check(context: LaunchContext) -> None:
    """Refuse a file that is not there, which launch would leave out.

    And tell misspelt arguments.
    """
    for name in ("params_file", "zones"):
        file = text_of(context, name)
        if file and not Path(file).is_file():
            raise RuntimeError(f"{name}: expected a file, found none at '{file}'.")
    if text_of(context, "ranging").lower() == "true" and cameras_of(context):
        raise RuntimeError(
            "ranging: expected one camera, got several by cameras:=; start a ranging_node for each "
            "in its namespace: docs/how-to/several-cameras.md."
        )
    known = [argument.name for argument in arguments()]
    for name in set(context.launch_configurations) - set(known):
        if near := get_close_matches(name, known, 1, 0.8):
            get_logger("launch").warning(f"'{name}' is no argument here; perhaps '{near[0]}'?")


def nodes(context: LaunchContext) -> list[Node]:
    check(context)
    found: list[Node] = [perception_node(context)]
    if text_of(context, "zones"):
        found.append(zones_node(context))
    if text_of(context, "ranging").lower() == "true":
        found.append(ranging_node(context))
    if text_of(context, "rviz").lower() == "true":
        found.append(rviz_node(context))
    return found


def generate_launch_description() -> LaunchDescription:
    environment = [
        SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=value))
        for name, value in ENVIRONMENT.items()
    ]
    return LaunchDescription([*environment, *arguments(), OpaqueFunction(function=nodes)])
