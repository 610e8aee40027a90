import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mtv_perception.media.encodings import MAX_PIXELS
from mtv_perception.ros.middleware import FASTDDS_TRANSPORT

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
unit_of = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def settings(unit):
    """Every line of a unit as a pair; a name may stand there several times."""
    return re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE)


def test_launch_files_configuration_models_and_units_are_installed():
    folders = re.search(r"foreach\(_directory ([\w ]+)\)", (ROOT / "CMakeLists.txt").read_text())[
        1
    ].split()

    assert set(folders) == {"launch", "config", "models", "deploy"}
    assert all((ROOT / folder).is_dir() for folder in folders)
    assert {unit.name for unit in UNITS} == {"mtv-perception.service", "mtv-zones.service"}


@unit_of
def test_a_unit_starts_an_executable_of_the_package_in_the_right_environment(unit):
    name = re.search(r'lib/mtv_perception/(\w+)"', dict(settings(unit))["ExecStart"])[1]

    assert (ROOT / "scripts" / name).is_file()
    assert ("Environment", f"FASTDDS_BUILTIN_TRANSPORTS={FASTDDS_TRANSPORT}") in settings(unit)


def test_a_shell_gets_the_same_transport():
    command = ["bash", "-c", "source scripts/env.sh && echo $FASTDDS_BUILTIN_TRANSPORTS"]
    environment = {"PATH": "/usr/bin:/bin"}

    assert (
        subprocess.check_output(command, cwd=ROOT, env=environment, text=True).strip()
        == FASTDDS_TRANSPORT
    )


def started(unit, tmp_path, **environment):
    """The arguments that the unit's command hands to its node, in a prefix with an echo for it."""
    script = re.fullmatch(r"/bin/bash -c '(.*)'", dict(settings(unit))["ExecStart"])[1]
    node = tmp_path / re.search(r"lib/mtv_perception/\w+", script)[0]
    node.parent.mkdir(parents=True)
    node.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    node.chmod(0o755)
    (tmp_path / "setup.bash").touch()
    fixed = {"ROS_SETUP": "/dev/null", "MTV_PREFIX": str(tmp_path), "MTV_PARAMETERS": "file.yaml"}
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": "/usr/bin:/bin", **fixed, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@unit_of
@pytest.mark.parametrize(
    ("environment", "more"),
    [
        ({}, []),
        ({"MTV_ARGUMENTS": ""}, []),
        (
            {"MTV_ENCLAVE": "--enclave /mtv_perception/zones"},
            ["--enclave", "/mtv_perception/zones"],
        ),
        ({"MTV_ARGUMENTS": "-r image:=/camera/image_raw"}, ["-r", "image:=/camera/image_raw"]),
        (
            {"MTV_ARGUMENTS": "-r a:=/b -r camera_info:=/camera/camera_info"},
            ["-r", "a:=/b", "-r", "camera_info:=/camera/camera_info"],
        ),
    ],
)
def test_a_unit_hands_the_topics_of_the_environment_to_its_node(unit, environment, more, tmp_path):
    arguments = started(unit, tmp_path, **environment)

    assert arguments == ["--ros-args", "--params-file", "file.yaml", *more]


ROS_SHELL = {
    "ROS_DISTRO": "jazzy",
    "ROS_VERSION": "2",
    "AMENT_PREFIX_PATH": "/ws/install:/opt/ros/jazzy",
    "PYTHONPATH": "/ws/install/lib/python3/site-packages",
    "LD_LIBRARY_PATH": "/ws/install/lib",
    "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
}


def sourced(folder, environment, shell_options=""):
    """The environment after env.sh of a source tree."""
    command = ["bash", *shell_options.split(), "-c", f"source {folder}/scripts/env.sh && env"]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


