"""Bags as others write them: foreign topics, killed recorders, later versions.

And what claims too much.
"""

import gzip
import os
import shutil
import sqlite3

import cv2
import numpy as np
import pytest
import zstandard
from mcap.writer import CompressionType, IndexType, Writer
from rosbags.rosbag2 import StoragePlugin

from mtv_perception.bags.files import is_bag
from mtv_perception.bags.reader import RAW, BagSource, _store_of
from mtv_perception.bags.storage import Definition, reason_of
from mtv_perception.errors import ImageError, ImageSizeError, ReplayError
from mtv_perception.messages.typestore import builder, typestore
from mtv_perception.replay.inputs import open_input

IDL = b'#include "other.idl"\nmodule x { struct Y { other::Z z; }; };'
IMAGES = 4
FOREIGN = {
    "idl": ("x/msg/Y", "ros2idl", IDL, "cdr", b"\0\1\0\0abc"),
    "broken idl": ("x/msg/Y", "ros2idl", b"module {{{", "cdr", b""),
    "broken msg": ("x/msg/Y", "ros2msg", b"no/such/Type[ a\n=====\nMSG", "cdr", b""),
    "protobuf": ("foxglove.Log", "protobuf", b"\x0a\xff\x00", "protobuf", b"\x08\x01"),
    "json": ("status", "jsonschema", b"{}", "json", b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "ros 1": ("std_msgs/String", "ros1msg", b"string data", "ros1", b"\0\0\0\0"),
    "no schema": ("", "", b"", "json", b"{}"),
    "unknown": ("x", "octarine", b"\xff\xfe", "octarine", b""),
}


def image(index, encoding="rgb8", kind=RAW):
    build = builder()
    pixels = np.full((12, 16, 3), 20 + index, np.uint8)
    message = build.image(pixels, "rgb8", build.header(10**18 + index, "camera"))
    message.encoding = encoding
    return typestore().serialize_cdr(message, kind)


def write_mcap(
    path,
    extra=(),
    compression=CompressionType.ZSTD,
    images=IMAGES,
    chunk_size=1 << 20,
    kind=(RAW, "ros2msg"),
    before_end=lambda writer: None,
    **options,
):
    """A bag file of a camera and perhaps foreign topics, as the mcap library writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text, _ = typestore().generate_msgdef(RAW, ros_version=2)
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=chunk_size, compression=compression, **options)
        writer.start(profile="ros2")
        for number, (name, language, schema, encoding, data) in enumerate(extra):
            schema_id = writer.register_schema(name, language, schema) if name else 0
            channel = writer.register_channel(f"/extra{number}", encoding, schema_id)
            writer.add_message(channel, 1, data, 1)
        schema_id = writer.register_schema(*kind, text.encode())
        channel = writer.register_channel("/image", "cdr", schema_id)
        for index in range(images) if isinstance(images, int) else images:
            writer.add_message(channel, 10 + index, image(index), 10 + index)
        before_end(writer)
        writer.finish()
    return path


def frames_of(path, topics=()):
    with open_input(path, topics) as opened:
        values = [int(item.decode().image_rgb[0, 0, 0]) for item in opened.frames()]
        return values, opened.damage


ALL = [20 + index for index in range(IMAGES)]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_topic_is_no_damage(tmp_path, name):
    assert frames_of(write_mcap(tmp_path / "a.mcap", [FOREIGN[name]])) == (ALL, "")


def test_all_foreign_topics_at_once_in_a_folder_without_metadata(tmp_path):
    write_mcap(tmp_path / "bag" / "bag_0.mcap", FOREIGN.values())
    assert frames_of(tmp_path / "bag") == (ALL, "")


@pytest.mark.parametrize("compression", list(CompressionType))
def test_every_compression_is_read(tmp_path, compression):
    path = write_mcap(tmp_path / "a.mcap", compression=compression, chunk_size=500)
    assert frames_of(path) == (ALL, "")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("active", ["", ".active"])
def test_a_killed_recorder_is_named_and_its_images_are_read(tmp_path, share, active):
    path = write_mcap(tmp_path / "bag" / f"bag_0.mcap{active}", chunk_size=500, images=20)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    for given in (path.parent, path):
        assert is_bag(given)
        values, damage = frames_of(given)
        assert values == [20 + index for index in range(len(values))] and 0 < len(values) <= 20
        assert "cut short" in damage
        assert ("recorder was killed" in damage) == (given.is_dir() or bool(active))


def test_a_reason_is_never_empty():
    class Silent(Exception):
        def __str__(self):
            return " \n : "

    assert reason_of(Silent()) == "Silent" and reason_of(ValueError("a\n b")) == "a b"


def write_db3(path, journal=False, images=range(IMAGES)):
    """An sqlite3 bag file as rosbag2 writes it; with a journal, as a killed recorder leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    if journal:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA wal_autocheckpoint=0")
    database.execute(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, "
        "serialization_format TEXT, offered_qos_profiles TEXT)"
    )
    database.execute(
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)"
    )
    database.execute("INSERT INTO topics VALUES(1, '/image', ?, 'cdr', '')", (RAW,))
    for index in images:
        row = (index + 1, 1, index, image(index))
        database.execute("INSERT INTO messages VALUES(?, ?, ?, ?)", row)
    database.commit()
    if journal:  # Copied while the recorder holds it open.
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{path}{suffix}.copy")
        database.close()
        for suffix in ("", "-wal"):
            shutil.move(f"{path}{suffix}.copy", f"{path}{suffix}")
    database.close()
    return path


