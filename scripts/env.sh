# Source this (bash): the environment of every process of this project that is run from .venv.
# test.sh, the Makefile and colcon_check.sh do; for your own shell: `source scripts/env.sh`.
# On a robot there is no .venv: the ROS 2 and the workspace that are sourced stay as they are.

MTV_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export MTV_ROOT

# By default Fast DDS drops nearly every best-effort camera image, because one is larger than the sender's shared-memory
# segment; the profile has the same transport, and processes find each other sooner. Yours, of either kind, stays.
if [ -z "${FASTDDS_BUILTIN_TRANSPORTS:-}${FASTDDS_DEFAULT_PROFILES_FILE:-}" ]; then
  export FASTDDS_BUILTIN_TRANSPORTS='DEFAULT?sockets_size=8MB'
  export FASTDDS_DEFAULT_PROFILES_FILE="$MTV_ROOT/config/fastdds.xml"
fi

# rclpy writes its log under HOME.
export HOME="${HOME:-$MTV_ROOT/build/home}"

# Set by the ROS wheels of another environment in a process that started this one; ours must set up its own.
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE

if [ ! -e "$MTV_ROOT/.venv" ]; then
  : # A robot: the workspace that is sourced has ROS 2 and this package.
elif [ "$(cat "$MTV_ROOT/.venv/mtv-ros" 2>/dev/null)" = system ]; then
  # The ROS 2 that is sourced, and from .venv the messages that were generated there.
  case ":${AMENT_PREFIX_PATH:-}:" in
    *":$MTV_ROOT/.venv:"*) ;;
    *)
      export AMENT_PREFIX_PATH="$MTV_ROOT/.venv${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
      export LD_LIBRARY_PATH="$MTV_ROOT/.venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
      ;;
  esac
else
  # The ROS 2 wheels in .venv; another ROS 2 in the same shell would be mixed with them.
  if [ -n "${ROS_DISTRO:-}" ]; then
    echo "note: .venv has its own ROS 2; the $ROS_DISTRO of this shell is not used." >&2
    unset PYTHONPATH LD_LIBRARY_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
    unset ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION RMW_IMPLEMENTATION
  fi
  export AMENT_PREFIX_PATH="$MTV_ROOT/.venv"
fi
