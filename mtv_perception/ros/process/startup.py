"""What must hold before a node can start: command line, environment, parameters files. No rclpy.

Whatever a user may get wrong here ends in a ConfigError of one sentence; ROS itself answers with
tracebacks, or by ending the process while its library is loaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from mtv_perception.errors import ConfigError
from mtv_perception.ros.process.params_file import ParamsFile, read_params_file

# Source: OMG DDSI-RTPS 2.3, 9.6.1.1: the ports of a higher domain lie beyond 65535.
_HIGHEST_DOMAIN = 232
_ROS_FLAGS = (
    "--params-file", "--param", "--remap", "--log-level", "--log-config-file", "--log-file-name", "--enclave",
    "--enable-rosout-logs", "--disable-rosout-logs", "--enable-stdout-logs", "--disable-stdout-logs",
    "--enable-external-lib-logs", "--disable-external-lib-logs",
)  # fmt: skip
_HELP = ("-h", "--help")
# ROS takes another word for "not secured", or prints a complaint with every line of its log.
_WORDS = {
    "ROS_SECURITY_ENABLE": ("true", "false"),
    "ROS_SECURITY_STRATEGY": ("Enforce", "Permissive"),
    **dict.fromkeys(
        (
            "RCUTILS_COLORIZED_OUTPUT",
            "RCUTILS_LOGGING_USE_STDOUT",
            "RCUTILS_LOGGING_BUFFERED_STREAM",
        ),
        ("0", "1"),
    ),
}


@dataclass(frozen=True)
class CommandLine:
    """A node's arguments, without the program's name.

    Attributes:
        ros: those between --ros-args and `--`, which ROS reads.
        wants_help: -h or --help was given.
        params_files: the parameters files named.
    """

    ros: tuple[str, ...]
    wants_help: bool
    params_files: tuple[Path, ...]


def split_arguments(arguments: Sequence[str]) -> CommandLine:
    """Separate ROS arguments from others, which no node of this package has.

    Raises:
        ConfigError: an argument that is neither ROS's nor a request for help.
    """
    ros: list[str] = []
    others: list[str] = []
    is_ros = False
    for argument in arguments:
        if argument == "--ros-args":
            is_ros = True
        elif is_ros and argument == "--":
            is_ros = False
        else:
            (ros if is_ros else others).append(argument)
    wants_help = any(argument in _HELP for argument in others)
    if others and not wants_help:
        raise ConfigError(_stray(others[0]))
    files = [Path(value) for flag, value in pairwise(ros) if flag == "--params-file"]
    return CommandLine(tuple(ros), wants_help, tuple(files))


def _stray(argument: str) -> str:
    name = re.sub(r"[-=: ].*", "", argument.lstrip("-").replace("-", "_"))
    cure = (
        f"--ros-args -p {name}:=VALUE"
        if argument.startswith("--") and name
        else "--ros-args -p NAME:=VALUE"
    )
    return f"Expected ROS arguments only, such as {cure}, got {argument!r}; see --help."


def check_environment(environment: Mapping[str, str], logs_to_file: bool = True) -> None:
    """Check what ROS reads from the environment while it starts.

    Args:
        environment: of the process.
        logs_to_file: whether ROS is to write a log file.

    Raises:
        ConfigError: a domain, a middleware or a log folder that can't be used.
    """
    domain = environment.get("ROS_DOMAIN_ID", "")
    if domain and not (re.fullmatch(r"[0-9]{1,3}", domain) and int(domain) <= _HIGHEST_DOMAIN):
        raise ConfigError(
            f"ROS_DOMAIN_ID: expected a number in 0 .. {_HIGHEST_DOMAIN}, got {domain!r}."
        )
    for name, allowed in _WORDS.items():
        value = environment.get(name, "")
        if value and value not in allowed:
            raise ConfigError(f"{name}: expected {' or '.join(allowed)}, got {value!r}.")
    _check_middleware(environment.get("RMW_IMPLEMENTATION", ""))
    if logs_to_file:
        _check_log_folder(environment)


def _check_middleware(wanted: str) -> None:
    """ROS ends the process with status 102 while its library is loaded when this one is missing."""
    try:
        from ament_index_python import get_resources

        known = sorted(set(get_resources("rmw_typesupport")) - {"rmw_implementation"})
    except (ImportError, LookupError, OSError):
        return  # Without an index ROS is left to judge.
    if wanted and known and wanted not in known:
        raise ConfigError(
            f"RMW_IMPLEMENTATION: expected an installed one ({', '.join(known)}), got {wanted!r}."
        )


def _check_security(environment: Mapping[str, str], ros: Sequence[str]) -> None:
    """Where SROS2 is enforced, the enclave must be there; ROS itself says "error not set"."""
    if environment.get("ROS_SECURITY_ENABLE") != "true":
        return
    if environment.get("ROS_SECURITY_STRATEGY") != "Enforce":
        return
    store = environment.get("ROS_SECURITY_KEYSTORE", "")
    if not store or not Path(store).is_dir():
        raise ConfigError(
            f"ROS_SECURITY_KEYSTORE: expected a keystore's folder, got {store or 'none'}; "
            "`ros2 security create_keystore` makes one."
        )
    given = [value for flag, value in pairwise(ros) if flag in ("-e", "--enclave")]
    enclave = environment.get("ROS_SECURITY_ENCLAVE_OVERRIDE") or (given or ["/"])[-1]
    if not (Path(store) / "enclaves" / enclave.strip("/")).is_dir():
        raise ConfigError(
            f"--enclave: expected one of the keystore {store}, got {enclave}; "
            "`ros2 security create_enclave` makes one."
        )


def _check_log_folder(environment: Mapping[str, str]) -> None:
    """Where rcl_logging writes: ROS_LOG_DIR, or else ROS_HOME/log, or else ~/.ros/log."""
    cure = "set ROS_LOG_DIR (or HOME) to a folder that can be written"
    home, name = environment.get("HOME", ""), "HOME"
    if environment.get("ROS_LOG_DIR"):
        name, folder = "ROS_LOG_DIR", environment["ROS_LOG_DIR"]
    elif environment.get("ROS_HOME"):
        name, folder = "ROS_HOME", str(Path(environment["ROS_HOME"]) / "log")
    else:
        folder = "~/.ros/log"
    if folder.startswith("~"):
        if not home:
            got = "an empty value" if "HOME" in environment else "none"
            raise ConfigError(f"HOME: expected a folder for ROS's log, got {got}; {cure}.")
        folder = home + folder[1:]
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise ConfigError(f"{name}: can't write ROS's log to {folder}: {reason}; {cure}.")


def prepare(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[CommandLine, list[ParamsFile]]:
    """All checks; the command line and the parameters files it names.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    line = split_arguments(arguments)
    if line.wants_help:
        return line, []
    check_environment(environment, "--disable-external-lib-logs" not in line.ros)
    _check_security(environment, line.ros)
    return line, [read_params_file(path) for path in line.params_files]


