"""YAML text to plain values, by the rules of YAML 1.2 where PyYAML's of 1.1 surprise.

`no`, `on` and `y` are text, `1e-3` is a number, `012` and `1:30` are text. A key that stands twice
is an error. Only plain values are made, never objects. A small file that would take long to read is an error.

Source: https://yaml.org/spec/1.2.2/, section 10.3, "Core Schema".
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Hashable
from typing import Any, ClassVar

import yaml

from mtv_perception.resources import LFS_POINTER, is_lfs_pointer


class PlainWord(str):
    """`yes`, `no`, `on`, `off`, `y` or `n` without quotes.

    Text in YAML 1.2, a boolean in YAML 1.1.
    """

    __slots__ = ()

    @property
    def meant(self) -> bool:
        """What it means where a boolean is expected."""
        return self.lower() in ("yes", "on", "y")


_WORD = re.compile(r"^(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|y|Y|n|N)$")
_TRUE_FALSE = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INTEGER = re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$|^0x[0-9a-fA-F]+$")
_FLOAT = re.compile(
    r"""^[-+]?(?:\.[0-9]+|[0-9][0-9_]*\.[0-9_]*)(?:[eE][-+]?[0-9]+)?$
      |^[-+]?[0-9]+[eE][-+]?[0-9]+$
      |^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$""",
    re.VERBOSE,
)
_WORD_TAG = "!yes-no"
_RULES = (
    (_WORD_TAG, _WORD, "yYnNoO"),
    ("tag:yaml.org,2002:bool", _TRUE_FALSE, "tTfF"),
    ("tag:yaml.org,2002:int", _INTEGER, "-+0123456789"),
    ("tag:yaml.org,2002:float", _FLOAT, "-+.0123456789"),
)
_KEPT = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "merge", "timestamp"))


_DEEPEST = 100
"""Lists and mappings inside each other. PyYAML's time grows with the square of the depth."""
_MOST_DIGITS = 100
_MERGE = "tag:yaml.org,2002:merge"


def _check_depth(depth: int, mark: yaml.Mark) -> None:
    if depth > _DEEPEST:
        raise yaml.scanner.ScannerError(None, None, f"nested more than {_DEEPEST} deep", mark)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """PyYAML's safe loader with the resolvers of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in rules if tag in _KEPT]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # PyYAML's name
        """As PyYAML's, up to `_DEEPEST`."""
        _check_depth(self.flow_level + 1, self.get_mark())
        super().fetch_flow_collection_start(TokenClass)

    def add_indent(self, column: int) -> bool:
        """As PyYAML's, up to `_DEEPEST`."""
        _check_depth(len(self.indents), self.get_mark())
        is_deeper: bool = super().add_indent(column)
        return is_deeper

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """As PyYAML's, but a key that stands twice is an error."""
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: Any) -> int:
        """As PyYAML's, up to `_MOST_DIGITS`; Python refuses to show what has thousands."""
        if len(node.value) > _MOST_DIGITS:
            problem = f"expected at most {_MOST_DIGITS} digits, got {len(node.value)}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(super().construct_yaml_int(node))

    def flatten_mapping(self, node: Any) -> None:
        """As PyYAML's, but each key once: merges of merges would double the keys again and again."""
        super().flatten_mapping(node)
        last = {
            (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else key: (key, value)
            for key, value in node.value
        }
        node.value = list(last.values())

    def _check_keys(self, node: yaml.MappingNode) -> None:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            value = self.construct_object(key)  # 1, 0x1 and true are one key to Python.
            if value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value[:60]!r} stands twice", key.start_mark
                )
            seen.add(value)


for _tag, _pattern, _first in _RULES:
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor(_WORD_TAG, lambda loader, node: PlainWord(loader.construct_scalar(node)))


def parse_yaml(content: bytes | str) -> Any:
    """The first document of a YAML text as plain values.

    Args:
        content: text, or bytes in UTF-8 or UTF-16 with a byte-order mark.

    Raises:
        ValueError: of another encoding, or no YAML, with the line.
    """
    text = _decode(content) if isinstance(content, bytes) else content
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except Exception as error:
        # PyYAML's constructors answer a tag that does not fit its value, such as `!!int ''`, with
        # whatever Python raises on the way: IndexError, KeyError, AttributeError, OverflowError.
        raise ValueError(
            f"a value does not fit its tag: {type(error).__name__}: {error}"
        ) from error


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """PyYAML's safe dumper, with quotes around text that YAML 1.1 or 1.2 would read as something else."""


_Dumper.add_implicit_resolver(*_RULES[-1][:2], list(_RULES[-1][2]))


def format_yaml(value: Any, flow: bool | None = False, width: int = 80) -> str:
    """Plain values as YAML text that `parse_yaml` and PyYAML read back unchanged.

    Args:
        value: dicts, lists, text, numbers, booleans and None; keys keep their order.
        flow: True for `{a: 1}`, False for a line a key, None for flow style in the innermost only.
        width: where lines are folded.
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, default_flow_style=flow, width=width
    )
    return text


def _decode(content: bytes) -> str:
    if is_lfs_pointer(content):
        raise ValueError(f"it is {LFS_POINTER}")
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"expected text in UTF-8, found byte 0x{content[error.start]:02x} in line {line}; "
            "convert the file to UTF-8"
        ) from error
