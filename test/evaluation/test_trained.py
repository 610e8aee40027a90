from pathlib import Path

import pytest

from mtv_perception.data.sample import Dataset, Sample
from mtv_perception.evaluation.trained import NotTrained
from mtv_perception.labels import WAREHOUSE
from mtv_perception.runtime.artefact import ModelSpec, Trained


@pytest.mark.parametrize(
    ("trained", "boxes", "masks"),
    [
        (Trained(), (), ()),
        (Trained(masks=()), (), ("rail", "person", "forklift")),
        (Trained(("person",), ("rail",)), ("rail", "forklift"), ("person", "forklift")),
    ],
)
def test_classes_that_were_never_labelled_are_not_scored(trained, boxes, masks):
    lacking = NotTrained.of(ModelSpec("x", trained=trained))
    assert lacking == NotTrained.of_trained(trained, WAREHOUSE) == NotTrained(boxes, masks)
    sample = Sample(Path("a.png"), (4, 4), box_classes=(2, 3), mask_classes=(1, 2))
    (found,) = lacking.restrict(Dataset("d", WAREHOUSE, (sample,))).samples
    names = WAREHOUSE.names
    assert [names[i] for i in found.box_classes] == [
        n for n in ("person", "forklift") if n not in boxes
    ]
    assert [names[i] for i in found.mask_classes] == [
        n for n in ("rail", "person") if n not in masks
    ]
