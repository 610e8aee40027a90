#!/usr/bin/env bash
# Builds the package with colcon as a robot would, with and without --symlink-install, in build/colcon-*, and imports a
# module and a message from each. MTV_CHECK_MODULE names the module (by default mtv_perception.types).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ -e .venv/mtv-message-key ] || { echo "There is no complete .venv yet. Run: make setup" >&2; exit 1; }
# shellcheck source=scripts/env.sh
. scripts/env.sh
root=$PWD
venv=$root/.venv
module=${MTV_CHECK_MODULE:-mtv_perception.types}
jobs=$(nproc)

# The clean environment of a robot's shell, with the ROS 2 of .venv or the one that is sourced.
if [ "$(cat .venv/mtv-ros)" = system ]; then
  clean=(env "PATH=$venv/bin:$PATH")
else
  tools=$(dirname "$(command -v cmake)"):$(dirname "$(command -v ninja)"):$(dirname "$(command -v g++)")
  clean=(env -i "HOME=$HOME" "PATH=$venv/bin:$tools:/usr/bin:/bin" "CMAKE_PREFIX_PATH=$venv" "AMENT_PREFIX_PATH=$venv")
fi

# Run in the sourced install. Libraries are looked for in the install first, then beside the ROS 2 of .venv; the wheels
# would otherwise set the path themselves, in no particular order.
import_from_install='
set -e
source "$1/setup.bash"
cd /
export LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$2/lib:$(echo "$2"/lib/python3*/site-packages/ros_*.libs | tr " " ":")"
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
exec "$2/bin/python" - "$1" "$3" <<"EOF"
import importlib, pathlib, sys
import mtv_perception
from mtv_perception.msg import PerceptionStatus
from rclpy.serialization import deserialize_message, serialize_message

install, name = sys.argv[1:]
status = PerceptionStatus(model_id="check", received=3)
assert deserialize_message(serialize_message(status), PerceptionStatus) == status
libraries = {line.split()[-1] for line in open("/proc/self/maps") if "libmtv_perception__" in line}
assert libraries, "no message library was loaded"
assert mtv_perception.__version__, "the generated __init__.py was installed over ours"
module = importlib.import_module(name)
message = sys.modules[PerceptionStatus.__module__]
for path in (mtv_perception.__file__, module.__file__, message.__file__):
    assert pathlib.Path(path).is_relative_to(install), f"{path} does not come from {install}"
for path in libraries:  # with --symlink-install, links to the build folder
    assert pathlib.Path(path).is_relative_to(pathlib.Path(install).parent), f"{path} does not come from {install}"
share = pathlib.Path(install, "share", "mtv_perception")
for path in ("launch/perception.launch.py", "config/zones.yaml", "deploy/mtv-perception.service", "models/warehouse"):
    assert (share / path).exists(), f"{path} was not installed in {share}"
print(f"{name}: {module.__file__}")
EOF
'

# check KIND COLCON_OPTION...
check() {
  local kind=$1 base=$root/build/colcon-$1
  shift
  rm -rf "$base"
  mkdir -p "$base"
  if ! MAKEFLAGS="-j$jobs" "${clean[@]}" colcon --log-base "$base/log" build --base-paths "$root" --packages-select mtv_perception \
    --build-base "$base/build" --install-base "$base/install" --merge-install --event-handlers console_direct+ "$@" \
    --cmake-args -G Ninja -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python" \
    "-DCMAKE_PROJECT_INCLUDE=$root/cmake/ros_wheels_fix.cmake" >"$base/output.log" 2>&1; then
    tail -n 40 "$base/output.log" >&2
    echo "colcon: FAILED ($kind). The whole output: build/colcon-$kind/output.log" >&2
    exit 1
  fi
  if ! "${clean[@]}" bash -c "$import_from_install" check "$base/install" "$venv" "$module"; then
    echo "colcon: FAILED ($kind): it builds, but what was installed cannot be used; see above." >&2
    exit 1
  fi
  echo "colcon: ok ($kind)"
}

check merge
check symlink --symlink-install
