import math
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception import config as config_module
from mtv_perception.config import (
    Rule,
    convert,
    from_mapping,
    load,
    read_yaml,
    rule_of,
    setting,
    to_plain,
)
from mtv_perception.errors import ConfigError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.yaml_text import format_yaml, parse_yaml


@dataclass(frozen=True)
class Inner:
    size_hw: tuple[int, int] = (1, 2)
    share: float = setting(0.5, "A share.", low=0.0, high=1.0)


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = setting(3, "How many.", low=1, high=10)
    on: bool = False
    ratio: float = 1.0
    kind: str = setting("a", "Which.", choices=("a", "b"))
    names: tuple[str, ...] = ()
    rates: tuple[float, ...] = setting((0.5,), "Rates.", low=0.0, high=9.0)
    pairs: tuple[tuple[float, float], ...] = ()
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    folder: Path | None = None
    limit: int | None = None
    anything: Any = None
    made: int = field(default=7, init=False)

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise ValueError("Expected another name.")


def test_defaults_live_in_the_dataclass():
    assert from_mapping(Outer, {"name": "x"}) == Outer("x")


def test_everything_at_once():
    values = {
        "name": "x",
        "count": 10,
        "on": True,
        "ratio": 2,
        "kind": "b",
        "names": ["p", "q"],
        "rates": [1, 2.5],
        "pairs": [[1, 2], [3.5, 4]],
        "inner": {"size_hw": [5, 6]},
        "many": [{"share": 0}, {}],
        "weights": {"p": 1, 2: 0.5},
        "folder": "a/b",
        "limit": None,
        "anything": {"free": [1]},
    }

    assert from_mapping(Outer, values) == Outer(
        "x",
        10,
        True,
        2.0,
        "b",
        ("p", "q"),
        (1.0, 2.5),
        ((1.0, 2.0), (3.5, 4.0)),
        Inner((5, 6)),
        (Inner(share=0.0), Inner()),
        {"p": 1.0, "2": 0.5},
        Path("a/b"),
        None,
        {"free": [1]},
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"nmae": "x"},
            r"Outer: unknown key 'nmae' \(perhaps 'name'\); known are name, count, on, .*anything\.$",
        ),
        ({"made": 1}, "unknown key 'made'"),
        ({1: 2}, "unknown key '1'"),
        ({}, "name: a value is required and none was given"),
        ({"name": None}, "name: expected str, got None"),
        ({"name": 3}, "name: expected str, got 3"),
        ({"count": "3"}, "count: expected int, got '3'"),
        ({"count": 3.0}, r"count: expected int, got 3\.0"),
        ({"count": True}, "count: expected int, got True"),
        ({"count": 0}, r"count: expected a number in 1 \.\. 10, got 0"),
        ({"count": 11}, "got 11"),
        ({"on": 1}, "on: expected bool, got 1"),
        ({"on": "yes"}, "on: expected bool, got 'yes'"),
        ({"ratio": "1.5"}, "ratio: expected float, got '1.5'"),
        ({"ratio": False}, "ratio: expected float, got False"),
        ({"ratio": math.nan}, "ratio: expected a finite number, got nan"),
        ({"ratio": math.inf}, "ratio: expected a finite number, got inf"),
        ({"ratio": -math.inf}, "got -inf"),
        ({"ratio": 10**400}, "ratio: expected a finite number"),
        ({"kind": "c"}, "kind: expected one of a, b, got 'c'"),
        ({"names": "pq"}, "names: expected a list, got 'pq'"),
        ({"names": ["p", 2]}, r"names\[1\]: expected str, got 2"),
        ({"names": {"p": 1}}, "names: expected a list"),
        ({"rates": [1, 10]}, r"rates: expected a number in 0\.0 \.\. 9\.0, got 10"),
        ({"rates": [1, math.nan]}, "rates: expected a finite number, got nan"),
        ({"pairs": [[1, 2, 3]]}, r"pairs\[0\]: expected 2 values, got 3: \[1, 2, 3\]"),
        ({"pairs": [[1, math.nan]]}, "pairs: expected a finite number, got nan"),
        ({"inner": 5}, "inner: expected a mapping, got 5"),
        (
            {"inner": {"size": 1}},
            r"inner: unknown key 'size' \(perhaps 'size_hw'\); known are size_hw, share\.",
        ),
        ({"inner": {"size_hw": [1]}}, "inner.size_hw: expected 2 values, got 1"),
        ({"inner": {"share": 1.5}}, r"inner\.share: expected a number in 0\.0 \.\. 1\.0, got 1\.5"),
        ({"many": [{}, {"share": "x"}]}, r"many\[1\]\.share: expected float, got 'x'"),
        ({"weights": {"p": "x"}}, "weights.p: expected float, got 'x'"),
        ({"weights": {"p": math.nan}}, "weights.p: expected a finite number, got nan"),
        ({"weights": [1]}, r"weights: expected a mapping, got \[1\]"),
        ({"folder": 5}, "folder: expected Path, got 5"),
        ({"limit": "5"}, "limit: expected int, got '5'"),
        ({"name": "forbidden"}, "Outer: Expected another name"),
    ],
    ids=str,
)
def test_errors_name_the_key_what_was_expected_and_what_was_received(values, message):
    given_name = {} if not values or "name" in values else {"name": "x"}
    with pytest.raises(ConfigError, match=message):
        from_mapping(Outer, {**given_name, **values})


