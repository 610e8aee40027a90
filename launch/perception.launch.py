"""Starts the perception node: ros2 launch mtv_perception perception.launch.py image_topic:=/camera/image_raw"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ENVIRONMENT = {
    # By default Fast DDS drops nearly every best-effort camera image, because one is larger than its shared-memory
    # segment. Every process that sends or receives images needs this, the camera driver and viewers too.
    "FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA",
    # Keep the memory of large messages instead of giving it back to the kernel after each one: without the page faults
    # four 1280x720 cameras took 14% of a core instead of 46%.
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TOP_PAD_": "67108864",
    "MALLOC_TRIM_THRESHOLD_": "536870912",
}
# These override params_file, but only where they are given.
OVERRIDES = {"model": str, "autostart": bool, "use_sim_time": bool}


def arguments() -> list[DeclareLaunchArgument]:
    default_file = PathJoinSubstitution([FindPackageShare("mtv_perception"), "config", "perception.yaml"])
    return [
        DeclareLaunchArgument(
            "params_file", default_value=default_file, description="YAML file of parameters"
        ),
        DeclareLaunchArgument("namespace", default_value="", description="of the node and its topics"),
        DeclareLaunchArgument("image_topic", default_value="image", description="with transport:=raw"),
        DeclareLaunchArgument(
            "compressed_topic",
            default_value=[LaunchConfiguration("image_topic"), "/compressed"],
            description="with transport:=compressed",
        ),
        DeclareLaunchArgument("camera_info_topic", default_value="camera_info", description="of the camera"),
        DeclareLaunchArgument("model", default_value="", description="folder or name; overrides params_file"),
        DeclareLaunchArgument(
            "autostart", default_value="", description="true or false; overrides params_file"
        ),
        DeclareLaunchArgument("use_sim_time", default_value="", description="true or false"),
        DeclareLaunchArgument(
            "log_level", default_value="info", description="debug, info, warn, error or fatal"
        ),
        DeclareLaunchArgument(
            "respawn", default_value="false", description="start the node again when it ends unexpectedly"
        ),
    ]


def perception_node(context: LaunchContext) -> list[LifecycleNode]:
    given = {
        name: LaunchConfiguration(name) for name in OVERRIDES if LaunchConfiguration(name).perform(context)
    }
    overrides = {name: ParameterValue(value, value_type=OVERRIDES[name]) for name, value in given.items()}
    node = LifecycleNode(
        package="mtv_perception",
        executable="perception_node",
        name="perception",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), *([overrides] if overrides else [])],
        remappings=[
            ("image", LaunchConfiguration("image_topic")),
            ("image/compressed", LaunchConfiguration("compressed_topic")),
            ("camera_info", LaunchConfiguration("camera_info_topic")),
        ],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        respawn=LaunchConfiguration("respawn"),
        respawn_delay=2.0,
        output="screen",
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    environment = [
        SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=value))
        for name, value in ENVIRONMENT.items()
    ]
    return LaunchDescription([*environment, *arguments(), OpaqueFunction(function=perception_node)])
