import argparse
import sys

import pytest

pytest.importorskip("ai_edge_litert", reason="needs LiteRT")

from mtv_perception.errors import ArtefactError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.runtime.models import find_model

sys.path.insert(0, str(SOURCE_ROOT / "tools"))
import fuzz_models

KINDS = {function.__name__ for function in fuzz_models.NETWORK} | {"bytes"}
KINDS |= {"model.yaml", "self_test.npz"}


@pytest.fixture(scope="module", autouse=True)
def model():
    """The name of a model that comes with the package."""
    try:
        find_model("warehouse-small")
    except ArtefactError as error:
        pytest.skip(f"no model to mutate: {error}")


def test_a_few_mutations_leave_the_serving_process_as_it_was():
    args = argparse.Namespace(mutations=12, batch=12, seconds=1.0, seed=3, model="warehouse-small")
    total, slowest, cpu = fuzz_models.run(args)
    kinds = {name.removeprefix("kind "): n for name, n in total.items() if "kind" in name}
    assert sum(kinds.values()) == 12 and kinds.keys() <= KINDS
    assert not [name for name, count in total.items() if name.startswith("error") and count]
    assert total["accepted"] < 12 and slowest > 0 and cpu > 0


def test_a_crash_of_the_serving_process_is_counted(monkeypatch):
    """A model that passes for one that ends this process, in a batch that is run here."""
    args = argparse.Namespace(mutations=2, batch=2, seconds=60.0, seed=3, model="nowhere")
    with pytest.raises(ArtefactError):
        fuzz_models.run(args)
    monkeypatch.setattr(fuzz_models, "batch", end_this_process)
    total, _, _ = fuzz_models.run(args)
    assert total["error: the serving process ended"] == 1


def end_this_process(*_):
    """In the place of a batch."""
    import os

    os.abort()