def test_aliases_of_aliases_do_not_make_an_endless_message(tmp_path):
    lines = ["name: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"k{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join([lines[0].replace("name", "k0"), *lines[1:], "name: *a11"]))
    values = read_yaml(path)["name"]
    with pytest.raises(ConfigError, match="name: expected str, got") as caught:
        from_mapping(Outer, {"name": values})
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_what_is_no_mapping_is_refused(values):
    with pytest.raises(ConfigError, match=r"Outer: expected a mapping, got"):
        from_mapping(Outer, values)


def test_the_place_of_a_nested_configuration_is_in_front():
    with pytest.raises(ConfigError, match=r"^camera\.inner\.share: "):
        from_mapping(Outer, {"name": "x", "inner": {"share": 3}}, where="camera")


inners = st.builds(Inner, st.tuples(st.integers(), st.integers()), st.floats(0, 1))
finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\x85\u2028\u2029\ufeff")
)
outers = st.builds(
    Outer,
    texts.filter(lambda text: text != "forbidden"),
    count=st.integers(1, 10),
    on=st.booleans(),
    ratio=finite,
    kind=st.sampled_from("ab"),
    names=st.lists(texts).map(tuple),
    rates=st.lists(st.floats(0, 9)).map(tuple),
    pairs=st.lists(st.tuples(finite, finite)).map(tuple),
    inner=inners,
    many=st.lists(inners, max_size=3).map(tuple),
    weights=st.dictionaries(texts, finite, max_size=3),
    folder=st.one_of(st.none(), st.just(Path("a/b c"))),
    limit=st.one_of(st.none(), st.integers()),
    anything=st.one_of(st.none(), st.lists(st.integers())),
)


@settings(deadline=None)
@given(outers)
def test_a_configuration_survives_plain_values_and_yaml(config):
    plain = to_plain(config)

    assert "made" not in plain
    assert from_mapping(Outer, plain) == config
    assert from_mapping(Outer, yaml.safe_load(yaml.safe_dump(plain, allow_unicode=True))) == config


def test_plain_values_are_what_json_knows():
    config = Outer("x", pairs=((1.0, 2.0),), folder=Path("a"), weights={"p": 1.0})

    plain = to_plain(config)

    assert plain["pairs"] == [[1.0, 2.0]]
    assert plain["folder"] == "a"
    assert plain["inner"] == {"size_hw": [1, 2], "share": 0.5}
    assert plain["weights"] == {"p": 1.0}


def test_a_class_is_not_taken_for_its_instance():
    assert to_plain(Inner) is Inner