def test_the_journal_of_a_killed_recorder_is_read_and_left_as_it_is(tmp_path):
    path = write_db3(tmp_path / "bag" / "bag_0.db3", journal=True)
    before = {item.name: item.read_bytes() for item in path.parent.iterdir()}
    assert set(before) == {"bag_0.db3", "bag_0.db3-wal"}
    values, damage = frames_of(path.parent)
    assert values == ALL and "recorder was killed" in damage
    assert {item.name: item.read_bytes() for item in path.parent.iterdir()} == before


def test_a_journal_that_is_done_with_needs_no_copy(tmp_path, monkeypatch):
    """As journal_mode=PERSIST, and a log without pages, leave them."""
    path = write_db3(tmp_path / "bag" / "bag_0.db3")
    (path.parent / "bag_0.db3-journal").write_bytes(bytes(512) + b"pages")
    (path.parent / "bag_0.db3-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(28))
    monkeypatch.setattr(shutil, "copyfile", None)
    assert frames_of(path.parent)[0] == ALL


def test_a_disk_without_room_for_the_copy_is_told(tmp_path, monkeypatch):
    path = write_db3(tmp_path / "bag" / "bag_0.db3", journal=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 9, 0))
    said = r"bag_0.db3-wal belongs to it, .* 0 MB free; set TMPDIR to a larger disk"
    with pytest.raises(ReplayError, match=said):
        frames_of(path.parent)
    monkeypatch.undo()

    def no_room(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", no_room)
    with pytest.raises(ReplayError, match=r"No space left on device; set TMPDIR"):
        frames_of(path.parent)
    (path.parent / "bag_0.db3-wal").unlink()
    packed = path.parent / "bag_0.db3.zstd"
    packed.write_bytes(zstandard.compress(path.read_bytes()))
    path.unlink()
    monkeypatch.setattr("mtv_perception.bags.reader.unpack_file", no_room)
    with pytest.raises(ReplayError, match=r"bag_0.db3.zstd: it is unpacked to .*set TMPDIR"):
        frames_of(path.parent)


def test_a_transaction_that_a_killed_recorder_began_is_taken_back(tmp_path):
    """Its pages lie in the file already; the journal holds what was there before."""
    path = write_db3(tmp_path / "bag" / "bag_0.db3", images=range(200))
    database = sqlite3.connect(path)
    database.execute("PRAGMA cache_size=2")
    database.execute("UPDATE messages SET topic_id = 2")
    copy = tmp_path / "copy"
    shutil.copytree(path.parent, copy)
    database.close()
    before = {item.name: item.read_bytes() for item in copy.iterdir()}
    assert set(before) == {"bag_0.db3", "bag_0.db3-journal"}
    values, damage = frames_of(copy)
    assert values == list(range(20, 220)) and "recorder was killed" in damage
    assert {item.name: item.read_bytes() for item in copy.iterdir()} == before


METADATA = """rosbag2_bagfile_information:
  version: {version}
  storage_identifier: mcap
  relative_file_paths: [{files}]
"""


@pytest.mark.parametrize("version", [1, 9, 10, 99])
def test_metadata_of_any_version_is_read(tmp_path, version):
    write_mcap(tmp_path / "bag_0.mcap")
    text = METADATA.format(version=version, files="bag_0.mcap")
    (tmp_path / "metadata.yaml").write_text(text + "  a_field_of_later: {x: 1}\n")
    assert frames_of(tmp_path) == (ALL, "")


@pytest.mark.parametrize(
    ("files", "damage"),
    [
        ("bag_0.mcap, bag_1.mcap", "bag_1.mcap of metadata.yaml is missing"),
        ("../../bag_0.mcap", ""),
        ("/etc/passwd", "names passwd"),
        ("old_name_0.mcap", "names old_name_0.mcap"),
        ("{}", "names {}"),
        ("}{", "can't be read"),
        ("[" * 3000 + "]" * 3000, "can't be read"),
        ("!!python/object:os.system x", "can't be read"),
    ],
)
def test_metadata_that_names_other_files_never_leads_out_of_the_folder(tmp_path, files, damage):
    folder = tmp_path / "a" / "bag"
    write_mcap(folder / "bag_0.mcap")
    (folder / "metadata.yaml").write_text(METADATA.format(version=9, files=files))
    values, found = frames_of(folder)
    assert values == ALL and damage in found and bool(found) == bool(damage)


def test_parts_are_read_as_people_count_them(tmp_path):
    for part in range(12):
        write_mcap(tmp_path / "bag" / f"bag_{part}.mcap", images=1)
    with BagSource(tmp_path / "bag") as bag:
        files = [storage._path.name for storage in bag._storages]
    assert files == [f"bag_{part}.mcap" for part in range(12)]


PART_SUFFIXES = (".mcap", ".db3")
PARTS = 3
SPLIT = [20 + index for index in range(PARTS * 2)]


def write_parts(folder, suffix=".mcap", listed=True, packed="", order=None):
    """A bag of three parts with two images each; `order` of the parts in its metadata."""
    for part in range(PARTS):
        path = folder / f"bag_{part}{suffix}"
        indices = range(part * 2, part * 2 + 2)
        if suffix == ".mcap":
            write_mcap(path, images=indices)
        else:
            write_db3(path, images=indices)
        if packed:
            pack(path, packed)
    names = [f"bag_{part}{suffix}{packed}" for part in order or range(PARTS)]
    if listed:
        text = METADATA.format(version=9, files=", ".join(names))
        (folder / "metadata.yaml").write_text(text)
    return [folder / name for name in sorted(names)]


def pack(path, ending):
    """Compress a file as rosbag2 (.zstd) or a user (.zst, .gz) does."""
    data = path.read_bytes()
    coded = gzip.compress(data) if ending == ".gz" else zstandard.ZstdCompressor().compress(data)
    path.with_name(path.name + ending).write_bytes(coded)
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:40])


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def overflow(path):
    """Lose the end of a file, where large messages lie, and keep its tables."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


LOSSES = {"gone": os.remove, "cut": cut, "no bytes": lambda path: path.write_bytes(b""), "0": zeros}


@pytest.mark.parametrize("suffix", PART_SUFFIXES)
@pytest.mark.parametrize("packed", ["", ".zstd", ".zst"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_lost_part_costs_only_its_own_images(tmp_path, suffix, packed, loss, part):
    files = write_parts(tmp_path / "bag", suffix, packed=packed)
    LOSSES[loss](files[part])
    values, damage = frames_of(tmp_path / "bag")
    assert values == [value for value in SPLIT if value not in (20 + part * 2, 21 + part * 2)]
    assert f"bag_{part}{suffix}" in damage


@pytest.mark.parametrize("packed", ["", ".zstd"])
@pytest.mark.parametrize("part", range(PARTS))
def test_damage_inside_a_database_ends_only_that_part(tmp_path, packed, part):
    files = write_parts(tmp_path / "bag", ".db3")
    overflow(files[part])
    if packed:
        for file in files:
            pack(file, packed)
    values, damage = frames_of(tmp_path / "bag")
    others = {value for value in SPLIT if value not in (20 + part * 2, 21 + part * 2)}
    assert others <= set(values) < set(SPLIT) and values == sorted(values)
    assert f"bag_{part}.db3" in damage


@pytest.mark.parametrize("suffix", PART_SUFFIXES)
@pytest.mark.parametrize("part", [0, 1])
def test_a_gap_in_the_numbers_is_damage_without_metadata(tmp_path, suffix, part):
    write_parts(tmp_path / "bag", suffix, listed=False)[part].unlink()
    values, damage = frames_of(tmp_path / "bag")
    assert len(values) == 4 and f"bag_{part} is missing" in damage


@pytest.mark.parametrize("names", [["run_20260101", "run_20260102"], ["run"], ["run_7"]])
def test_dates_and_single_files_are_no_parts(tmp_path, names):
    write_mcap(tmp_path / f"{names[0]}.mcap")
    if len(names) == 1:
        assert frames_of(tmp_path) == (ALL, "")
        return
    write_mcap(tmp_path / f"{names[1]}.mcap")
    with pytest.raises(ReplayError, match="of 2 bags"):
        frames_of(tmp_path)


@pytest.mark.parametrize("suffix", PART_SUFFIXES)
def test_parts_are_read_by_their_numbers_however_metadata_lists_them(tmp_path, suffix):
    write_parts(tmp_path / "bag", suffix, order=[2, 0, 1])
    assert frames_of(tmp_path / "bag") == (SPLIT, "")


@pytest.mark.parametrize("suffix", PART_SUFFIXES)
def test_a_part_that_metadata_does_not_name_is_read_and_told(tmp_path, suffix):
    write_parts(tmp_path / "bag", suffix, order=[0, 1])
    values, damage = frames_of(tmp_path / "bag")
    assert values == SPLIT and f"does not name bag_2{suffix}" in damage and "reindex" in damage


def test_a_foreign_bag_file_beside_a_bag_is_left_out_and_named(tmp_path):
    write_parts(tmp_path / "bag")
    write_mcap(tmp_path / "bag" / "other.mcap")
    with open_input(tmp_path / "bag") as opened:
        assert len(list(opened.frames())) == len(SPLIT) and not opened.damage
        assert any("other.mcap" in item for item in opened.left_out)


@pytest.mark.parametrize("suffix", PART_SUFFIXES)
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("packed", [".zstd", ".zst"])
def test_a_compressed_file_beside_its_content_is_read_once(tmp_path, suffix, listed, packed):
    folder = tmp_path / "bag"
    write_parts(folder, suffix, listed, packed)
    metadata = folder / "metadata.yaml"
    kept = metadata.read_text() if listed else ""
    write_parts(folder, suffix, listed=False)
    if listed:
        metadata.write_text(kept)
    assert frames_of(folder)[0] == SPLIT


@pytest.mark.parametrize("suffix", PART_SUFFIXES)
@pytest.mark.parametrize("packed", ["", ".zstd"])
@pytest.mark.parametrize("named", [".mcap", ".db3", ".MCAP", ".DB3", ".mcap.zstd", ".Db3.ZSTD"])
def test_the_content_of_a_file_decides_and_not_its_name(tmp_path, suffix, packed, named):
    for file in write_parts(tmp_path / "bag", suffix, listed=False, packed=packed):
        file.rename(file.with_name(file.name.split(".")[0] + named))
    assert is_bag(tmp_path / "bag")
    values, damage = frames_of(tmp_path / "bag")
    assert values == SPLIT and ("recorder was killed" in damage) == (suffix == ".db3")


FIELDS = "  version: 9\n  storage_identifier: mcap\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rosbag2_bagfile_information:\n",
        f"rosbag2_bagfile_information:\n{FIELDS}",
        f"rosbag2_bagfile_information:\n{FIELDS}  relative_file_paths:\n",
        f"rosbag2_bagfile_information:\n{FIELDS}  relative_file_paths: []\n",
        f"rosbag2_bagfile_information:\n{FIELDS}  relative_file_paths: bag_0.mcap\n",
        "- a list\n",
        "just text\n",
    ],
)
def test_metadata_without_files_is_told_and_the_files_are_read(tmp_path, text):
    write_parts(tmp_path / "bag")
    (tmp_path / "bag" / "metadata.yaml").write_text(text)
    values, damage = frames_of(tmp_path / "bag")
    assert values == SPLIT and "names no files" in damage and "reindex" in damage


@pytest.mark.parametrize("text", ["", "camera: front\n", "\0\xff\n", "- rosbag2\n"])
def test_images_beside_metadata_of_others_are_a_folder_of_images(tmp_path, text):
    folder = tmp_path / "run"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.png"), np.full((24, 32, 3), 50, np.uint8))
    (folder / "metadata.yaml").write_text(text)
    assert not is_bag(folder)
    with open_input(folder) as opened:
        assert [int(item.decode().image_rgb[0, 0, 0]) for item in opened.frames()] == [50]
    with open_input(folder / "a.png") as opened:
        assert opened.total == 1
    (folder / "metadata.yaml").write_text(f"rosbag2_bagfile_information:\n{FIELDS}")
    with pytest.raises(ReplayError, match="expected a rosbag2 bag"), open_input(folder):
        pass


@pytest.mark.parametrize("count", ["", "  message_count: 0\n", "  message_count: 999\n"])
@pytest.mark.parametrize("topics", ["", "  topics_with_message_count: []\n"])
def test_counts_of_metadata_are_not_needed_nor_believed(tmp_path, count, topics):
    write_parts(tmp_path / "bag")
    metadata = tmp_path / "bag" / "metadata.yaml"
    metadata.write_text(metadata.read_text() + count + topics)
    assert frames_of(tmp_path / "bag") == (SPLIT, "")


@pytest.mark.parametrize("listed", [True, False])
def test_an_archive_is_named_with_what_to_do(tmp_path, listed):
    write_parts(tmp_path / "bag", listed=listed, packed=".gz")
    said = "unpack bag_0.mcap.gz first"
    with pytest.raises(ReplayError, match=said if listed else "expected images"):
        frames_of(tmp_path / "bag")
    with pytest.raises(ReplayError, match=said):
        frames_of(tmp_path / "bag" / "bag_0.mcap.gz")


def test_bags_in_a_folder_are_counted(tmp_path):
    for name in ("monday", "tuesday.mcap"):
        write_parts(tmp_path / "runs" / name)
    with pytest.raises(ReplayError, match=r"2 bag\(s\) in runs: give them one by one"):
        frames_of(tmp_path / "runs")
    assert frames_of(tmp_path / "runs" / "tuesday.mcap") == (SPLIT, "")


INDEXES = {
    "no repeated channels": {"repeat_channels": False},
    "no repeated schemas": {"repeat_schemas": False},
    "neither": {"repeat_channels": False, "repeat_schemas": False},
    "no statistics": {"use_statistics": False},
    "no index": {"index_types": IndexType.NONE},
    "chunk index alone": {"index_types": IndexType.CHUNK},
    "no offsets": {"use_summary_offsets": False},
    "no chunks": {"use_chunking": False},
    "no checksums": {"enable_crcs": False},
}


@pytest.mark.parametrize("name", INDEXES)
def test_whatever_an_index_leaves_out_the_messages_are_found(tmp_path, name):
    path = write_mcap(tmp_path / "a.mcap", FOREIGN.values(), chunk_size=500, **INDEXES[name])
    assert frames_of(path) == (ALL, "")


def no_counts(writer):
    """The specification: an empty map says that these counts are not known."""
    writer._Writer__statistics.channel_message_counts.clear()


def no_statistics(writer):
    no_counts(writer)
    writer._Writer__statistics.message_count = 0


def a_few_chunks(writer):
    del writer._Writer__chunk_indices[2:]


@pytest.mark.parametrize("forget", [no_counts, no_statistics, a_few_chunks])
def test_what_an_index_says_of_itself_is_not_believed(tmp_path, forget):
    def finish(writer):
        writer._Writer__finalize_chunk()
        forget(writer)

    path = write_mcap(tmp_path / "a.mcap", FOREIGN.values(), chunk_size=500, before_end=finish)
    assert frames_of(path) == (ALL, "")


@pytest.mark.parametrize("language", ["ros2msg", "ros2idl"])
@pytest.mark.parametrize(
    "name", ["sensor_msgs/Image", "sensor_msgs::msg::Image", "sensor_msgs::msg::dds_::Image_"]
)
def test_types_are_known_by_other_spellings_of_their_names(tmp_path, name, language):
    assert frames_of(write_mcap(tmp_path / "a.mcap", kind=(name, language))) == (ALL, "")


def test_the_definition_that_is_missing_is_told(tmp_path):
    path = tmp_path / "a.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="ros2")
        schema = writer.register_schema(RAW, "ros2msg", b"")
        writer.add_message(writer.register_channel("/image", "cdr", schema), 1, b"\0\1\0\0abc", 1)
        writer.finish()
    with open_input(path) as opened, pytest.raises(ImageError, match="does not define this type"):
        next(opened.frames()).decode()


def test_unrelated_files_in_a_folder_are_no_bag(tmp_path):
    for name in ("monday.mcap", "tuesday.mcap"):
        write_mcap(tmp_path / name)
    with pytest.raises(ReplayError, match="of 2 bags .* one by one"):
        frames_of(tmp_path)
    write_mcap(tmp_path / "._monday.mcap").write_bytes(b"a Mac's own file")
    (tmp_path / "tuesday.mcap").unlink()
    assert frames_of(tmp_path)[0] == ALL


@pytest.mark.parametrize("name", ["run.bag", "run"])
def test_a_bag_of_ros_1_is_named(tmp_path, name):
    path = tmp_path / name
    if path.suffix:
        path.write_bytes(b"#ROSBAG V2.0\n" + bytes(50))
    else:
        path.mkdir()
        (path / "run.bag").write_bytes(b"#ROSBAG V2.0\n" + bytes(50))
    with pytest.raises(ReplayError, match="ROS 1. Convert it: .*rosbags-convert"):
        frames_of(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.bag", b"#ROSBAG V2.0\n", "ROS 1. Convert it"),
        ("run.bag", b"", "a file of another kind"),
        ("run.zip", b"PK", "a file of another kind"),
        ("run", b"\x89MCAP0", "a file of another kind"),
        ("run.jpg", b"\xff\xd8\xff", "a file of another kind"),
        ("run.mcap", b"", "could not read it"),
        ("run.db3", b"", "could not read it"),
        ("run.mcap", b"<html>", "could not read it"),
        ("run.db3", b"<html>", "could not read it"),
    ],
)
def test_a_file_that_is_no_bag_is_one_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReplayError, match=said), BagSource(tmp_path / name):
        pass


def test_images_beside_a_bag_are_named(tmp_path):
    write_mcap(tmp_path / "bag_0.mcap")
    for name in ("a.jpg", "b.png", "c.mp4", "d.heic"):
        (tmp_path / name).write_bytes(b"")
    with open_input(tmp_path) as opened:
        said = " ".join(opened.left_out)
    assert "2 image(s) in" in said and "1 video(s)" in said and "1 picture(s) of formats" in said


def test_a_broken_image_is_named_by_topic_and_number(tmp_path):
    path = write_mcap(tmp_path / "a.mcap")
    with open_input(path, max_pixels=100) as opened:
        for number, item in enumerate(opened.frames()):
            with pytest.raises(ImageSizeError, match=rf"^/image#{number}: .*16x12"):
                item.decode()


@pytest.mark.parametrize("kind", ["claimed", "streamed", "lz4", "understated"])
def test_a_chunk_that_would_become_gigabytes_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("mtv_perception.bags.decompress.MAX_BYTES", 1 << 20)
    size = 64 << 20
    if kind == "lz4":
        import lz4.frame

        name, data = "lz4", lz4.frame.compress(bytes(size))
    else:
        name = "zstd"
        compressor = zstandard.ZstdCompressor(write_content_size=kind != "streamed")
        data = (
            compressor.compress(bytes(size))
            if kind != "streamed"
            else b"".join(iter_compressed(compressor, size))
        )
    path = tmp_path / "bomb.mcap"
    with path.open("wb") as stream:
        stream.write(b"\x89MCAP0\r\n")
        body = (0).to_bytes(8, "little") * 2 + (1000).to_bytes(8, "little") + bytes(4)
        body += len(name).to_bytes(4, "little") + name.encode()
        body += len(data).to_bytes(8, "little") + data
        stream.write(b"\6" + len(body).to_bytes(8, "little") + body)
    assert path.stat().st_size < 400_000
    with pytest.raises(ReplayError, match="at most 1048576 decompressed bytes"):
        frames_of(path)


def iter_compressed(compressor, size):
    packer = compressor.compressobj()
    yield packer.compress(bytes(size))
    yield packer.flush()


def test_a_message_that_would_become_gigabytes_is_damage(tmp_path, monkeypatch):
    monkeypatch.setattr("mtv_perception.bags.decompress.MAX_BYTES", 1 << 20)
    path = write_db3(tmp_path / "a.db3")
    bomb = zstandard.ZstdCompressor().compress(bytes(64 << 20))
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO messages VALUES(99, 1, 99, ?)", (bomb,))
    values, damage = frames_of(path)
    assert values == ALL and "at most 1048576 decompressed bytes" in damage


@pytest.mark.parametrize("name", ["a" * 300 + ".mcap", "x/../" * 900 + "a.mcap"])
def test_a_name_that_no_disk_can_hold_is_one_sentence(tmp_path, name):
    with pytest.raises((ReplayError, OSError)) as caught:
        frames_of(tmp_path / name)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("gone", ["string format\n", "std_msgs/Header header\n", "uint8[] data\n"])
def test_a_definition_that_lacks_a_standard_field_is_not_believed(gone):
    text = "std_msgs/Header header\nstring format\nuint8[] data\n"
    header = f"{'=' * 80}\nMSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n"
    stamp = f"{'=' * 80}\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n"
    whole, broken = (
        Definition("ros2msg", t + header + stamp) for t in (text, text.replace(gone, ""))
    )

    assert _store_of("sensor_msgs/msg/CompressedImage", whole) is not None
    assert _store_of("sensor_msgs/msg/CompressedImage", broken) is None


@pytest.mark.parametrize("index", ["with", "without"])
@pytest.mark.parametrize("second", ["same", "other"])
def test_a_recording_appended_to_another_is_damage(tmp_path, index, second):
    """The last index alone would be read, and its places are those of the first file."""
    options = {} if index == "with" else {"index_types": IndexType.NONE, "use_statistics": False}
    first = write_mcap(tmp_path / "a.mcap", **options).read_bytes()
    other = write_mcap(tmp_path / "b.mcap", images=7, compression=CompressionType.LZ4, **options)
    joined = tmp_path / "joined.mcap"
    joined.write_bytes(first + (first if second == "same" else other.read_bytes()))
    values, damage = frames_of(joined)
    assert values == ALL
    assert f"more follows behind its end at byte {len(first)} of {joined.stat().st_size}" in damage


def test_an_unknown_compression_says_which_are_known(tmp_path):
    path = write_mcap(tmp_path / "a.mcap", chunk_size=500)
    mark = path.read_bytes().index(b"\x04\0\0\0zstd")
    content = bytearray(path.read_bytes())
    content[mark + 4 : mark + 8] = b"brot"
    path.write_bytes(content)
    assert "chunk of unknown compression 'brot', expected zstd, lz4 or none" in frames_of(path)[1]


def test_a_part_that_cannot_be_read_is_damage_and_the_others_are_read(tmp_path):
    write_mcap(tmp_path / "bag" / "bag_0.mcap")
    (tmp_path / "bag" / "bag_1.mcap").symlink_to(tmp_path / "nothing.mcap")
    values, damage = frames_of(tmp_path / "bag")
    assert values == ALL
    assert "bag_1.mcap: can't be read: No such file or directory" in damage


def write_sqlite(tmp_path, write_bag):
    folder = write_bag(storage=StoragePlugin.SQLITE3)
    return folder, next(folder.glob("*.db3"))


def read_by_number(folder):
    good, broken = 0, []
    with open_input(folder) as opened:
        for frame in opened.frames():
            try:
                frame.decode()
                good += 1
            except ImageError as error:
                broken.append(str(error))
        return good, broken, opened.damage


def test_messages_of_a_topic_that_is_not_listed_are_damage(tmp_path, write_bag):
    folder, file = write_sqlite(tmp_path, write_bag)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE messages SET topic_id = 9 WHERE id > 4")
    database.close()
    good, broken, damage = read_by_number(folder)
    assert (good, broken) == (4, [])
    assert f"{file.name}: 2 messages of topics that it does not list" in damage


def test_a_database_appended_to_another_is_damage(tmp_path, write_bag):
    folder, file = write_sqlite(tmp_path, write_bag)
    size = file.stat().st_size
    file.write_bytes(2 * file.read_bytes())
    assert f"more follows behind its end at byte {size} of {2 * size}" in read_by_number(folder)[2]
