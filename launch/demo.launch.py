"""A file as a camera, and the perception node: ros2 launch mtv_perception demo.launch.py source:=clip.mp4"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from mtv_perception.ros.process.topics import compressed_of

REPLAY = {"source": str, "rate": float, "loop": bool, "frame_id": str, "encoding": str}


def replay_node(context: LaunchContext) -> list[Node]:
    if LaunchConfiguration("cameras").perform(context):
        raise RuntimeError("cameras: the demo has one camera, so expected none, got some.")
    image = LaunchConfiguration("image_topic").perform(context)
    given = LaunchConfiguration("compressed_topic").perform(context)
    compressed = given or compressed_of(image)
    wants_compressed = LaunchConfiguration("transport").perform(context) == "compressed"
    settings = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in REPLAY.items()
    }
    return [
        Node(
            package="mtv_perception",
            executable="image_replay_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[settings, {"compressed": wants_compressed}],
            remappings=[
                ("image", image),
                ("image/compressed", compressed),
                ("camera_info", LaunchConfiguration("camera_info_topic").perform(context)),
            ],
            output="screen",
        )
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("source", description="video, folder of images, or bag"),
            DeclareLaunchArgument("rate", default_value="10.0", description="images a second"),
            DeclareLaunchArgument(
                "loop",
                default_value="true",
                description="begin again at the end",
                choices=["true", "false", "True", "False"],
            ),
            DeclareLaunchArgument("frame_id", default_value="camera", description="of the images"),
            DeclareLaunchArgument(
                "encoding",
                default_value="bgr8",
                description="of the images",
                choices=["rgb8", "bgr8", "mono8"],
            ),
            # First, because it also sets the environment that the camera needs; its arguments are
            # this file's too, and a path that is known now lets --show-args list them.
            IncludeLaunchDescription(str(Path(__file__).with_name("perception.launch.py"))),
            OpaqueFunction(function=replay_node),
        ]
    )
