import importlib.util
import typing
from dataclasses import fields

import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

import rclpy
from rclpy.parameter import Parameter

from mtv_perception.config import from_mapping, rule_of, to_plain
from mtv_perception.errors import ConfigError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.parameters import NodeParameters, unused_overrides
from mtv_perception.ros.perception.config import (
    FIELD_SECTION,
    SECTIONS,
    NodeConfig,
    RobotPerceiverConfig,
    Settings,
)

CONFIG = SOURCE_ROOT / "config" / "perception.yaml"
DEFAULTS = {name: value for cls in SECTIONS.values() for name, value in to_plain(cls()).items()}
HINTS = {
    name: hint for cls in SECTIONS.values() for name, hint in typing.get_type_hints(cls).items()
}
FIELDS = [item for cls in SECTIONS.values() for item in fields(cls)]

field_of = pytest.mark.parametrize("item", FIELDS, ids=lambda item: item.name)


@pytest.fixture
def make_node(ros):
    """Builds nodes with NodeParameters; arguments as on a command line."""
    nodes = []

    def make(*arguments):
        cli = ["--ros-args", *arguments] if arguments else None
        nodes.append(
            rclpy.create_node(
                "perception", context=ros.context, cli_args=cli, use_global_arguments=False
            )
        )
        return nodes[-1], NodeParameters(nodes[-1], Settings)

    yield make
    for node in nodes:
        node.destroy_node()


def test_no_two_settings_share_a_name():
    assert len(FIELD_SECTION) == len(FIELDS)


@field_of
def test_every_setting_is_a_parameter_with_description_default_and_range(make_node, item):
    node, _ = make_node()
    descriptor, rule = node.describe_parameter(item.name), rule_of(item)
    assert rule.help and descriptor.description == rule.help
    assert descriptor.read_only == rule.read_only
    assert [*rule.choices] == [c for c in rule.choices if c in descriptor.additional_constraints]
    value = node.get_parameter(item.name).value
    assert (list(value) if isinstance(DEFAULTS[item.name], list) else value) == DEFAULTS[item.name]
    numeric = HINTS[item.name] in (int, float)
    ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
    assert [(found.from_value, found.to_value) for found in ranges] == [
        (rule.low, rule.high)
    ] * numeric


def test_defaults_are_read_back_as_the_dataclasses_defaults(make_node):
    _, declared = make_node()
    assert declared.read() == Settings(NodeConfig(), RobotPerceiverConfig())


def differences(text):
    """What a parameters file lacks, has too many, and has with another value, a line each."""
    found = yaml.safe_load(text)["/**"]["ros__parameters"]
    lines = []
    for name in [*DEFAULTS, *(name for name in found if name not in DEFAULTS)]:
        expected, got = ({name: values.get(name)} for values in (DEFAULTS, found))
        if name not in found:
            lines.append(f"config/perception.yaml lacks {yaml.safe_dump(expected).strip()}")
        elif name not in DEFAULTS:
            lines.append(f"config/perception.yaml has {name}, which is no parameter")
        elif expected != got or type(expected[name]) is not type(got[name]):
            lines.append(f"config/perception.yaml says {got}, the default is {expected}")
    return lines


def test_the_commented_file_holds_every_parameter_at_its_default():
    found = differences(CONFIG.read_text(encoding="utf-8"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    track: false\n", "", "lacks track: false"),
        ("    track: false\n", "    track: true\n", "says {'track': True}"),
        ("    track: false\n", "    track: false\n    trakc: 1\n", "has trakc, which is no"),
    ],
)
def test_a_commented_file_that_differs_is_told_by_its_key(old, new, told):
    text = CONFIG.read_text(encoding="utf-8")
    assert old in text
    (line,) = differences(text.replace(old, new))
    assert told in line


def test_ros_reads_the_commented_file_as_the_defaults(make_node):
    _, declared = make_node("--params-file", str(CONFIG))
    assert declared.read() == Settings(NodeConfig(), RobotPerceiverConfig())


