"""ROS parameters from dataclass fields.

Declared with type, range and description, read back into one object.
"""

from __future__ import annotations

import copy
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtv_perception.config import convert, from_mapping, rule_of, to_plain
from mtv_perception.errors import ConfigError

S = TypeVar("S")
_TYPES: dict[Any, Parameter.Type] = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
    tuple[str, ...]: Parameter.Type.STRING_ARRAY,
    tuple[float, ...]: Parameter.Type.DOUBLE_ARRAY,
    tuple[int, ...]: Parameter.Type.INTEGER_ARRAY,
}
_ARRAYS = (Parameter.Type.STRING_ARRAY, Parameter.Type.DOUBLE_ARRAY, Parameter.Type.INTEGER_ARRAY)
# rclpy declares these itself, some of them only when a topic is created.
_OWN_PREFIXES = ("qos_overrides.",)


def sections_of(cls: type) -> dict[str, type]:
    """The dataclasses whose fields are parameters.

    Those of `cls` by field name, or `cls` itself under ''.
    """
    hints = typing.get_type_hints(cls)
    return hints if all(is_dataclass(hint) for hint in hints.values()) else {"": cls}


class NodeParameters(Generic[S]):
    """The settings of a node as ROS parameters.

    Each has one type for good, arrays included, so that a dump of them is a file that configures.
    Integers are taken for doubles, and an empty list for an empty list of the parameter's type. An
    override that breaks a rule does not stop the node: it keeps its error until it is set right,
    and reading the settings raises meanwhile.

    Args:
        node: where parameters are declared.
        cls: dataclass of the settings: of fields, or of dataclasses of fields.
    """

    def __init__(self, node: Node, cls: type[S]) -> None:
        self._node, self._cls, self._sections = node, cls, sections_of(cls)
        self._faults: dict[str, str] = {}
        self._types: dict[str, Parameter.Type] = {}
        self._owner: dict[str, str] = {}
        self._extra_checks: list[Callable[[S], None]] = []
        for section, part in self._sections.items():
            hints = typing.get_type_hints(part)
            for item in fields(part):
                self._owner[item.name] = section
                self._declare(item, hints[item.name])
        node.add_pre_set_parameters_callback(self._coerce_all)
        node.add_on_set_parameters_callback(self._check)

    def add_check(self, check: Callable[[S], None]) -> None:
        """Also ask `check` (which raises ConfigError) before settings are accepted."""
        self._extra_checks.append(check)

    def read(self) -> S:
        """The settings in force; ConfigError when an override was refused and not corrected since."""
        if self._faults:
            raise ConfigError("; ".join(self._faults.values()))
        return self._settings(self._values())

    def _declare(self, item: Field[Any], hint: Any) -> None:
        name, kind, value = item.name, _TYPES[hint], _default(item)
        self._types[name] = kind
        given = overrides(self._node).get(name)
        if given is not None:
            try:
                # `[]` in a parameters file arrives as no value at all.
                empty: Any = [] if kind in _ARRAYS else None
                found = empty if given.value is None else _plain(_coerced(given, kind).value)
                taken = convert(hint, found, name)
                rule_of(item).check(name, taken)
                value = to_plain(taken)
            except ConfigError as error:
                self._faults[name] = str(error)
        self._declare_typed(item, _descriptor(item, hint, kind), value)

    def _declare_typed(self, item: Field[Any], descriptor: ParameterDescriptor, value: Any) -> None:
        name, fixed = item.name, rule_of(item).read_only
        descriptor.read_only = fixed and value != []
        if value != []:
            self._node.declare_parameter(name, value, descriptor, ignore_override=True)
            return
        # rclpy would infer that an empty list is one of bytes.
        self._node.declare_parameter(name, [], descriptor, ignore_override=True)
        self._node.set_parameters([Parameter(name, self._types[name], [])])
        if fixed:
            closed = copy.deepcopy(descriptor)  # The node keeps the object that it was given.
            closed.read_only = True
            self._node.set_descriptor(name, closed)

    def _values(self) -> dict[str, Any]:
        return {name: self._node.get_parameter(name).value for name in self._types}

    def _settings(self, values: Mapping[str, Any]) -> S:
        parts: dict[str, Any] = {}
        for section, part in self._sections.items():
            own = {name: _plain(values[name]) for name in values if self._owner[name] == section}
            parts[section] = from_mapping(part, own)
        return parts[""] if "" in parts else self._cls(**parts)

    def _coerce_all(self, changed: Sequence[Parameter]) -> list[Parameter]:
        return [_coerced(p, self._types[p.name]) if p.name in self._types else p for p in changed]

    def _check(self, changed: Sequence[Parameter]) -> SetParametersResult:
        ours = {p.name: p.value for p in changed if p.name in self._types}
        if not ours:
            return SetParametersResult(successful=True)
        values = self._values() | ours
        try:
            settings = self._settings(values)
            for check in self._extra_checks:
                check(settings)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        for parameter in changed:
            self._faults.pop(parameter.name, None)
        return SetParametersResult(successful=True)


