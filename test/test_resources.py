"""Files that are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from mtv_perception.resources import whole_file, write_whole


@pytest.mark.parametrize("content", ["Größe\n", b"\x00\xff"])
def test_a_file_is_written_over_an_old_one(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text("old")
    write_whole(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*a\.json'"),
        whole_file(path) as written,
    ):
        written.write_text("ne")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.json"]


def test_a_link_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "a.json").symlink_to(tmp_path / "real" / "b.json")
    write_whole(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").is_symlink()
    assert (tmp_path / "real" / "b.json").read_text() == "new"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_whole(tmp_path / "gone" / "a.json", "new")
    assert error.value.filename == str(tmp_path / "gone" / "a.json")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_are_written_to():
    with pytest.raises(OSError, match="'/dev/full'"):
        write_whole(Path("/dev/full"), "new")
    write_whole(Path("/dev/null"), "new")
    assert not os.path.isfile("/dev/null")


def test_an_interrupted_write_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.npz") as written:
        written.write_bytes(b"half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_errors_that_name_no_number_or_another_file_keep_their_text(tmp_path):
    with pytest.raises(OSError, match=r"a\.png: encoder error"), whole_file(tmp_path / "a.png"):
        raise OSError("encoder error")
    with pytest.raises(FileNotFoundError, match=r"b\.ttf"), whole_file(tmp_path / "a.png"):
        (tmp_path / "b.ttf").read_bytes()


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "b").touch()
    with pytest.raises(NotADirectoryError) as error:
        write_whole(tmp_path / "b" / "a.json", "new")
    assert error.value.filename == str(tmp_path / "b" / "a.json")


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.json"
    with whole_file(path) as first, whole_file(path) as second:
        second.write_text("second")
        first.write_text("first")
    assert path.read_text() == "first" and os.listdir(tmp_path) == ["a.json"]


def test_the_longest_name_is_written(tmp_path):
    path = tmp_path / f"{'a' * 251}.png"
    write_whole(path, "new")
    assert os.listdir(tmp_path) == [path.name]