@pytest.fixture
def parameter_table():
    """The program that writes the page of parameters."""
    path = SOURCE_ROOT / "tools" / "parameter_table.py"
    spec = importlib.util.spec_from_file_location("parameter_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_guide_has_the_tables_of_parameters(parameter_table):
    text = parameter_table.PAGE.read_text(encoding="utf-8")
    assert parameter_table.page() == text, "run tools/parameter_table.py"


def test_the_guide_has_every_node(parameter_table):
    programs = {path.name for path in (SOURCE_ROOT / "scripts").glob("*_node")}
    assert set(parameter_table.tables()) == programs


@pytest.mark.parametrize(
    ("node", "row"),
    [
        ("perception_node", "| `track` |"),
        ("zones_node", "| `zones_file` |"),
        ("ranging_node", "| `floor_cell` |"),
        ("recorder_node", "| `bag` |"),
        ("web_view_node", "| `port` |"),
        ("image_replay_node", "| `speed` |"),
        ("state_log_node", "| `file` |"),
    ],
)
def test_a_row_that_is_missing_from_the_guide_is_noticed(
    parameter_table, node, row, tmp_path, monkeypatch
):
    right = parameter_table.PAGE.read_text(encoding="utf-8")
    before, section = right.split(f"## {node}\n")
    wrong = section.replace(section[section.index(row) :].splitlines(True)[0], "", 1)
    page = tmp_path / "parameters.md"
    page.write_text(before + f"## {node}\n" + wrong, encoding="utf-8")
    monkeypatch.setattr(parameter_table, "PAGE", page)
    assert page.read_text(encoding="utf-8") != right == parameter_table.page()


def test_overrides_are_read_back(make_node):
    _, declared = make_node(
        "-p", "cameras:=[front,rear]", "-p", "max_age:=3", "-p", "mask_size:=network"
    )
    settings = declared.read()
    assert settings.node.cameras == ("front", "rear")
    assert (settings.node.max_age, settings.perceiver.mask_size) == (3.0, "network")


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("score_threshold", "5.0", 0.5),
        ("score_threshold", "high", 0.5),
        ("score_threshold", ".nan", 0.5),
        ("max_detections", "0", 7),
        ("max_detections", "1.5", 7),
        ("max_detections", "true", 7),
        ("mask_size", "huge", "network"),
        ("publish_mask", "1", False),
        ("class_score_thresholds", "[1, 2]", ["person=0.5"]),
        ("model", "7", "warehouse"),
    ],
)
def test_a_wrong_override_is_a_fault_until_it_is_set_right(make_node, name, wrong, right):
    node, declared = make_node("-p", f"{name}:={wrong}", "-p", "max_age:=high")
    with pytest.raises(ConfigError, match=f"{name}.*|max_age.*"):
        declared.read()
    assert node.set_parameters([Parameter("max_age", value=1.0)])[0].successful
    with pytest.raises(ConfigError, match=name):
        declared.read()
    assert node.set_parameters([Parameter(name, value=right)])[0].successful
    values = {**to_plain(declared.read().node), **to_plain(declared.read().perceiver)}
    assert (values[name], values["max_age"]) == (right, 1.0)


def test_parameters_set_together_are_accepted_or_refused_together(make_node):
    node, declared = make_node()
    good, bad = Parameter("max_age", value=9.0), Parameter("score_threshold", value=9.0)
    assert not node.set_parameters_atomically([good, bad]).successful
    assert declared.read().node.max_age == 0.0


def test_a_parameter_can_not_be_removed(make_node):
    node, declared = make_node()
    assert not node.set_parameters([Parameter("max_age", Parameter.Type.NOT_SET)])[0].successful
    assert declared.read().node.max_age == 0.0


def test_additional_checks_are_asked(make_node):
    node, declared = make_node()

    def check(settings):
        if settings.node.max_age > 5:
            raise ConfigError("too old for us")

    declared.add_check(check)
    assert node.set_parameters([Parameter("max_age", value=6.0)])[0].reason == "too old for us"
    assert node.set_parameters([Parameter("max_age", value=4.0)])[0].successful


@pytest.mark.parametrize("name", ["camera_weights", "camera_max_rates"])
@pytest.mark.parametrize(
    ("cameras", "values", "reason"),
    [
        (["a", "b"], [1.0], "expected 2 numbers"),
        (["a", "b"], [1.0, 1.0, 1.0], "expected 2 numbers"),
        ([], [1.0, 1.0], "expected 1 numbers"),
        (["a", "b"], [1.0, -1.0], "0.*1"),
        (["a", "b"], [1.0, 1e9], "0.*1"),
        (["a", "b"], [1.0, float("nan")], "finite"),
        (["a", "b"], ["1", "2"], "expected float"),
        (["a", "b"], 1.0, "expected a list"),
    ],
)
def test_each_camera_needs_a_number_of_its_own_in_range(name, cameras, values, reason):
    with pytest.raises(ConfigError, match=f"{name}.*{reason}"):
        from_mapping(NodeConfig, {"cameras": cameras, name: values})


