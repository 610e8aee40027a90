"""Nothing that a user gets wrong at the start of a node ends in a traceback.

Or goes by in silence.
"""

import os
import subprocess
import sys

import pytest

from mtv_perception.errors import ConfigError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.process.main import PROGRAMS, USAGE, usage
from mtv_perception.ros.process.startup import (
    check_environment,
    explain,
    prepare,
    split_arguments,
)

program_of = pytest.mark.parametrize("program", PROGRAMS)


def environment_of(tmp_path, **changes):
    """This process' environment with a log folder that can be written, and changes.

    None removes.
    """
    merged = {**os.environ, "ROS_LOG_DIR": str(tmp_path / "log"), **changes}
    return {name: value for name, value in merged.items() if value is not None}


# Command line


@pytest.mark.parametrize("arguments", [[], ["--ros-args"], ["--ros-args", "-p", "a:=1", "--"]])
def test_ros_arguments_are_left_to_ros(arguments):
    assert not split_arguments(arguments).wants_help


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("others", [[], ["--ros-args", "-p", "a:=1", "--"], ["x"]])
def test_help_is_asked_for(flag, others):
    assert split_arguments([*others, flag]).wants_help


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--score-threshold", "0.5"], "-p score_threshold:=VALUE.*'--score-threshold'"),
        (["--score-threshold=0.5"], "-p score_threshold:=VALUE"),
        (["model:=warehouse"], "'model:=warehouse'"),
        (["clip.mp4"], "'clip.mp4'"),
        (["-v"], "'-v'"),
        (["--ros-args", "-p", "a:=1", "--", "rest"], "'rest'"),
        ([""], "''"),
    ],
)
def test_other_arguments_are_refused_with_the_right_form(arguments, said):
    with pytest.raises(ConfigError, match=said):
        split_arguments(arguments)


# Environment


@pytest.mark.parametrize("domain", ["abc", "999", "-1", "233", "1.5", " 1", "0x1", "1e1"])
def test_a_domain_that_does_not_exist_is_refused(tmp_path, domain):
    with pytest.raises(ConfigError, match=r"ROS_DOMAIN_ID: expected a number in 0 .. 232, got '"):
        check_environment(environment_of(tmp_path, ROS_DOMAIN_ID=domain))


@pytest.mark.parametrize("domain", ["", "0", "7", "232", None])
def test_a_domain_that_exists_is_taken(tmp_path, domain):
    check_environment(environment_of(tmp_path, ROS_DOMAIN_ID=domain))


def test_a_middleware_that_is_not_installed_is_refused(tmp_path):
    pytest.importorskip("ament_index_python", reason="no ROS 2 in this Python; run: make setup")
    with pytest.raises(ConfigError, match=r"RMW_IMPLEMENTATION: .*rmw_\w+.*, got 'rmw_none'"):
        check_environment(environment_of(tmp_path, RMW_IMPLEMENTATION="rmw_none"))
    check_environment(environment_of(tmp_path, RMW_IMPLEMENTATION=""))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("ROS_SECURITY_ENABLE", value) for value in ("True", "TRUE", "1", "yes", "on")),
        *(("ROS_SECURITY_STRATEGY", value) for value in ("enforce", "ENFORCE", "strict")),
        ("RCUTILS_COLORIZED_OUTPUT", "maybe"),
        ("RCUTILS_LOGGING_USE_STDOUT", "true"),
        ("RCUTILS_LOGGING_BUFFERED_STREAM", "2"),
    ],
)
def test_words_that_ros_takes_for_something_else_are_refused(tmp_path, name, value):
    with pytest.raises(ConfigError, match=f"{name}: expected .* or .*, got '{value}'"):
        prepare([], environment_of(tmp_path, **{name: value}))
    prepare([], environment_of(tmp_path, **{name: ""}))


ENFORCED = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"}


