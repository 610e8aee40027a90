"""Bags cut short or with broken bytes: a clear error or the frames before the damage, never a wrong
frame.
"""

import os
import random
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
import zstandard
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from mtv_perception.errors import ReplayError
from mtv_perception.replay.inputs import open_input, read_frames
from mtv_perception.replay.replay import ReplayOptions, replay

FRAMES = 40
TRIALS = int(os.environ.get("MTV_FUZZ_TRIALS", "40"))


@pytest.fixture
def checked_bag(tmp_path, write_bag, red_finder):
    """A bag of many chunks that bear checksums (as rosbag2 and this package write them), with its
    true detections.
    """
    plain = write_bag("plain", frames=FRAMES)
    replay(plain, tmp_path / "checked", red_finder(), ReplayOptions(extras=("input",)))
    return tmp_path / "checked"


def detections(contents, folder):
    return [
        (stamp, [item.bbox.center.position.x for item in message.detections])
        for topic, stamp, message in contents(folder)
        if topic == "/detections"
    ]


def storage_file(folder):
    return next(item for item in folder.iterdir() if item.suffix in (".mcap", ".db3", ".zstd"))


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
    ],
)
def test_a_bag_cut_short_is_processed_up_to_the_cut(
    tmp_path, write_bag, red_finder, contents, draw, storage, compression
):
    def pixels(index):
        return draw(index, size_hw=(240, 320))

    bag = write_bag(frames=FRAMES, storage=storage, compression=compression, pixels=pixels)
    file = storage_file(bag)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 3 // 5])
    try:
        report = replay(bag, tmp_path / "out", red_finder())
    except ReplayError:
        # Compressed, everything fits into one chunk: then there is nothing whole before the cut.
        assert compression is not CompressionMode.NONE
        return
    assert 0 < report.frames < FRAMES or compression is not CompressionMode.NONE
    assert report.damage
    found = detections(contents, tmp_path / "out")
    assert [centres for _, centres in found] == [[10.0 + index] for index in range(len(found))]


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_bag_without_metadata_is_read_from_its_files(tmp_path, write_bag, red_finder, storage):
    bag = write_bag(storage=storage)
    (bag / "metadata.yaml").unlink()
    report = replay(bag, tmp_path / "out", red_finder())
    assert report.frames == 6


def test_any_cut_and_any_flipped_byte_give_right_frames_or_an_error(
    tmp_path, checked_bag, red_finder, contents
):
    truth = detections(contents, checked_bag)
    assert len(truth) == FRAMES
    chance = random.Random(5)
    content = (checked_bag / "checked_0.mcap").read_bytes()
    whole = partial = refused = 0
    for trial in range(TRIALS):
        broken = bytearray(content)
        if trial % 2:
            del broken[chance.randrange(len(broken)) :]
        else:
            for _ in range(chance.choice((1, 3, 20))):
                broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        folder = tmp_path / "broken"
        shutil.copytree(checked_bag, folder)
        (folder / "checked_0.mcap").write_bytes(broken)
        try:
            report = replay(folder, tmp_path / "out", red_finder(), ReplayOptions(overwrite=True))
        except ReplayError:
            refused += 1
        else:
            found = detections(contents, tmp_path / "out")
            assert set(map(repr, found)) <= set(map(repr, truth)), trial
            assert report.damage or report.failed or len(found) == FRAMES, trial
            whole += len(found) == FRAMES
            partial += len(found) < FRAMES
        shutil.rmtree(folder)
    assert partial and refused + whole + partial == TRIALS


def test_broken_databases_give_right_frames_or_an_error(tmp_path, write_bag, red_finder):
    bag = write_bag(frames=FRAMES, storage=StoragePlugin.SQLITE3)
    content = storage_file(bag).read_bytes()
    chance = random.Random(7)
    for _ in range(15):
        broken = bytearray(content)
        for _ in range(chance.choice((1, 30, 300))):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        storage_file(bag).write_bytes(broken)
        try:
            report = replay(bag, tmp_path / "out", red_finder(), ReplayOptions(overwrite=True))
        except ReplayError:
            continue
        assert report.frames + report.failed <= FRAMES
        assert report.damage or report.frames + report.failed == FRAMES


def test_frames_of_a_damaged_bag_end_with_an_error(write_bag):
    bag = write_bag(frames=FRAMES, storage=StoragePlugin.SQLITE3)
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[:200_000])
    stamps = []
    with pytest.raises(ReplayError, match="damaged"):
        stamps.extend(frame.stamp_ns for frame in read_frames(bag))
    with pytest.raises(ReplayError, match="the bag has /image"), open_input(bag, ["/other"]):
        pass


def change(bag, *statements):
    with closing(sqlite3.connect(storage_file(bag))) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


ENDLESS = (
    "CREATE VIEW messages AS WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM r) "
    "SELECT id, 1 AS topic_id, id AS timestamp, zeroblob(9) AS data FROM r"
)


def test_a_view_in_place_of_a_table_is_refused_soon(tmp_path, write_bag, red_finder):
    bag = write_bag(storage=StoragePlugin.SQLITE3)
    change(bag, "ALTER TABLE messages RENAME TO others", ENDLESS)
    with pytest.raises(ReplayError, match=r"in\.db3: expected a table messages, found a view"):
        replay(bag, tmp_path / "out", red_finder())


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE messages SET timestamp = -5 WHERE id = 2", r"from 0 as a stamp, got '-5'"),
        ("UPDATE messages SET timestamp = 'noon' WHERE id = 2", r"as a stamp, got 'noon'"),
        ("UPDATE messages SET data = 'text' WHERE id = 2", r"bytes as a message, got 'text'"),
        ("UPDATE messages SET topic_id = 77 WHERE id = 2", r"1 messages of topics that it"),
    ],
)
def test_one_broken_row_loses_itself_alone(tmp_path, write_bag, red_finder, statement, reason):
    bag = write_bag(storage=StoragePlugin.SQLITE3)
    change(bag, statement)
    report = replay(bag, tmp_path / "out", red_finder())
    assert report.frames == 5
    assert re.search(rf"\.db3: 1 message\(s\) .*{reason}|{reason}", report.damage)


def test_one_message_that_unpacks_to_too_much_loses_itself_alone(tmp_path, write_bag, red_finder):
    bag = write_bag(storage=StoragePlugin.SQLITE3, compression=CompressionMode.MESSAGE)
    packer = zstandard.ZstdCompressor().compressobj()
    bomb = b"".join(packer.compress(bytes(1 << 25)) for _ in range(9)) + packer.flush()
    with closing(sqlite3.connect(storage_file(bag))) as database:
        database.execute("UPDATE messages SET data = ? WHERE id = 2", (bomb,))
        database.commit()
    report = replay(bag, tmp_path / "out", red_finder())
    assert report.frames == 5
    assert "1 message(s) can't be read: expected at most 268435456" in report.damage


def test_metadata_that_is_nested_deeply_is_named(tmp_path, write_bag, red_finder):
    bag = write_bag()
    (bag / "metadata.yaml").write_text("a: " + "[" * 10_000)
    report = replay(bag, tmp_path / "out", red_finder())
    assert report.frames == 6
    assert "metadata.yaml can't be read: nested more than 100 deep" in report.damage
