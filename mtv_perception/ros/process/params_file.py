"""Checks a ROS parameters file before ROS reads it, and tells which nodes it is for. No rclpy.

ROS names neither the cause nor the cure of a wrong file, and says nothing of a right one that no
node matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

import yaml

from mtv_perception.errors import ConfigError

_PARAMETERS = "ros__parameters"
# Source: rcl_yaml_param_parser, parse.c: these plain words are booleans.
_BOOLEANS = frozenset(
    form
    for word in ("y", "yes", "true", "on", "n", "no", "false", "off")
    for form in (word, word.capitalize(), word.upper())
)
_TRUE = frozenset(("y", "yes", "true", "on"))
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_DOUBLE = re.compile(
    r"[+-]?(\.inf|\.nan|inf|nan|infinity|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)", re.IGNORECASE
)
# Characters that are neither a wildcard nor a separator.
_TOKENS = {"**": r"(/\w+)*", "*": r"/\w+"}
_NEAR = 0.75


@dataclass(frozen=True)
class ParamsFile:
    """A parameters file that ROS can read.

    Attributes:
        path: of the file.
        keys: node name patterns that hold parameters, each with a leading slash.
        sim_times: `use_sim_time` of those that set it, with the pattern, in the file's order.
    """

    path: Path
    keys: tuple[str, ...]
    sim_times: tuple[tuple[str, bool], ...] = ()

    def matching(self, node: str) -> list[str]:
        """The keys that apply to a node of this fully qualified name."""
        return [key for key in self.keys if matches(key, node)]

    def sim_time(self, node: str) -> bool | None:
        """The `use_sim_time` of a node of this fully qualified name; None where the file sets none."""
        found = [value for key, value in self.sim_times if matches(key, node)]
        return found[-1] if found else None


def matches(key: str, node: str) -> bool:
    """Whether a key of a parameters file, wildcards included.

    Applies to a fully qualified node name.
    """
    tokens = [token for token in key.split("/") if token]
    pattern = "".join(_TOKENS.get(token) or "/" + re.escape(token) for token in tokens)
    return re.fullmatch(pattern, node) is not None


def read_params_file(path: Path) -> ParamsFile:
    """Check a parameters file.

    Args:
        path: of the file.

    Raises:
        ConfigError: it can't be read, is no YAML, or is not laid out as ROS expects; with the line.
    """
    root = _composed(path)
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        return ParamsFile(path, ())
    if not isinstance(root, yaml.MappingNode):
        raise _wrong(
            path,
            root,
            f"expected node names with `{_PARAMETERS}:` under each, got {_kind_word(root)}",
        )
    blocks = list(_blocks(path, root, ""))
    sim_times = tuple(
        (key, item.value.lower() in _TRUE)
        for key, block in blocks
        for name, item in block.value
        if name.value == "use_sim_time" and isinstance(item, yaml.ScalarNode)
    )
    return ParamsFile(path, tuple(dict.fromkeys(key for key, _ in blocks)), sim_times)


def _composed(path: Path) -> yaml.Node | None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected a parameters file in UTF-8, got other bytes; save it as UTF-8."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: could not read the parameters file: {error.strerror}."
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        if line[: len(line) - len(line.lstrip())].count("\t"):
            raise ConfigError(
                f"{path}:{number}: expected spaces at the begin of the line, got a tab, which YAML forbids."
            )
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        number = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(
            f"{path}:{number}: expected YAML: {error.problem or error.context}."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: expected YAML: {str(error).splitlines()[0]}.") from error


def _wrong(path: Path, node: yaml.Node, text: str) -> ConfigError:
    return ConfigError(f"{path}:{node.start_mark.line + 1}: {text}.")


def _kind_word(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if node.value in ("", "~", "null") else repr(node.value[:40])


def _blocks(
    path: Path, mapping: yaml.MappingNode, prefix: str
) -> Iterator[tuple[str, yaml.MappingNode]]:
    """Every node name that has parameters, and these; namespaces may be nested."""
    for key, value in mapping.value:
        name = str(key.value)
        if name == _PARAMETERS:
            _check_values(path, value, "")
            yield prefix or "/**", value
        elif isinstance(value, yaml.MappingNode):
            if get_close_matches(name, [_PARAMETERS], 1, 0.8):
                raise _wrong(
                    path, key, f"expected `{_PARAMETERS}:` (two underscores), got `{name}:`"
                )
            yield from _blocks(path, value, f"{prefix}/{name.strip('/')}")
        else:
            where = f"`{_PARAMETERS}:` under the node name {prefix!r}" if prefix else "a node name"
            raise _wrong(
                path,
                key,
                f"expected {where}, with parameters under it, got `{name}: {_kind_word(value)}`",
            )


def _check_values(path: Path, node: yaml.Node, label: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        _check_list(path, node, label)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            first = lines.setdefault(str(key.value), key.start_mark.line + 1)
            if first != key.start_mark.line + 1:
                text = f"expected each parameter once, got {key.value!r} in line {first}, too"
                raise _wrong(path, key, f"{text}; ROS takes the last")
            _check_values(path, value, f"{label}.{key.value}" if label else str(key.value))
    elif not label:
        raise _wrong(
            path, node, f"expected parameters under `{_PARAMETERS}:`, got {_kind_word(node)}"
        )


def _check_list(path: Path, node: yaml.SequenceNode, label: str) -> None:
    if not label:
        raise _wrong(path, node, f"expected parameters under `{_PARAMETERS}:`, got a list")
    if any(not isinstance(item, yaml.ScalarNode) for item in node.value):
        raise _wrong(path, node, f"{label}: expected a list of plain values, got a list within it")
    kinds = {scalar_kind(item): item for item in node.value}
    if len(kinds) < 2:
        return
    cure = (
        "write every number with a point, as in 15.0"
        if set(kinds) == {"integer", "double"}
        else "quote texts"
    )
    raise _wrong(
        path,
        node,
        f"{label}: expected a list of one type, got {' and '.join(sorted(kinds))}; {cure}",
    )


def scalar_kind(node: yaml.ScalarNode) -> str:
    """The type that ROS gives a value of a parameters file: boolean, integer, double or string."""
    text = node.value
    if node.style is not None:
        return "string"
    if text in _BOOLEANS:
        return "boolean"
    if _INTEGER.fullmatch(text):
        return "integer"
    return "double" if _DOUBLE.fullmatch(text) else "string"


def unmatched(files: list[ParamsFile], node: str) -> list[str]:
    """One sentence for each file that has no settings for `node` although it seems to be meant for it.

    Args:
        files: as given to the node.
        node: its fully qualified name.
    """
    name, found = node.rpartition("/")[2], []
    for file in files:
        others = [key for key in file.keys if not matches(key, node)]
        meant = [
            key for key in others if get_close_matches(key.rpartition("/")[2], [name], 1, _NEAR)
        ]
        if file.matching(node) and not meant:
            continue
        got = ", ".join(meant or others) or "no parameters at all"
        found.append(
            f"{file.path}: expected the key {node} (or /**) for this node, got {got}; "
            "those settings are not used here."
        )
    return found


def unmatched_rules(arguments: Sequence[str], node: str) -> list[str]:
    """One sentence for each `-p NODE:NAME:=VALUE` that ROS does not apply to `node`.

    ROS looks for NODE outside of any namespace. It has no notation for a node in a namespace.

    Args:
        arguments: the command line.
        node: the node's fully qualified name.
    """
    found = []
    for flag, rule in pairwise(arguments):
        name, is_scoped, rest = rule.partition(":=")[0].partition(":")
        if flag in ("-p", "--param") and is_scoped and f"/{name}" != node:
            value = rule.partition(":=")[2]
            found.append(
                f"-p {rule}: expected a parameter of {node}, got one of /{name}; it is not used "
                f"here. Leave the node's name out: -p {rest}:={value}"
            )
    return found
