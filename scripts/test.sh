#!/usr/bin/env bash
# Runs the tests: scripts/test.sh [pytest arguments]. MTV_DATA names the folder of data sets (tests without theirs skip).
# ROS_DOMAIN_ID is left alone: tests that start nodes choose one of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ -x .venv/bin/python ] || { echo "There is no .venv yet. Run: make setup" >&2; exit 1; }
# shellcheck source=scripts/env.sh
. scripts/env.sh
export MTV_DATA="${MTV_DATA:-$(dirname "$PWD")/shared/data}"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}" # errors only
export ROS_LOG_DIR="${ROS_LOG_DIR:-$PWD/build/ros-log}"
mkdir -p "$HOME" "$ROS_LOG_DIR"

if [ $# -gt 0 ]; then
  exec .venv/bin/python -m pytest "$@"
fi
# Mesa's software renderer and TensorFlow each bring an LLVM of their own; in one process they crash.
.venv/bin/python -m pytest -q test/synthetic
exec .venv/bin/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --ignore=test/synthetic
