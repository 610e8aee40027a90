import numpy as np

from mtv_perception.cli.bench import turns


def test_each_run_sees_the_same_inputs_in_the_same_order():
    seen = {"a": [], "b": []}

    def note(name):
        def run(value):
            seen[name].append(value)
            return (float(value), 1.0)

        return run

    taken = turns.in_turns({name: note(name) for name in seen}, [3, 4, 5], 25)

    assert taken["a"].shape == (25, 2)
    assert taken["a"][:, 0].tolist() == [[3.0, 4.0, 5.0][i % 3] for i in range(25)]
    assert np.array_equal(taken["a"], taken["b"])
    assert seen["a"] == seen["b"]


def test_they_take_turns():
    order = []
    turns.in_turns(
        {name: lambda _, name=name: (order.append(name), (0.0,))[1] for name in "ab"}, [0], 30
    )
    counted = order[40:]

    assert "".join(counted).count("ab") == 3


def test_one_run_alone_has_nothing_to_recover_from():
    calls = []
    turns.in_turns({"a": lambda value: (calls.append(value), (0.0,))[1]}, [0], 30)

    assert len(calls) == 20 + 30


def test_nothing_comes_first_where_images_rest():
    taken = turns.in_turns({"a": lambda _: (turns.clock(sum, ()),)}, [0], 3, rest_ms=1.0)

    assert (taken["a"] >= 0).all()


def test_percentiles():
    found = turns.percentiles(np.arange(101.0))

    assert found == {"p10": 10.0, "p50": 50.0, "p95": 95.0, "p99": 99.0}
