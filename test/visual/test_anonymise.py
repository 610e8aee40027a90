import json
import sys

import cv2
import numpy as np
import pytest

from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.visual.anonymise import BLOCKS, anonymised

PERSON = 2


def noise(height=120, width=160, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def slope(height=120, width=160):
    """Every block of it has a mean of its own."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([255 * rows // height, 255 * columns // width, 0 * rows], -1).astype(np.uint8)


def cells(*rectangles, size_hw=(30, 40)):
    """Cells `(h, w)`; rectangles are top, left, bottom, right."""
    people = np.zeros(size_hw, bool)
    for top, left, bottom, right in rectangles:
        people[top:bottom, left:right] = True
    return people


def colours(pixels):
    return len(np.unique(pixels.reshape(-1, 3), axis=0))


def test_an_image_without_people_is_an_equal_copy():
    image = noise()

    hidden = anonymised(image, cells())

    assert np.array_equal(hidden, image)
    assert not np.shares_memory(hidden, image)


@pytest.mark.parametrize("size_hw", [(120, 160), (121, 163), (37, 53), (480, 640), (9, 7)])
def test_people_are_a_few_blocks_and_everything_else_stays(size_hw):
    image = noise(*size_hw)
    before = image.copy()
    people = cells((5, 5, 25, 15))

    hidden = anonymised(image, people)

    inside = people[
        np.arange(size_hw[0])[:, None] * 30 // size_hw[0],
        np.arange(size_hw[1])[None] * 40 // size_hw[1],
    ]
    assert np.array_equal(hidden[~inside], image[~inside])
    assert colours(hidden[inside]) <= BLOCKS**2
    assert np.array_equal(image, before)


def test_nothing_finer_than_a_block_remains():
    """Whatever the pixels of a block are: with one mean they give one picture."""
    image, people = noise(), cells((0, 0, 20, 20))
    shuffled = image.copy()
    rng = np.random.default_rng(1)
    for top in range(0, 80, 20):
        for left in range(0, 80, 20):
            block = shuffled[top : top + 20, left : left + 20]
            block[:] = rng.permutation(block.reshape(-1, 3)).reshape(block.shape)

    assert not np.array_equal(image, shuffled)
    assert np.array_equal(
        anonymised(image, people)[:80, :80], anonymised(shuffled, people)[:80, :80]
    )


@pytest.mark.parametrize("scale", [1, 2, 5])
def test_blocks_grow_with_the_person(scale):
    image = slope(120 * scale, 160 * scale)

    hidden = anonymised(image, cells((4, 4, 24, 12)))[
        16 * scale : 96 * scale, 16 * scale : 48 * scale
    ]

    # 80 x 32 pixels at scale 1: blocks of 20 x 16.
    assert colours(hidden) == BLOCKS * 2
    assert colours(hidden[: 20 * scale, : 16 * scale]) == 1


def test_a_small_person_is_not_left_as_it_was():
    image = noise()

    hidden = anonymised(image, cells((10, 10, 12, 12)))[40:48, 40:48]

    assert colours(hidden) == 1


def test_people_who_touch_are_pixelated_together():
    image = noise()

    hidden = anonymised(image, cells((4, 4, 24, 12), (10, 12, 14, 32)))

    assert colours(hidden[16:96, 16:128]) - colours(image[16:96, 16:128]) < 0
    # One block of 112 / 4 pixels, where alone it would be one of 20.
    assert colours(hidden[16 : 16 + 26, 16 : 16 + 26]) == 1


def test_an_image_of_which_nothing_is_known_is_pixelated_wholly():
    hidden = anonymised(noise(), None)

    assert colours(hidden) <= BLOCKS**2


@pytest.mark.parametrize(
    ("image", "people"),
    [
        (np.zeros((4, 4), np.uint8), cells()),
        (noise(), np.zeros((3, 3, 3), bool)),
        (noise(), np.zeros((0, 4), bool)),
    ],
)
def test_other_shapes_are_refused(image, people):
    with pytest.raises(ValueError, match=r"Expected an image \(H, W, 3\) and cells \(h, w\), got"):
        anonymised(image, people)


def masked(folder):
    """Images, true pixels of people, and those that are known to be none."""
    for item in json.loads((folder / "annotations.json").read_text(encoding="utf-8"))["images"]:
        path = (folder / "masks" / item["file_name"]).with_suffix(".png")
        if path.is_file():
            mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            yield folder / "images" / item["file_name"], mask == PERSON, mask == 0


def boxed(folder):
    """The same for people that are only boxed: boxes hold some background."""
    content = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    for item in content["images"]:
        person = np.zeros((item["height"], item["width"]), bool)
        for known in content["annotations"]:
            if known["image_id"] == item["id"] and known["category_id"] == PERSON:
                left, top, width, height = map(int, known["bbox"])
                person[top : top + height, left : left + width] = True
        yield folder / "images" / item["file_name"], person, ~person


@pytest.mark.parametrize(
    ("name", "truth", "least"),
    [("coco_person", masked, 0.97), ("forklift_person/val", boxed, 0.96)],
)
def test_share_of_true_person_pixels_that_is_pixelated(
    real_data, model, record_property, name, truth, least
):
    """With the settings that every command has by default.

    docs/how-to/anonymise.md has the figures. The model was trained on the first, not on the second.
    """
    perceiver = Perceiver(load_artefact(model), PerceiverConfig(anonymise=True))
    counts = np.zeros(4)
    for path, person, other in truth(real_data / name):
        people = perceiver(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)).people
        # Measured on the pixels themselves: noise changes where it is pixelated.
        before = noise(*person.shape)
        covered = (anonymised(before, people) != before).any(2)
        counts += [part.sum() for part in (covered & person, person, covered & other, other)]
    share, lost = counts[0] / counts[1], counts[2] / counts[3]
    record_property("person_pixels_covered", round(float(share), 4))
    record_property("other_pixels_lost", round(float(lost), 4))
    sys.stdout.write(f"{name}: covers {share:.4f} of people, {lost:.4f} of everything else\n")
    assert share >= least
    assert lost < 0.6
