import pytest

from mtv_perception.errors import ConfigError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.process.params_file import (
    matches,
    read_params_file,
    unmatched,
    unmatched_rules,
)

GOOD = """
# all nodes of a robot
/**:
  ros__parameters: {use_sim_time: false}
perception:
  ros__parameters:
    cameras: [front, "rear"]
    camera_weights: [1.0, 2.5e-1]
    nested: {deep: [true, no]}
robot1:
  zones:
    ros__parameters:
      zones_file: /etc/zones.yaml
"""


def write(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_keys_of_a_right_file_are_told(tmp_path):
    assert read_params_file(write(tmp_path, GOOD)).keys == ("/**", "/perception", "/robot1/zones")


@pytest.mark.parametrize("path", ["perception.yaml"])
def test_our_own_files_are_right(path):
    assert read_params_file(SOURCE_ROOT / "config" / path).keys == ("/**",)


@pytest.mark.parametrize("content", ["", "# nothing but a comment\n", "---\n"])
def test_a_file_without_any_setting_is_no_error(tmp_path, content):
    assert read_params_file(write(tmp_path, content)).keys == ()


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("perception:\n  ros_parameters:\n    a: 1\n", 2, "ros__parameters.*two underscores"),
        ("perception:\n  ros__parameter:\n    a: 1\n", 2, "ros__parameters"),
        ("perception:\n  parameters: 3\n", 2, "ros__parameters"),
        ("perception:\n  a: 1\n", 2, "ros__parameters.*got `a: '1'`"),
        ("perception:\n", 1, "got `perception: nothing`"),
        ("a: 1\n", 1, "node name"),
        ("[1, 2]\n", 1, "node names.*got a list"),
        ("hello\n", 1, "node names.*got 'hello'"),
        ("perception:\n\tros__parameters:\n", 2, "a tab"),
        ("perception:\n  ros__parameters:\n  \ta: 1\n", 3, "a tab"),
        ("/**:\n  ros__parameters: 3\n", 2, "got '3'"),
        ("/**:\n  ros__parameters: [a]\n", 2, "got a list"),
        ("/**:\n  ros__parameters:\n    a: [15, 0.0]\n", 3, "a: .*double and integer.*15.0"),
        ("/**:\n  ros__parameters:\n    a: [1, x]\n", 3, "a: .*integer and string"),
        ("/**:\n  ros__parameters:\n    a: [true, x]\n", 3, "a: .*boolean and string"),
        ("/**:\n  ros__parameters:\n    a:\n      b: [[1], [2]]\n", 4, "a.b: .*list within"),
        ("/**:\n  ros__parameters:\n    a: {b: 1\n", 4, "expected YAML"),
        ("/**:\n  ros__parameters:\n    a: 'x\n", 4, "expected YAML"),
        ("/**:\n  ros__parameters:\n", 2, "got nothing"),
        ("/**:\n  ros__parameters: ~\n", 2, "got nothing"),
        ("/**:\n  ros__parameters:\n    a: 1\n    b: 2\n    a: 3\n", 5, "once, got 'a' in line 3"),
        ("/**:\n  ros__parameters:\n    a:\n      b: 1\n      b: 1\n", 5, "got 'b' in line 4"),
        ("/**: {ros__parameters: {}}\n---\n/**: {}\n", 2, "expected YAML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_line_and_cure(tmp_path, content, line, said):
    path = write(tmp_path, content)
    with pytest.raises(ConfigError, match=said) as caught:
        read_params_file(path)
    assert str(caught.value).startswith(f"{path}:{line}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe/\0*\0", b"caf\xe9: 1\n", bytes(range(128, 200))])
def test_other_encodings_are_named(tmp_path, content):
    path = write(tmp_path, content)
    with pytest.raises(ConfigError, match=rf"{path}: expected .* UTF-8"):
        read_params_file(path)


def test_a_byte_order_mark_is_no_error(tmp_path):
    assert read_params_file(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())).keys


@pytest.mark.parametrize("name", ["missing.yaml", ".", "file/below.yaml"])
def test_what_can_not_be_read_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"could not read the parameters file: \w"):
        read_params_file(tmp_path / name)


@pytest.mark.parametrize(
    ("key", "node", "fits"),
    [
        ("/**", "/perception", True),
        ("/**", "/a/b/c", True),
        ("/*", "/perception", True),
        ("/*", "/a/perception", False),
        ("/perception", "/perception", True),
        ("/perception", "/robot1/perception", False),
        ("/**/perception", "/robot1/perception", True),
        ("/**/perception", "/perception", True),
        ("/*/perception", "/robot1/perception", True),
        ("/robot1/**", "/robot1/perception", True),
        ("/robot1/**", "/robot2/perception", False),
        ("/perception_node", "/perception", False),
    ],
)
def test_keys_match_node_names_as_in_ros(key, node, fits):
    assert matches(key, node) == fits


@pytest.mark.parametrize(
    ("key", "node", "named"),
    [
        ("perception_node", "/perception", ["/perception_node"]),
        ("percepton", "/perception", ["/percepton"]),
        ("perception", "/robot1/perception", ["/perception"]),
        ("robot2/perception", "/robot1/perception", ["/robot2/perception"]),
        ("zones", "/perception", ["/zones"]),
    ],
)
def test_a_file_whose_keys_do_not_fit_the_node_is_named(tmp_path, key, node, named):
    file = read_params_file(write(tmp_path, f"{key}: {{ros__parameters: {{a: 1}}}}\n"))
    (warning,) = unmatched([file], node)
    assert str(file.path) in warning and node in warning
    assert all(name in warning for name in named)


def test_a_near_miss_is_named_even_where_another_key_fits(tmp_path):
    file = read_params_file(
        write(
            tmp_path, "/**: {ros__parameters: {a: 1}}\nperception_node: {ros__parameters: {b: 1}}"
        )
    )
    assert "/perception_node" in unmatched([file], "/perception")[0]


def test_settings_of_other_nodes_beside_ours_are_no_miss(tmp_path):
    file = read_params_file(write(tmp_path, GOOD))
    assert unmatched([file], "/perception") == []
    assert "no parameters at all" in unmatched([read_params_file(write(tmp_path, ""))], "/x")[0]


@pytest.mark.parametrize(
    ("rule", "node", "cure"),
    [
        ("perseption:score_threshold:=0.9", "/perception", "-p score_threshold:=0.9"),
        ("perception:model:=a:=b", "/robot1/perception", "-p model:=a:=b"),
        ("perception:track:=true", "/perception", ""),
        ("score_threshold:=0.9", "/perception", ""),
        ("device:=rstp://a:=b", "/perception", ""),
    ],
)
def test_a_rule_for_another_node_is_told(rule, node, cure):
    found = unmatched_rules(["--ros-args", "-r", "a:=b", "-p", rule], node)
    assert [text.rpartition(": ")[2] for text in found] == ([cure] if cure else [])
    assert all(node in text for text in found)
