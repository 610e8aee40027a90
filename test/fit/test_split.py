"""Images that look alike stay on one side."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mtv_perception.data.sample import Sample
from mtv_perception.errors import DatasetError
from mtv_perception.fit.split import (
    PARTS,
    connected,
    leaks,
    part_samples,
    write_list,
)


def scene(folder, name, seed, shift=0):
    """A picture of random blocks; a shift of a few grey levels makes another frame of the scene."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 200, (6, 8, 3)).astype(np.uint8)
    image = cv2.resize(blocks, (160, 120), interpolation=cv2.INTER_CUBIC)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    cv2.imwrite(str(path), np.clip(image.astype(int) + shift, 0, 255).astype(np.uint8))
    return Sample(path, (120, 160))


def sides(parting):
    return {position: part for part in PARTS for position in parting.parts[part]}


def test_frames_of_one_scene_stay_together(tmp_path):
    samples = [
        scene(tmp_path, f"{number:02d}-{frame}.png", number, 2 * frame)
        for number in range(20)
        for frame in range(3)
    ]

    parting = part_samples(samples)

    side = sides(parting)
    assert sorted(side) == list(range(60))
    assert all(len({side[3 * n + f] for f in range(3)}) == 1 for n in range(20))
    assert parting.near_pairs == 0
    assert "alike" in parting.how
    assert all(5 <= len(parting.parts[part]) <= 15 for part in ("check", "judge"))


@pytest.mark.parametrize("count", [3, 4, 8])
def test_rare_objects_choose_and_judge_too(tmp_path, count):
    samples = [scene(tmp_path, f"{number:02d}.png", number) for number in range(40)]
    for index in range(count):
        samples[5 * index] = replace(
            samples[5 * index],
            boxes_xyxy=np.array([[10, 10, 50, 90]], np.float32),
            class_ids=np.array([1], np.int32),
            crowd=np.zeros(1, bool),
            box_classes=(1,),
        )
    parts = part_samples(samples).parts
    for part in PARTS:
        assert any(len(samples[position].class_ids) for position in parts[part])
    assert sorted(sum(parts.values(), ())) == list(range(40))


def test_drives_in_folders_stay_together(tmp_path):
    samples = [
        scene(tmp_path / f"drive{drive}", f"{frame}.png", 100 * drive + frame)
        for drive in range(8)
        for frame in range(6)
    ]

    parting = part_samples(samples)

    side = sides(parting)
    assert all(len({side[6 * d + f] for f in range(6)}) == 1 for d in range(8))
    assert "folders" in parting.how


def test_one_scene_alone_is_parted_in_blocks_and_said_to_be(tmp_path):
    samples = [scene(tmp_path, f"{frame:02d}.png", 1, frame % 3) for frame in range(20)]

    parting = part_samples(samples)

    assert parting.parts["judge"] == (17, 18, 19)
    assert parting.near_pairs > 0
    assert "order" in parting.how


def test_the_order_of_the_images_does_not_matter(tmp_path):
    samples = [scene(tmp_path, f"{number}.png", number) for number in range(30)]
    back = samples[::-1]

    first, second = part_samples(samples), part_samples(back)

    for part in PARTS:
        names = {samples[i].image_path.name for i in first.parts[part]}
        assert names == {back[i].image_path.name for i in second.parts[part]}


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="at least 6 images"):
        part_samples([scene(tmp_path, "a.png", 1)])


def test_groups_are_connected_through_others():
    groups = connected(np.array([[0, 1], [1, 2]]), ["a", "b", "c", "d", "d"])

    assert groups[0] == groups[1] == groups[2]
    assert groups[3] == groups[4] != groups[0]


def test_leaks_count_pairs_on_different_sides():
    parts = {"train": (0, 1), "check": (2,), "judge": (3,)}

    assert leaks(np.array([[0, 1], [1, 2], [2, 3]]), parts) == 2


def test_lists_hold_paths_below_the_data_set(tmp_path):
    samples = [scene(tmp_path / "data" / "images", "a.png", 1)]

    write_list(tmp_path / "lists" / "train.txt", samples, tmp_path / "data")

    assert (tmp_path / "lists" / "train.txt").read_text() == "images/a.png\n"