@pytest.mark.parametrize("store", [None, "", "nothing", "file"])
def test_security_that_is_enforced_needs_a_keystore(tmp_path, store):
    (tmp_path / "file").touch()
    path = str(tmp_path / store) if store else store
    with pytest.raises(ConfigError, match="ROS_SECURITY_KEYSTORE: .*create_keystore"):
        prepare([], environment_of(tmp_path, **ENFORCED, ROS_SECURITY_KEYSTORE=path))
    relaxed = {**ENFORCED, "ROS_SECURITY_STRATEGY": "Permissive"}
    prepare([], environment_of(tmp_path, **relaxed, ROS_SECURITY_KEYSTORE=path))


@pytest.mark.parametrize("flag", ["-e", "--enclave"])
def test_security_that_is_enforced_needs_the_enclave(tmp_path, flag):
    (tmp_path / "keys" / "enclaves" / "a" / "b").mkdir(parents=True)
    environment = environment_of(tmp_path, **ENFORCED, ROS_SECURITY_KEYSTORE=str(tmp_path / "keys"))
    prepare([], environment)
    for good in ("/a", "/a/b"):
        prepare(["--ros-args", flag, good], environment)
    with pytest.raises(ConfigError, match="--enclave: .*keys, got /other; .*create_enclave"):
        prepare(["--ros-args", flag, "/other"], environment)
    with pytest.raises(ConfigError, match="got /else"):
        prepare(
            ["--ros-args", flag, "/a"], {**environment, "ROS_SECURITY_ENCLAVE_OVERRIDE": "/else"}
        )


@pytest.mark.parametrize("under", ["file", "file/below", "sealed/below", "/proc/nowhere"])
@pytest.mark.parametrize("variable", ["ROS_LOG_DIR", "ROS_HOME", "HOME"])
def test_a_log_folder_that_can_not_be_written_is_refused(tmp_path, variable, under):
    (tmp_path / "file").touch()
    (tmp_path / "sealed").mkdir(mode=0o500)
    if under.startswith("sealed") and os.access(tmp_path / "sealed", os.W_OK):
        pytest.skip("this user may write everywhere")
    cleared = {"ROS_LOG_DIR": None, "ROS_HOME": None, variable: str(tmp_path / under)}
    with pytest.raises(ConfigError, match=rf"{variable}: can't write.*: \w.*set ROS_LOG_DIR"):
        check_environment(environment_of(tmp_path, **cleared))


@pytest.mark.parametrize("home", [None, ""])
def test_without_a_home_the_log_folder_must_be_named(tmp_path, home):
    with pytest.raises(ConfigError, match="HOME: expected a folder.*set ROS_LOG_DIR"):
        check_environment(environment_of(tmp_path, HOME=home, ROS_LOG_DIR=None, ROS_HOME=None))
    check_environment(environment_of(tmp_path, HOME=home))
    check_environment(environment_of(tmp_path, HOME=home, ROS_LOG_DIR=None), logs_to_file=False)


def test_the_log_folder_is_where_ros_looks_for_it(tmp_path):
    places = {"ROS_LOG_DIR": None, "ROS_HOME": None, "HOME": str(tmp_path / "home")}
    check_environment(environment_of(tmp_path, **places))
    assert (tmp_path / "home/.ros/log").is_dir()
    check_environment(environment_of(tmp_path, **places | {"ROS_HOME": str(tmp_path / "ros")}))
    assert (tmp_path / "ros/log").is_dir()


def test_parameters_files_are_read_before_ros_reads_them(tmp_path):
    (tmp_path / "good.yaml").write_text("/**: {ros__parameters: {a: 1}}", encoding="utf-8")
    arguments = ["--ros-args", "--params-file", str(tmp_path / "good.yaml")]
    _, files = prepare(arguments, environment_of(tmp_path))
    assert [file.keys for file in files] == [("/**",)]
    with pytest.raises(ConfigError, match="missing.yaml"):
        prepare([*arguments, "--params-file", "missing.yaml"], environment_of(tmp_path))