def test_numbers_of_cameras_are_read_back(make_node):
    _, declared = make_node(
        "-p", "cameras:=[a,b]", "-p", "camera_weights:=[3,1]", "-p", "camera_max_rates:=[15.0,0.0]"
    )
    node = declared.read().node
    assert (node.camera_weights, node.camera_max_rates) == ((3.0, 1.0), (15.0, 0.0))
    _, declared = make_node("-p", "camera_max_rates:=[5.0]")
    assert declared.read().node.camera_max_rates == (5.0,)


def test_numbers_of_cameras_can_be_changed_to_fitting_ones_only(make_node):
    node, declared = make_node("-p", "cameras:=[a,b]")
    assert not node.set_parameters([Parameter("camera_weights", value=[1.0])])[0].successful
    assert node.set_parameters([Parameter("camera_weights", value=[1.0, 2.0])])[0].successful
    assert declared.read().node.camera_weights == (1.0, 2.0)


@pytest.mark.parametrize(
    "names", [["a", "a"], [""], ["front cam"], ["1st"], ["/front"], ["front/left"]]
)
def test_camera_names_must_be_different_and_fit_into_topics(names):
    with pytest.raises(ConfigError, match="cameras"):
        from_mapping(NodeConfig, {"cameras": names})


TYPES = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
    tuple[float, ...]: Parameter.Type.DOUBLE_ARRAY,
}


@field_of
def test_every_parameter_has_one_type_and_keeps_it(make_node, item):
    node, _ = make_node()
    kind = TYPES.get(HINTS[item.name], Parameter.Type.STRING_ARRAY)
    descriptor = node.describe_parameter(item.name)
    assert descriptor.type == kind.value
    assert node.get_parameter(item.name).get_parameter_value().type == kind.value


def dumped(node):
    """What `ros2 param dump` writes."""
    values = {name: node.get_parameter(name).value for name in DEFAULTS}
    plain = {n: list(v) if isinstance(DEFAULTS[n], list) else v for n, v in values.items()}
    return yaml.safe_dump({"/perception": {"ros__parameters": plain}})


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"cameras": "[front,rear]", "camera_weights": "[3,1]", "camera_max_rates": "[15.0,0.5]"},
        {"suppress_absent": "[rail]", "class_score_thresholds": '["person=0.3"]', "max_age": "3"},
    ],
    ids=len,
)
def test_a_dump_of_a_node_configures_another_one_alike(make_node, tmp_path, given):
    node, declared = make_node(*[w for n, v in given.items() for w in ("-p", f"{n}:={v}")])
    path = tmp_path / "dump.yaml"
    path.write_text(dumped(node), encoding="utf-8")
    other, again = make_node("--params-file", str(path))
    assert again.read() == declared.read()
    assert dumped(other) == dumped(node)


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("max_age", 3, 3.0),
        ("score_threshold", 1, 1.0),
        ("camera_weights", [2], [2.0]),
        ("camera_weights", [], []),
        ("suppress_absent", [], []),
        ("class_score_thresholds", [], []),
    ],
)
def test_integers_are_taken_for_doubles_and_empty_lists_for_any(make_node, name, given, taken):
    node, _ = make_node()
    before = node.describe_parameter(name).type
    assert node.set_parameters([Parameter(name, value=given)])[0].successful
    value = node.get_parameter(name).value
    assert (list(value) if isinstance(taken, list) else value) == taken
    assert isinstance(value, float) == isinstance(taken, float)
    assert node.get_parameter(name).get_parameter_value().type == before


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("max_age", "3"),
        ("max_age", True),
        ("max_detections", 5.0),
        ("track", 1),
        ("camera_weights", ["a"]),
        ("suppress_absent", [1]),
        ("model", 7),
    ],
)
def test_other_types_are_refused_and_the_value_stays(make_node, name, given):
    node, declared = make_node()
    before = declared.read()
    result = node.set_parameters([Parameter(name, value=given)])[0]
    assert not result.successful and name in result.reason
    assert declared.read() == before


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("score_treshold", "score_threshold"),
        ("Model", "model"),
        ("use_simtime", "use_sim_time"),
        ("xyzzy", None),
    ],
)
def test_a_parameter_that_does_not_exist_is_told_with_the_nearest_name(make_node, name, near):
    node, _ = make_node("-p", f"{name}:=1", "-p", "max_age:=1.0")
    (warning,) = unused_overrides(node)
    assert repr(name) in warning
    assert near is None or repr(near) in warning


def test_what_rclpy_declares_itself_is_no_unknown_parameter(make_node):
    node, _ = make_node("-p", "use_sim_time:=true", "-p", "qos_overrides./x.publisher.depth:=3")
    assert unused_overrides(node) == []