def _default(item: Field[Any]) -> Any:
    return to_plain(item.default if item.default is not MISSING else item.default_factory())  # type: ignore[misc, operator]


def _descriptor(item: Field[Any], hint: Any, kind: Parameter.Type) -> ParameterDescriptor:
    rule = rule_of(item)
    # rclpy refuses another type without naming the parameter, so our own check of types does it.
    descriptor = ParameterDescriptor(
        name=item.name, type=kind.value, description=rule.help, dynamic_typing=True
    )
    if rule.choices:
        descriptor.additional_constraints = "one of " + ", ".join(rule.choices)
    if rule.low is not None and rule.high is not None:
        if hint is float:
            bounds = FloatingPointRange(from_value=float(rule.low), to_value=float(rule.high))
            descriptor.floating_point_range = [bounds]
        elif hint is int:
            steps = IntegerRange(from_value=int(rule.low), to_value=int(rule.high), step=1)
            descriptor.integer_range = [steps]
        else:
            descriptor.additional_constraints = f"each in {rule.low:g} .. {rule.high:g}"
    return descriptor


def _coerced(given: Parameter, kind: Parameter.Type) -> Parameter:
    """The same value as one of type `kind` where nothing is lost by it, else `given`."""
    value = _plain(given.value)
    if kind in _ARRAYS and value == []:
        return Parameter(given.name, kind, [])
    if kind is Parameter.Type.DOUBLE and given.type_ is Parameter.Type.INTEGER:
        return Parameter(given.name, kind, float(value))
    if kind is Parameter.Type.DOUBLE_ARRAY and given.type_ is Parameter.Type.INTEGER_ARRAY:
        return Parameter(given.name, kind, [float(number) for number in value])
    return given


def _plain(value: Any) -> Any:
    """Rclpy gives arrays as array.array or tuples."""
    return list(value) if not isinstance(value, (str, bool, int, float, type(None))) else value


def overrides(node: Node) -> Mapping[str, Parameter]:
    """What the command line, its parameters files and the caller set.

    Rclpy has no public way to ask for it.
    """
    return typing.cast("Mapping[str, Parameter]", getattr(node, "_parameter_overrides", {}))


def unused_overrides(node: Node) -> list[str]:
    """One sentence for each parameter that was set at start and that the node does not have."""
    declared = node.list_parameters([], 0).names
    unknown = [n for n in overrides(node) if n not in declared and not n.startswith(_OWN_PREFIXES)]
    found = []
    for name in unknown:
        near = get_close_matches(name, declared, 1)
        perhaps = f" Perhaps {near[0]!r} is meant." if near else ""
        found.append(
            f"parameter {name!r} was set, but this node has none of that name; it is ignored.{perhaps}"
        )
    return found
