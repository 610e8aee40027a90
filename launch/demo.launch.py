"""A file as a camera, and the perception node: ros2 launch mtv_perception demo.launch.py source:=clip.mp4"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

REPLAY = {"source": str, "rate": float, "loop": bool, "frame_id": str, "encoding": str}


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("source", description="video, folder of images, or bag"),
            DeclareLaunchArgument("rate", default_value="10.0", description="images a second"),
            DeclareLaunchArgument(
                "loop", default_value="true", description="begin again at the end"
            ),
            DeclareLaunchArgument("frame_id", default_value="camera", description="of the images"),
            DeclareLaunchArgument(
                "encoding", default_value="bgr8", description="rgb8, bgr8 or mono8"
            ),
            # First, because it also sets the environment that the camera needs; its arguments are
            # this file's too.
            IncludeLaunchDescription(
                PathJoinSubstitution([ThisLaunchFileDir(), "perception.launch.py"])
            ),
            Node(
                package="mtv_perception",
                executable="image_replay_node",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    {
                        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                        for name, kind in REPLAY.items()
                    }
                ],
                remappings=[("image", LaunchConfiguration("image_topic"))],
                output="screen",
            ),
        ]
    )
