#!/usr/bin/env bash
# Writes the hashed requirements from pyproject.toml and the pins: the versions that are in .venv.
#   requirements/robot.txt      what a robot needs beside ROS 2
#   requirements/robot-ros.txt  what of it ROS 2's distribution has no package for
#   requirements/robot-openvino.txt  the second engine, in addition
#   requirements/robot-bags.txt      recording and replaying bags, in addition
#   requirements/lock.txt       everything of `make setup`
#   requirements/no-deps-lock.txt   the same for requirements/no-deps.txt
# Needs uv (`pip install uv`), which asks the package index for every file's hash.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v "${UV:-uv}" >/dev/null || { echo "expected uv; install it with: pip install uv" >&2; exit 2; }
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
# Not setuptools, of which a venv begins with an older one than the build needs, and not docutils, whose
# newest version the documentation does not take.
.venv/bin/pip list --format=freeze | grep -E '^[A-Za-z0-9._-]+==' |
  grep -vE '^(mtv_perception|setuptools|docutils|[a-z_]+_msgs|vision-msgs|builtin_interfaces|rcl_|rclpy|rcutils|rmw_|rosidl_|ament_|type_desc)' >"$pins"

lock() {
  "${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-header -c requirements/constraints.txt -c "$pins" "$@"
  echo "$(grep -c '==' "${*: -1}") packages in ${*: -1}"
}

lock pyproject.toml --extra replay -o requirements/robot.txt
# NumPy stays the distribution's, for which its messages were built.
printf 'ai-edge-litert\nsimplejpeg\n' >requirements/robot-ros.in
lock requirements/robot-ros.in --no-emit-package numpy -o requirements/robot-ros.txt
rm requirements/robot-ros.in
echo openvino >requirements/robot-openvino.in
lock requirements/robot-openvino.in --no-emit-package numpy -o requirements/robot-openvino.txt
rm requirements/robot-openvino.in
printf 'rosbags\nmcap\nmcap-ros2-support\nzstandard\ntqdm\nrich\n' >requirements/robot-bags.in
lock requirements/robot-bags.in --no-emit-package numpy -o requirements/robot-bags.txt
rm requirements/robot-bags.in
lock pyproject.toml requirements/ros-wheels.txt \
  --extra train --extra synth --extra replay --extra dev --extra docs -o requirements/lock.txt
lock --no-deps requirements/no-deps.txt -o requirements/no-deps-lock.txt
