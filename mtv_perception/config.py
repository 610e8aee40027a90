"""Dataclasses from YAML, strictly.

Defaults live in the dataclass, an unknown key is an error that lists the known.
"""

from __future__ import annotations

import math
import os
import re
import reprlib
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from mtv_perception.errors import ConfigError
from mtv_perception.resources import STREAM, is_stream
from mtv_perception.yaml_text import PlainWord, parse_yaml

_LARGEST_BYTES = 64 << 20  # of a configuration file; a device such as /dev/zero has no end
T = TypeVar("T")
# What text without quotes may be read as.
_UNQUOTED = (bool, int, float, date)
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_REPR.maxlevel = 2
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = 10


def short_repr(value: Any) -> str:
    """A value in an error text, never long.

    Aliases let a small YAML file hold a value of any size.
    """
    return _REPR.repr(value)


@dataclass(frozen=True)
class Rule:
    """What a value may be, and a sentence saying what it means (shown as the ROS parameter's description).

    `key` is what YAML calls a field whose name Python reserves.
    """

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False
    key: str = ""

    def check(self, name: str, value: Any) -> None:
        """Raise ConfigError when `value` is out of bounds."""
        if isinstance(value, tuple):
            for item in value:
                self.check(name, item)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.check(f"{name}.{key}", item)
        else:
            self._check_one(name, value)

    def _check_one(self, name: str, value: Any) -> None:
        if self.choices and value not in self.choices:
            raise ConfigError(
                f"{name}: expected one of {', '.join(self.choices)}, got {short_repr(value)}."
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{name}: expected a finite number, got {short_repr(value)}.")
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return
        if (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        ):
            raise ConfigError(
                f"{name}: expected a number in {self.low} .. {self.high}, got {short_repr(value)}."
            )


CAMERA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""Pattern of a camera's name, the prefix of its topics."""


def check_cameras(names: Sequence[str]) -> None:
    """Raise ValueError unless these are different names of cameras."""
    if len(set(names)) < len(names) or not all(map(CAMERA_NAME.fullmatch, names)):
        raise ValueError(
            f"cameras: expected different names of letters, digits and '_', got {names!r}."
        )


def setting(default: Any, help: str, **bounds: Any) -> Any:
    """A dataclass field with its default, meaning and bounds (see Rule)."""
    rule = Rule(help, **bounds)
    if callable(default):
        return field(default_factory=default, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


def fixed(default: Any, help: str, **bounds: Any) -> Any:
    """A setting that is read at start and never changes."""
    return setting(default, help, read_only=True, **bounds)


def rule_of(item: Field[Any]) -> Rule:
    """The Rule of a dataclass field; an empty one where none was declared."""
    return item.metadata.get("rule", Rule(""))


def check_fields(instance: Any) -> None:
    """Check the values of a dataclass that Python code built; `from_mapping` checks those of YAML.

    Raises:
        ConfigError: a field is out of the bounds of its Rule.
    """
    for item in fields(instance):
        rule_of(item).check(item.name, getattr(instance, item.name))


def key_of(item: Field[Any]) -> str:
    """The key of a dataclass field in YAML: its name, or what its Rule says."""
    return rule_of(item).key or item.name


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build dataclass `cls` from a mapping, converting and checking every value.

    Args:
        cls: a dataclass type; nested dataclasses, tuples, optional values and dicts are understood.
        values: keys are field names; absent ones keep their default.
        where: dotted name put before a key in error texts.

    Raises:
        ConfigError: unknown or missing key, wrong type, or a value out of its bounds.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or cls.__name__}: expected a mapping, got {short_repr(values)}.")
    known = {key_of(item): item for item in fields(cls) if item.init}  # type: ignore[arg-type]
    unknown = sorted(set(map(str, values)) - set(known))
    if unknown:
        near = get_close_matches(unknown[0], known, 1)
        perhaps = f" (perhaps {near[0]!r})" if near else ""
        raise ConfigError(
            f"{where or cls.__name__}: unknown key {unknown[0]!r}{perhaps}; known are {', '.join(known)}."
        )
    hints = typing.get_type_hints(cls)
    ready = {}
    for name, item in known.items():
        label = f"{where}.{name}" if where else name
        if name in values:
            ready[item.name] = convert(hints[item.name], values[name], label)
            rule_of(item).check(label, ready[item.name])
        elif item.default is MISSING and item.default_factory is MISSING:
            raise ConfigError(f"{label}: a value is required and none was given.")
    try:
        return cls(**ready)
    except ValueError as error:
        raise ConfigError(f"{where or cls.__name__}: {error}") from error


def convert(hint: Any, value: Any, label: str) -> Any:
    """Convert a YAML value to the type `hint` says, without guessing.

    '3' is no number, 1 is no bool.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert_union([arg for arg in args if arg is not type(None)], value, label)
    if is_dataclass(hint):
        return from_mapping(typing.cast(type, hint), value, label)
    if origin is tuple:
        return _convert_tuple(args, value, label)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{label}: expected a mapping, got {short_repr(value)}.")
        return _convert_dict(args[1], value, label)
    return _convert_scalar(hint, value, label)


def _convert_union(hints: Sequence[Any], value: Any, label: str) -> Any:
    """The first of several types that fits; the error is that of the first."""
    errors = []
    for hint in hints:
        try:
            return convert(hint, value, label)
        except ConfigError as error:
            errors.append(error)
    raise errors[0]


def _convert_tuple(args: tuple[Any, ...], value: Any, label: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{label}: expected a list, got {short_repr(value)}.")
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        raise ConfigError(
            f"{label}: expected {len(args)} values, got {len(value)}: {short_repr(value)}."
        )
    return tuple(
        convert(arg, item, f"{label}[{i}]")
        for i, (arg, item) in enumerate(zip(args, value, strict=True))
    )


def _convert_dict(hint: Any, value: Mapping[Any, Any], label: str) -> dict[str, Any]:
    for key in value:
        if key is None or isinstance(key, bool):
            raise ConfigError(
                f"{label}: expected text as a key, got {short_repr(key)}; put the key in quotes."
            )
    return {str(key): convert(hint, item, f"{label}.{key}") for key, item in value.items()}


def _convert_scalar(hint: Any, value: Any, label: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > sys.float_info.max:
            raise ConfigError(
                f"{label}: expected a finite number, got an integer beyond all of them."
            )
        return float(value)
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if isinstance(value, PlainWord):
        value = value.meant if hint is bool else str(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        quotes = "; put it in quotes" if hint is str and isinstance(value, _UNQUOTED) else ""
        raise ConfigError(f"{label}: expected {hint.__name__}, got {short_repr(value)}{quotes}.")
    return value


def _content(path: Path) -> bytes:
    """At most one byte above the limit. A pipe that nobody writes to is not waited for."""

    def open_at_once(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK)

    with open(path, "rb", opener=open_at_once) as file:
        os.set_blocking(file.fileno(), True)  # The output of a command, `<(...)`, may take a while.
        return file.read(_LARGEST_BYTES + 1)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, by the rules of YAML 1.2 (see yaml_text.py).

    Raises:
        ConfigError: not readable; the text names the file, and the line where there is one.
    """
    try:
        content = _content(path)
        if not content and is_stream(path):
            raise ConfigError(f"{path}: expected a YAML file, got {STREAM} without content.")
        if len(content) > _LARGEST_BYTES:
            raise ConfigError(f"{path}: expected a YAML file of at most {_LARGEST_BYTES} bytes.")
        return parse_yaml(content)
    except OSError as error:
        raise ConfigError(f"{path}: expected a YAML file: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path}: can't be read as YAML: {error}") from error


def read_record(path: Path, *keys: str) -> dict[str, Any]:
    """What a run wrote into its folder for a later one: a mapping with some keys at least.

    Raises:
        ConfigError: not readable, or cut short.
    """
    found = read_yaml(path)
    if not isinstance(found, dict) or not set(keys) <= set(found):
        raise ConfigError(
            f"{path}: expected {', '.join(keys)} as the run wrote them, got {short_repr(found)}; bring "
            "the file back from a copy, or begin a new run in another folder."
        )
    return found


def load(cls: type[T], path: Path, overrides: Sequence[str] = ()) -> T:
    """Read dataclass `cls` from a YAML file.

    Args:
        cls: the dataclass.
        path: the file.
        overrides: `key=value` or `outer.inner=value`, which replace the file's; values are YAML,
            and a number in the key is an index into a list.

    Raises:
        ConfigError: an unreadable file, an unknown key, or a value out of bounds.
    """
    values = read_yaml(path)
    values = {} if values is None else values
    for text in overrides:
        _override(values, text)
    try:
        return from_mapping(cls, values)
    except ConfigError as error:
        also = f" with {' '.join(overrides)}" if overrides else ""
        raise ConfigError(f"{path}{also}: {error}") from error


def _override(values: Any, text: str) -> None:
    """Set one value inside nested dicts and lists; a section that is missing is made."""
    key, is_given, value = text.partition("=")
    *outer, last = key.split(".")
    if not is_given or not all((*outer, last)):
        raise ConfigError(f"expected KEY=VALUE, such as steps=500, got {text!r}.")
    try:
        for name in outer:
            values = values[int(name)] if isinstance(values, list) else values.setdefault(name, {})
        values[int(last) if isinstance(values, list) else last] = parse_yaml(value) if value else ""
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ConfigError(f"{text}: expected a setting of the file, found none.") from error


def to_plain(value: Any) -> Any:
    """Dataclasses, tuples and paths as the plain dicts, lists and strings YAML and JSON write."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            key_of(item): to_plain(getattr(value, item.name)) for item in fields(value) if item.init
        }
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