# What rclpy says


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-r", "bad"], r"--remap: expected FROM:=TO.*got 'bad'"),
        (["-r", "a:=b c"], r"--remap: .*'a:=b c'"),
        (["-r", "__ns:=foo bar"], r"--remap: .*'__ns:=foo bar'"),
        (["-p", "a"], r"--param: expected NAME:=VALUE, got 'a'"),
        (["-p", "a:=[1, 2.0]"], r"--param: .*'a:=\[1, 2.0\]'"),
        (["-p"], r"-p: expected a value"),
        (["--params-file"], r"--params-file: expected a value"),
        (["--log-level", "shout"], r"--log-level: expected debug, info.*'shout'"),
        (["--enclave", "foo"], r"--enclave: expected a name such as"),
        (["--bogus"], r"--ros-args: .*--bogus"),
        (["--params-fille", "x"], r"perhaps --params-file"),
    ],
)
def test_ros_arguments_that_ros_refuses_are_explained_in_one_sentence(arguments, said):
    rclpy = pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
    with pytest.raises(Exception) as caught:
        rclpy.init(args=["--ros-args", *arguments], context=rclpy.Context())
    assert __import__("re").search(said, explain(caught.value)), explain(caught.value)
    assert "\n" not in explain(caught.value) and "/src/" not in explain(caught.value)


def test_a_peer_that_is_no_address_is_explained():
    text = "error creating node: Unable to resolve peer a b\n, at /project/src/participant.cpp:256"
    assert explain(RuntimeError(text)) == (
        "ROS_STATIC_PEERS: expected addresses with ; between, got 'a b'."
    )


def test_an_error_of_ros_that_nobody_foresaw_is_still_one_sentence():
    error = RuntimeError("failed to initialize rcl: out\nof luck, at /project/src/rcl/init.c:7")
    assert explain(error) == "ROS could not start: out of luck."


# Processes

KINDS = {
    "params": (["--ros-args", "--params-file", "missing.yaml"], {}, "missing.yaml"),
    "stray": (["--score-threshold", "0.5"], {}, "--score-threshold"),
    "domain": ([], {"ROS_DOMAIN_ID": "abc"}, "ROS_DOMAIN_ID"),
    "keystore": ([], {**ENFORCED, "ROS_SECURITY_KEYSTORE": None}, "ROS_SECURITY_KEYSTORE"),
    "remap": (["--ros-args", "-r", "bad"], {}, "--remap"),
    "home": ([], {"HOME": None, "ROS_LOG_DIR": None, "ROS_HOME": None}, "HOME"),
}


def start(program, arguments, environment):
    command = [sys.executable, str(SOURCE_ROOT / "scripts" / program), *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@program_of
@pytest.mark.parametrize("kind", KINDS)
def test_every_node_refuses_a_wrong_start_with_one_sentence_and_status_two(tmp_path, program, kind):
    pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
    arguments, changes, named = KINDS[kind]
    done = start(program, arguments, environment_of(tmp_path, **changes))
    assert done.returncode == USAGE
    # rcl adds a line of its own before ours where it is the one to notice.
    *before, line = done.stderr.splitlines()
    assert line.startswith(f"{program}: ") and named in line
    assert len(before) == (kind == "remap") and "Traceback" not in done.stderr


@program_of
def test_every_node_explains_itself(tmp_path, program):
    done = start(program, ["--help"], environment_of(tmp_path, HOME=None, ROS_LOG_DIR=None))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, usage(program).strip(), "")


@pytest.mark.parametrize(
    ("module", "fix"),
    [
        ("rclpy", "source the workspace's setup.bash"),
        ("rosbags", "docs/how-to/deploy.md"),
        ("mcap", "docs/how-to/deploy.md"),
    ],
)
def test_a_missing_package_is_named_with_its_fix(tmp_path, module, fix):
    """Robots have no packages for bags of their own."""
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError(name={module!r})")
    path = os.pathsep.join([str(tmp_path), str(SOURCE_ROOT)])
    done = start("recorder_node", [], environment_of(tmp_path, PYTHONPATH=path))
    assert done.returncode == USAGE
    assert f"found no {module}" in done.stderr and "Traceback" not in done.stderr
    assert fix in done.stderr