# What rcl says, and what is wrong. The groups of a pattern fill the sentence.
_EXPLANATIONS = (
    (r"params file: '--params-file (.*?)'\. Error: (.*)", "{0}: expected a ROS parameters file: {1}."),
    (r"remap rule: '(?:-r|--remap) (.*?)'", "--remap: expected FROM:=TO with names that ROS allows, got {0!r}."),
    (r"parameter override rule: '(?:-p|--param) (.*?)'", "--param: expected NAME:=VALUE, got {0!r}."),
    (
        r"log level: '--log-level (.*?)'",
        "--log-level: expected debug, info, warn, error or fatal (or LOGGER:=LEVEL), got {0!r}.",
    ),
    (r"Unable to resolve peer (.*?)\s*$", "ROS_STATIC_PEERS: expected addresses with ; between, got {0!r}."),
    (r"trailing (\S+) flag", "{0}: expected a value after it, got none."),
    (r"ROS_DOMAIN_ID is not an integral number", "ROS_DOMAIN_ID: expected a number."),
    (r"[Ee]nclave name is not valid: '(.*?)'", "--enclave: expected a name such as /mtv_perception: {0}."),
)  # fmt: skip
_LOCATION = re.compile(r", at /[^,]*?\.[ch](pp)?:\d+")


def explain(error: Exception) -> str:
    """An error of rclpy's start as one sentence."""
    text = _LOCATION.sub("", " ".join(str(error).split()))
    for pattern, sentence in _EXPLANATIONS:
        if found := re.search(pattern, text):
            return sentence.format(*found.groups())
    if type(error).__name__ == "UnknownROSArgsError":
        return _unknown_arguments(text)
    return f"ROS could not start: {text.removeprefix('failed to initialize rcl: ').rstrip('. ')}."


def _unknown_arguments(text: str) -> str:
    unknown = re.findall(r"'([^']*)'", text)
    near = get_close_matches(unknown[0], _ROS_FLAGS, 1) if unknown else []
    perhaps = f" (perhaps {near[0]})" if near else ""
    return (
        f"--ros-args: expected arguments that ROS knows, got {', '.join(unknown) or text}{perhaps}."
    )
