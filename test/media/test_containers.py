"""A video that lost its end is told from one that was trimmed."""

from pathlib import Path

import pytest

from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.media.containers import cut_short
from mtv_perception.replay.inputs import open_input

CONTAINERS = [
    (".avi", "MJPG"),
    (".avi", "XVID"),
    (".mkv", "MJPG"),
    (".webm", "VP80"),
    (".mp4", "mp4v"),
]
WITHOUT_END = [(".wmv", "WMV2"), (".flv", "FLV1"), (".ts", "mpg2"), (".MTS", "mpg2")]


@pytest.mark.parametrize(("suffix", "codec"), [*CONTAINERS, *WITHOUT_END, (".3gp", "mp4v")])
def test_a_whole_video_is_whole(video, suffix, codec):
    path = video(suffix, codec)
    assert cut_short(path) == ""
    with open_input(path) as opened:
        assert opened.damage == ""
        stamps = [frame.stamp_ns() for frame in opened.frames()]
    assert stamps == [index * 100_000_000 for index in range(40)]


@pytest.mark.parametrize("name", ["2024-01-01T10:00:00", "cam:front", "file:a", "a%02d", "|a"])
def test_no_name_is_a_protocol(video, monkeypatch, name):
    path = video(".mp4", "mp4v")
    path = path.rename(path.with_name(f"{name}.mp4"))
    monkeypatch.chdir(path.parent)
    with open_input(Path(path.name)) as opened:
        assert opened.total == sum(1 for _ in opened.frames()) == 40


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
def test_a_video_without_its_end_is_damaged(video, suffix, codec, share):
    path = video(suffix, codec)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "bytes before its container: it was cut short" in cut_short(path)


def test_frames_behind_one_that_cannot_be_decoded_are_read(video):
    """FFmpeg's read of that frame fails, as it does at the end of the file."""
    path = video(".mp4", "mp4v")
    content = bytearray(path.read_bytes())
    begin, end = int(0.3 * len(content)), int(0.4 * len(content))
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    good, broken, stamps = 0, [], []
    with open_input(path) as opened:
        for frame in opened.frames():
            stamps.append(frame.stamp_ns())
            try:
                frame.decode()
                good += 1
            except ImageError as error:
                broken.append(str(error))
    assert good > 30 and broken and good + len(broken) == 40
    assert broken[0].startswith("clip.mp4#") and "FFmpeg can't decode" in broken[0]
    assert stamps == sorted(set(stamps))
    assert stamps[-1] == 3_900_000_000


def test_a_count_that_claims_too_much_is_no_wait(video):
    path = video(".avi", "XVID")
    content = bytearray(path.read_bytes())
    for chunk, field in ((b"avih", 16), (b"strh", 32)):  # RIFF's numbers of frames.
        at = content.find(chunk) + 8 + field
        content[at : at + 4] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(content)
    with open_input(path) as opened:
        assert opened.total == 2**31 - 1
        assert sum(1 for _ in opened.frames()) == 40


def test_an_index_in_front_hides_no_cut(tmp_path):
    """Then every frame up to the cut can be read, and nothing else tells."""
    boxes = [(b"ftyp", 16), (b"moov", 200), (b"mdat", 5000)]
    content = b"".join((8 + size).to_bytes(4, "big") + kind + bytes(size) for kind, size in boxes)
    for length, damaged in ((len(content), False), (len(content) - 1, True), (300, True)):
        (tmp_path / "a.mp4").write_bytes(content[:length])
        assert bool(cut_short(tmp_path / "a.mp4")) is damaged
    (tmp_path / "a.mp4").write_bytes(content + b"\0\0\x01\xff\x80\x81tail of a tool")
    assert cut_short(tmp_path / "a.mp4") == ""
    long = (1).to_bytes(4, "big") + b"mdat" + (5016).to_bytes(8, "big") + bytes(5000)
    for length, damaged in ((len(long), False), (4000, True)):
        (tmp_path / "b.mp4").write_bytes((content[:24] + long)[: 24 + length])
        assert bool(cut_short(tmp_path / "b.mp4")) is damaged


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\x1aE\xdf\xa3", b"\0\0\0\x18ftyp", bytes(100)])
def test_what_is_too_short_to_tell_is_no_error(tmp_path, content):
    (tmp_path / "a.avi").write_bytes(content)
    assert isinstance(cut_short(tmp_path / "a.avi"), str)


def test_a_live_stream_has_no_length(tmp_path):
    head = bytes.fromhex("1a45dfa3 84 42868101 18538067 01ffffffffffffff".replace(" ", ""))
    (tmp_path / "a.mkv").write_bytes(head + bytes(50))
    assert cut_short(tmp_path / "a.mkv") == ""


def test_a_video_that_cannot_be_opened_says_why(video):
    path = video(".mp4", "mp4v")
    content = path.read_bytes()
    index = content.index(b"moov") - 4
    for bad, why in (
        (content[:index], r"its index \(moov\) is missing, for its recorder was killed"),
        (content[: index // 2], "the file ends .* bytes before its container"),
        (b"text", "convert it: ffmpeg -i clip.mp4 -c:v libx264 clip-h264.mp4"),
    ):
        path.write_bytes(bad)
        with (
            pytest.raises(ReplayError, match=f"could not open it: .*{why}"),
            open_input(path) as it,
        ):
            list(it.frames())


def test_a_codec_that_cannot_be_decoded_is_named(video):
    path = video(".avi", "XVID")
    path.write_bytes(path.read_bytes().replace(b"XVID", b"ABCD"))
    with pytest.raises(ReplayError, match="ffmpeg -i clip.avi"), open_input(path) as opened:
        list(opened.frames())
