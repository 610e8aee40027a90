"""YAML that would take long, lose a key or can't be told is refused with its line."""

import time

import pytest
import yaml

from mtv_perception.yaml_text import parse_yaml


def merges(first, repeat, levels):
    """Mappings that each merge the one before several times."""
    merged = [
        f"b{n}: &b{n} {{<<: [{', '.join([f'*b{n - 1}'] * repeat)}]}}\n" for n in range(1, levels)
    ]
    return f"b0: &b0 {first}\n{''.join(merged)}"


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 10_000 + "]" * 10_000,
        "{a: " * 3000 + "}" * 3000,
        "\n".join(" " * depth + "a:" for depth in range(3000)),
        "- " * 5000,
        "? " * 5000,
    ],
    ids=["lists", "mappings", "block", "items", "keys"],
)
def test_what_is_nested_deeply_is_refused_soon(text):
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"nested more than 100 deep(.|\n)*line \d+"):
        parse_yaml(text)
    assert time.process_time() - begun < 5


def test_a_hundred_levels_are_read():
    assert str(parse_yaml("[" * 100 + "]" * 100)) == "[" * 100 + "]" * 100


def test_merges_of_merges_are_read_soon():
    begun = time.process_time()
    found = parse_yaml(merges("{x: 1, y: 2}", 20, 9))
    assert found["b8"] == {"x": 1, "y": 2}
    assert time.process_time() - begun < 5


def test_a_merge_gives_what_it_gave():
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: [*b, *a], y: 5}\nd: {y: 7, <<: *b}\n"
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [("{1: a, 0x1: b}", "0x1"), ("{1: a, true: b}", "true"), ('{yes: a, "yes": b}', "yes")],
)
def test_two_keys_that_are_one_in_a_dict_are_refused(text, key):
    with pytest.raises(ValueError, match=rf"the key '{key}' stands twice\n.*line 1"):
        parse_yaml(text)


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 20_000])
def test_a_number_of_too_many_digits_is_refused(number):
    with pytest.raises(ValueError, match=r"at most 100 digits, got \d+\n.*line 1"):
        parse_yaml(f"a: {number}")