@pytest.mark.parametrize("shell_options", ["", "-e", "-eu"])
@pytest.mark.parametrize("environment", [{}, ROS_SHELL], ids=["no ROS", "ROS sourced"])
def test_a_shell_without_venv_keeps_its_ros(environment, shell_options, tmp_path):
    """A robot's checkout has none: its ROS is the one that is sourced."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/env.sh", tmp_path / "scripts")

    found = sourced(tmp_path, environment, shell_options)

    assert {name: found.get(name) for name in ROS_SHELL} == {
        name: environment.get(name) for name in ROS_SHELL
    }
    assert found["FASTDDS_BUILTIN_TRANSPORTS"] == FASTDDS_TRANSPORT


@pytest.mark.parametrize("ros", ["wheels", "system"])
def test_a_shell_with_venv_uses_it(ros, tmp_path):
    for folder in ("scripts", ".venv"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "scripts/env.sh", tmp_path / "scripts")
    (tmp_path / ".venv/mtv-ros").write_text(ros)

    found = sourced(tmp_path, ROS_SHELL)

    venv = str(tmp_path / ".venv")
    assert found["AMENT_PREFIX_PATH"].split(":")[0] == venv
    assert (found.get("ROS_DISTRO") == "jazzy") == (ros == "system")


def test_the_guide_lets_every_unit_run_as_the_one_who_installs_it(tmp_path):
    """All nodes of a machine need one user: Fast DDS' shared memory is that user's alone."""
    page = (ROOT / "docs/how-to/deploy.md").read_text()
    command = re.search(r'sudo (sed -i "s/\^User=\S+" )/etc/systemd/system/(mtv-\*\.service)', page)
    for unit in UNITS:
        shutil.copy(unit, tmp_path)

    environment = {"PATH": "/usr/bin:/bin", "USER": "somebody"}
    script = command[1] + command[2]
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=True)

    found = [dict(settings(tmp_path / unit.name))["User"] for unit in UNITS]
    assert found == ["somebody"] * len(UNITS)


@unit_of
def test_a_unit_restarts_for_ever_within_limits(unit):
    found = dict(settings(unit))

    # The perception node ends with status 0 only when it is told to.
    restart = "on-failure" if unit.name == "mtv-perception.service" else "always"
    assert (found["Restart"], found["StartLimitIntervalSec"], found["KillSignal"]) == (
        restart,
        "0",
        "SIGINT",
    )
    assert {"MemoryHigh", "MemoryMax", "CPUQuota", "TasksMax", "RestartSec"} <= set(found)


def test_the_unit_with_a_watchdog_is_the_one_whose_node_serves_it():
    nodes = ROOT / "mtv_perception/ros"
    notifiers = {path.relative_to(nodes).parts[0] for path in nodes.rglob("notify.py")}
    watched = {unit.stem for unit in UNITS if "WatchdogSec" in dict(settings(unit))}

    assert watched == {f"mtv-{name}" for name in notifiers}
    for unit in (unit for unit in UNITS if unit.stem in watched):
        found = dict(settings(unit))
        assert (found["Type"], found["NotifyAccess"]) == ("notify", "main")
        # The node speaks once a second.
        assert int(found["WatchdogSec"]) >= 5


@pytest.mark.parametrize("name", ["MemoryMax", "MemoryHigh", "CPUQuota"])
def test_the_documented_limits_are_those_of_the_units(name):
    row = re.search(
        rf"^\| {name} \| (\S+) \| (\S+) \|",
        (ROOT / "docs/how-to/deploy.md").read_text(),
        re.MULTILINE,
    )

    assert row.groups() == tuple(dict(settings(unit))[name] for unit in UNITS)


def test_the_memory_limit_holds_the_largest_image_that_is_accepted():
    megabytes = 250 + 100 + MAX_PIXELS * (12.4 + 3 * 3 + 10 * 3) / 1e6
    found = dict(settings(ROOT / "deploy" / "mtv-perception.service"))

    assert megabytes <= int(found["MemoryMax"].removesuffix("M")) <= 2 * megabytes
    assert int(found["MemoryHigh"].removesuffix("M")) < int(found["MemoryMax"].removesuffix("M"))


@unit_of
def test_a_unit_exposes_little(unit):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", unit],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@unit_of
def test_systemd_finds_no_fault_in_a_unit(unit):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0 and unit.name not in done.stderr, done.stderr
