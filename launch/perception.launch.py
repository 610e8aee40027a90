"""Starts the perception node: ros2 launch mtv_perception perception.launch.py image_topic:=/camera/image_raw

With zones:=/etc/mtv-perception/zones.yaml the zones node too.
"""

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

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
OVERRIDES = {"model": str, "autostart": bool, "use_sim_time": bool}


def arguments() -> list[DeclareLaunchArgument]:
    default_file = PathJoinSubstitution(
        [FindPackageShare("mtv_perception"), "config", "perception.yaml"]
    )
    return [
        DeclareLaunchArgument(
            "params_file", default_value=default_file, description="YAML file of parameters"
        ),
        DeclareLaunchArgument(
            "namespace", default_value="", description="of the node and its topics"
        ),
        DeclareLaunchArgument(
            "image_topic", default_value="image", description="with transport:=raw"
        ),
        DeclareLaunchArgument(
            "compressed_topic",
            default_value=[LaunchConfiguration("image_topic"), "/compressed"],
            description="with transport:=compressed",
        ),
        DeclareLaunchArgument(
            "camera_info_topic", default_value="camera_info", description="of the camera"
        ),
        DeclareLaunchArgument(
            "model", default_value="", description="folder or name; overrides params_file"
        ),
        DeclareLaunchArgument(
            "autostart", default_value="", description="true or false; overrides params_file"
        ),
        DeclareLaunchArgument("use_sim_time", default_value="", description="true or false"),
        DeclareLaunchArgument(
            "log_level", default_value="info", description="debug, info, warn, error or fatal"
        ),
        DeclareLaunchArgument(
            "zones",
            default_value="",
            description="zones file for the zones node; empty: no zones node",
        ),
        DeclareLaunchArgument(
            "respawn",
            default_value="false",
            description="start a node again when it ends unexpectedly",
        ),
        DeclareLaunchArgument(
            "respawn_delay", default_value="2.0", description="seconds before it is started again"
        ),
    ]


def shared(context: LaunchContext) -> dict[str, Any]:
    """What both nodes are started with."""
    return {
        "package": "mtv_perception",
        "namespace": LaunchConfiguration("namespace"),
        "ros_arguments": ["--log-level", LaunchConfiguration("log_level")],
        "respawn": LaunchConfiguration("respawn"),
        "respawn_delay": float(LaunchConfiguration("respawn_delay").perform(context)),
        "output": "screen",
    }


def given(context: LaunchContext, kinds: dict[str, type]) -> list[dict[str, ParameterValue]]:
    """The parameters of those launch arguments that are not empty."""
    values = {name: LaunchConfiguration(name) for name in kinds}
    found = {
        name: ParameterValue(value, value_type=kinds[name])
        for name, value in values.items()
        if value.perform(context)
    }
    return [found] if found else []


def perception_node(context: LaunchContext) -> LifecycleNode:
    return LifecycleNode(
        executable="perception_node",
        name="perception",
        parameters=[LaunchConfiguration("params_file"), *given(context, OVERRIDES)],
        remappings=[
            ("image", LaunchConfiguration("image_topic")),
            ("image/compressed", LaunchConfiguration("compressed_topic")),
            ("camera_info", LaunchConfiguration("camera_info_topic")),
        ],
        **shared(context),
    )


def zones_node(context: LaunchContext) -> Node:
    file = ParameterValue(LaunchConfiguration("zones"), value_type=str)
    return Node(
        executable="zones_node",
        name="zones",
        parameters=[{"zones_file": file}, *given(context, {"use_sim_time": bool})],
        remappings=[("camera_info", LaunchConfiguration("camera_info_topic"))],
        **shared(context),
    )


def nodes(context: LaunchContext) -> list[Node]:
    wants_zones = bool(LaunchConfiguration("zones").perform(context))
    return [perception_node(context), *([zones_node(context)] if wants_zones else [])]


def generate_launch_description() -> LaunchDescription:
    environment = [
        SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=value))
        for name, value in ENVIRONMENT.items()
    ]
    return LaunchDescription([*environment, *arguments(), OpaqueFunction(function=nodes)])