def test_a_file_is_read_with_its_defaults(tmp_path):
    path = tmp_path / "outer.yaml"
    path.write_text("name: ü\nrates: [1, 2]\n", encoding="utf-8")

    assert load(Outer, path) == Outer("ü", rates=(1.0, 2.0))


def test_an_empty_file_holds_the_defaults(tmp_path):
    path = tmp_path / "inner.yaml"
    path.write_text("# nothing\n")

    assert load(Inner, path) == Inner()


@pytest.mark.parametrize("text", ["[]", "0", "false", "''", "- share: 1", "just text"])
def test_a_file_that_holds_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "inner.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"inner\.yaml: Inner: expected a mapping"):
        load(Inner, path)


def test_an_error_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "inner.yaml"
    path.write_text("share: 2\n")

    with pytest.raises(
        ConfigError, match=r"inner\.yaml: share: expected a number in 0\.0 \.\. 1\.0, got 2"
    ):
        load(Inner, path)


@pytest.mark.parametrize(
    "content",
    [
        b"a: [1, 2",
        b"a: b: c",
        b"\xff\xfe\x00",
        b"!!python/object/apply:os.getcwd []",
        b"when: 2024-13-45",
        b"[" * 1000,
    ],
    ids=["open list", "two colons", "no UTF-8", "an object", "no date", "nested without end"],
)
def test_a_file_that_is_no_safe_yaml_is_named(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"x\.yaml: can't be read as YAML"):
        read_yaml(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        read_yaml(tmp_path / "nowhere.yaml")


def test_a_field_without_a_rule_has_an_empty_one():
    fields = Outer.__dataclass_fields__

    assert rule_of(fields["name"]) == Rule("")
    assert rule_of(fields["count"]) == Rule("How many.", low=1, high=10)


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (float, 3, 3.0),
        (int, 3, 3),
        (bool, True, True),
        (Path, Path("x"), Path("x")),
        (Path, "x", Path("x")),
        (tuple[int, ...], (), ()),
        (tuple[int, ...], [1, 2], (1, 2)),
        (int | None, 5, 5),
        (Any, object, object),
        (dict[str, tuple[int, ...]], {1: [2]}, {"1": (2,)}),
    ],
    ids=str,
)
def test_conversion(hint, value, expected):
    converted = convert(hint, value, "x")

    assert converted == expected
    assert type(converted) is type(expected)


def test_bounds_hold_for_the_ends():
    rule = Rule("", low=0.0, high=1.0)

    for value in (0, 1, 0.0, 1.0, (0.5, (1.0,)), {"a": 0.5}, True, "text", None):
        rule.check("x", value)
    for value in (-1e-9, 1.0000001, 2, (0.5, 1.5), ((0.5,), (1.5,)), {"a": 1.5}):
        with pytest.raises(ConfigError, match=r"x(\.a)?: expected a number in 0\.0 \.\. 1\.0"):
            rule.check("x", value)


@dataclass(frozen=True)
class Trapped:
    flag: bool = True
    rate: float = 0.0
    count: int = 0
    word: str = ""
    rename: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("flag: no", "flag", False),
        ("flag: On", "flag", True),
        ("flag: 'true'", "flag", None),
        ("flag: 'no'", "flag", None),
        ("word: no", "word", "no"),
        ("word: OFF", "word", "OFF"),
        ("word: 012", "word", "012"),
        ("word: 1:30", "word", "1:30"),
        ("word: 1e-3", "word", None),
        ("word: true", "word", None),
        ("rate: 1e-3", "rate", 0.001),
        ("rate: 1E5", "rate", 100000.0),
        ("rate: -2e+1", "rate", -20.0),
        ("rate: .5", "rate", 0.5),
        ("rate: 3", "rate", 3.0),
        ("rate: 1_000.5", "rate", 1000.5),
        ("rate: '1e-3'", "rate", None),
        ("rate: .inf", "rate", None),
        ("count: 1_000", "count", 1000),
        ("count: 0x10", "count", 16),
        ("count: 1e3", "count", None),
        ("count: 190:20:30", "count", None),
        ("rename: {no: person, on: off}", "rename", {"no": "person", "on": "off"}),
        ("rename: {1: person}", "rename", {"1": "person"}),
        ("rename: {true: person}", "rename", None),
        ("rename: {a: x, a: y}", "rename", None),
        ("count: 1\ncount: 2", "count", None),
    ],
)
def test_traps_of_yaml_work_or_are_explained(tmp_path, text, name, value):
    path = tmp_path / "x.yaml"
    path.write_text(text + "\n")
    if value is None:
        with pytest.raises(ConfigError, match=rf"x\.yaml: .*{name}|stands twice"):
            load(Trapped, path)
    else:
        found = getattr(load(Trapped, path), name)
        assert found == value and type(found) in (type(value), float)


