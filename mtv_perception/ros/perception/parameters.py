"""ROS parameters from dataclass fields: declared with type, range and description, read back into one object."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtv_perception.config import convert, from_mapping, rule_of, to_plain
from mtv_perception.errors import ConfigError
from mtv_perception.ros.perception.config import FIELD_SECTION, SECTIONS, Settings


def _default(item: Field[Any]) -> Any:
    return to_plain(item.default if item.default is not MISSING else item.default_factory())  # type: ignore[misc, operator]


def _descriptor(item: Field[Any], hint: Any) -> ParameterDescriptor:
    rule = rule_of(item)
    # Types are checked by our own strict conversion, which accepts 1 for 1.0 and an empty list for
    # a list of strings.
    descriptor = ParameterDescriptor(
        description=rule.help, read_only=rule.read_only, dynamic_typing=True
    )
    if rule.choices:
        descriptor.additional_constraints = "one of " + ", ".join(rule.choices)
    if rule.low is not None and rule.high is not None:
        if hint is float:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(rule.low), to_value=float(rule.high))
            ]
        elif hint is int:
            descriptor.integer_range = [
                IntegerRange(from_value=int(rule.low), to_value=int(rule.high), step=1)
            ]
    return descriptor


class NodeParameters:
    """The settings of a node as ROS parameters.

    An override from a launch file that breaks a rule does not stop the node: it keeps its fault
    until it is set right, and reading the settings raises meanwhile.

    Args:
        node: where parameters are declared.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._faults: dict[str, str] = {}
        self._defaults: dict[str, Any] = {}
        self._extra_checks: list[typing.Callable[[Settings], None]] = []
        for cls in SECTIONS.values():
            hints = typing.get_type_hints(cls)
            for item in fields(cls):
                self._declare(item, hints[item.name])
        node.add_on_set_parameters_callback(self._check)

    def add_check(self, check: typing.Callable[[Settings], None]) -> None:
        """Also ask `check` (which raises ConfigError) before settings are accepted."""
        self._extra_checks.append(check)

    def _declare(self, item: Field[Any], hint: Any) -> None:
        refused = (
            InvalidParameterValueException,
            InvalidParameterTypeException,
            InvalidParameterException,
        )
        name, descriptor = item.name, _descriptor(item, hint)
        self._defaults[name] = _default(item)
        try:
            given = self._node.declare_parameter(name, _default(item), descriptor).value
            if given is not None:
                rule_of(item).check(name, convert(hint, _plain(given), name))
        except (*refused, ConfigError) as error:
            self._faults[name] = str(error)
            if not self._node.has_parameter(name):
                self._node.declare_parameter(name, _default(item), descriptor, ignore_override=True)

    def _values(self) -> dict[str, Any]:
        """What is set; the default where that was refused, or is the None as which `[]` in a YAML file arrives."""
        given = {name: self._node.get_parameter(name).value for name in FIELD_SECTION}
        given = {
            name: value
            for name, value in given.items()
            if value is not None and name not in self._faults
        }
        return self._defaults | given

    def read(self) -> Settings:
        """The settings in force; ConfigError when an override was refused and not corrected since."""
        if self._faults:
            raise ConfigError("; ".join(self._faults.values()))
        return _settings(self._values())

    def _check(self, changed: Sequence[Parameter]) -> SetParametersResult:
        values = self._values() | {p.name: p.value for p in changed if p.name in FIELD_SECTION}
        try:
            settings = _settings(values)
            for check in self._extra_checks:
                check(settings)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        for parameter in changed:
            self._faults.pop(parameter.name, None)
        return SetParametersResult(successful=True)


def _settings(values: Mapping[str, Any]) -> Settings:
    sections: dict[str, Any] = {}
    for section, cls in SECTIONS.items():
        own = {
            name: _plain(value) for name, value in values.items() if FIELD_SECTION[name] == section
        }
        sections[section] = from_mapping(cls, own)
    return Settings(**sections)


def _plain(value: Any) -> Any:
    """Rclpy gives arrays as array.array or tuples, and an empty list as a list of bytes."""
    return list(value) if not isinstance(value, (str, bool, int, float, type(None))) else value