@pytest.mark.parametrize(
    "text",
    [
        "flag: !!bool x",
        "word: !!timestamp x",
        "count: !!int ''",
        "rate: !!float ''",
        "a: !!binary x",
        "rate: " + ":59" * 400,
        "count: " + "9" * 5000,
        "word: !!python/object:os.system x",
    ],
)
def test_a_tag_that_does_not_fit_names_the_file(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        load(Trapped, path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_with_a_byte_order_mark(tmp_path, encoding):
    path = tmp_path / "x.yaml"
    path.write_text("word: Straße", encoding=encoding)
    assert load(Trapped, path).word == "Straße"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_file_of_another_encoding_names_file_and_line(tmp_path, encoding):
    path = tmp_path / "x.yaml"
    path.write_text("count: 1\nword: Straße", encoding=encoding)
    with pytest.raises(ConfigError, match=r"x\.yaml.*0xdf in line 2"):
        load(Trapped, path)


@pytest.mark.parametrize(
    "text", ["no", "1e5", "1e-3", "012", "true", "~", "2024-01-01", "1:30", "a: b"]
)
def test_written_text_stays_text(text):
    assert parse_yaml(format_yaml({"word": text})) == {"word": text}
    assert yaml.safe_load(format_yaml({"word": text})) == {"word": text}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["count=7"], Outer("a", count=7)),
        (["name=b", "rates=[1, 2]"], Outer("b", rates=(1.0, 2.0))),
        (["inner.share=.25"], Outer("a", inner=Inner(share=0.25))),
        (["rates.0=5", "rates.1=6"], Outer("a", rates=(5.0, 6.0))),
    ],
)
def test_settings_on_the_command_line_replace_those_of_the_file(tmp_path, overrides, expected):
    path = tmp_path / "a.yaml"
    path.write_text("name: a\nrates: [3, 4]\n" if "rates" in str(overrides) else "name: a\n")
    assert load(Outer, path, overrides) == expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("count", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("a..b=3", "expected KEY=VALUE"),
        ("name.x=3", "name.x=3: expected a setting of the file"),
        ("rates.9=3", "rates.9=3: expected a setting of the file"),
        ("rates.x=3", "rates.x=3: expected a setting of the file"),
        ("cuont=3", "unknown key 'cuont'"),
    ],
)
def test_a_wrong_setting_on_the_command_line_is_explained(tmp_path, override, message):
    path = tmp_path / "a.yaml"
    path.write_text("name: a\nrates: [3, 4]\n")
    with pytest.raises(ConfigError, match=message):
        load(Outer, path, [override])


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match=r"a\.yaml: expected a YAML file, got a pipe"):
        read_yaml(tmp_path / "a.yaml")


def test_a_device_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(config_module, "_LARGEST_BYTES", 1000)
    with pytest.raises(ConfigError, match=r"/dev/zero: expected a YAML file of at most 1000 bytes"):
        read_yaml(Path("/dev/zero"))


def test_the_output_of_a_command_is_read(tmp_path):
    code = "import sys; from pathlib import Path; from mtv_perception.config import read_yaml; "
    code += "print(read_yaml(Path(sys.argv[1])))"
    line = f"{sys.executable} -c '{code}' <(sleep 0.5; echo 'a: 1')"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "{'a': 1}\n"
