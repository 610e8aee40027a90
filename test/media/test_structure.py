"""Frames that a damaged container lost are told of: FFmpeg passes over them in silence."""

import numpy as np
import pytest

from mtv_perception.errors import ImageError
from mtv_perception.media.samples import promised_frames
from mtv_perception.media.structure import broken_inside
from mtv_perception.replay.inputs import open_input

FRAMES = 40
KINDS = [
    *((".avi", "MJPG"), (".avi", "XVID"), (".mkv", "MJPG"), (".mkv", "mp4v"), (".webm", "VP80")),
    *((".mpg", "mpg2"), (".ts", "mpg2"), (".flv", "FLV1"), (".wmv", "WMV2")),
]
INDEXED = [(".mp4", "mp4v"), (".mov", "mp4v"), (".3gp", "mp4v"), (".avi", "XVID")]
ENDLESS = (".mpg", ".ts", ".flv", ".wmv")
"""Containers that do not state their length."""


def read(path):
    """Good frames, broken ones, and the damage."""
    good = broken = 0
    with open_input(path) as opened:
        for frame in opened.frames():
            try:
                frame.decode()
                good += 1
            except ImageError:
                broken += 1
        return good, broken, opened.damage


@pytest.mark.parametrize(("suffix", "codec"), [*KINDS, *INDEXED])
def test_a_whole_video_is_whole(video, suffix, codec):
    path = video(suffix, codec)
    assert broken_inside(path) == ""
    assert read(path) == (FRAMES, 0, "")
    assert promised_frames(path) in (0, FRAMES)


@pytest.mark.parametrize("begin", [0.3, 0.65])
@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_a_video_with_a_hole_is_damaged(video, suffix, codec, begin):
    path = video(suffix, codec)
    content = bytearray(path.read_bytes())
    start, end = (int(share * len(content)) for share in (begin, begin + 0.3))
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    assert broken_inside(path).endswith(f" of {len(content)}")
    assert read(path)[2] == broken_inside(path)


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_a_video_that_lacks_a_piece_is_damaged(video, suffix, codec):
    path = video(suffix, codec)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3] + content[len(content) // 2 :])
    assert read(path)[2]


@pytest.mark.parametrize(("suffix", "codec"), [kind for kind in KINDS if kind[0] in ENDLESS])
def test_a_video_that_ends_inside_a_packet_is_damaged(video, suffix, codec):
    path = video(suffix, codec)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.7 * len(content)) // 188 * 188 + 100])
    assert "the container is damaged" in read(path)[2]


@pytest.mark.parametrize("count", [10, 2000, 32 << 10])
@pytest.mark.parametrize(("suffix", "codec"), [kind for kind in KINDS if kind[0] in ENDLESS])
def test_few_zeros_behind_the_last_packet_are_no_damage(video, suffix, codec, count):
    path = video(suffix, codec)
    path.write_bytes(path.read_bytes() + bytes(count))
    assert read(path) == (FRAMES, 0, "")


@pytest.mark.parametrize(("suffix", "codec"), [(".mpg", "mpg2"), (".ts", "mpg2"), (".flv", "FLV1")])
def test_many_zeros_at_the_end_are_damage(video, suffix, codec):
    path = video(suffix, codec)
    content = path.read_bytes()
    path.write_bytes(content + bytes((32 << 10) + 1))
    assert broken_inside(path).startswith(f"the container is damaged at byte {len(content)} of ")


def test_a_lost_packet_before_zeros_at_the_end_is_damage(video):
    path = video(".ts", "mpg2")
    content = path.read_bytes()
    at = 188 * (len(content) // 188 // 2)
    path.write_bytes(content[:at] + content[at + 188 :] + bytes(2000))
    assert "the container is damaged at byte" in read(path)[2]


@pytest.mark.parametrize("padding", [b"", b"\0", b"x"])
def test_chunks_of_a_writer_that_does_not_pad_them(tmp_path, padding):
    def chunk(name, content):
        return name + len(content).to_bytes(4, "little") + content

    counts = (3, 4, 5, 0, 65, 2)
    movie = b"".join(chunk(b"00dc", bytes(n)) + padding * (n % 2) for n in counts)
    path = tmp_path / "a.avi"
    path.write_bytes(chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"movi" + movie)))
    assert (broken_inside(path), promised_frames(path)) == ("", 5)


def test_a_lost_packet_of_a_transport_stream_is_damage(video):
    """The rest follows without a gap: the numbers of the packets alone tell."""
    path = video(".ts", "mpg2")
    content = path.read_bytes()
    at = 188 * (len(content) // 188 // 2)
    path.write_bytes(content[:at] + content[at + 188 :])
    assert "the container is damaged at byte" in read(path)[2]


@pytest.mark.parametrize(("suffix", "codec"), INDEXED)
def test_frames_at_the_end_that_cannot_be_decoded_are_told(video, suffix, codec):
    path = video(suffix, codec)
    content = bytearray(path.read_bytes())
    marks = [at for at in range(len(content)) if content[at : at + 4] == b"\0\0\1\xb6"]
    assert len(marks) == FRAMES
    for at in marks[-3:]:
        content[at : at + 40] = b"\xff" * 40
    path.write_bytes(content)
    good, broken, damage = read(path)
    assert good < FRAMES
    assert good + broken == FRAMES or f"expected {FRAMES} frames by its index, got" in damage


def box(kind, *parts):
    content = b"".join(
        part if isinstance(part, bytes) else part.to_bytes(4, "big", signed=part < 0)
        for part in parts
    )
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def movie(edits=(), count=FRAMES, shift=0):
    """An MP4 of ten frames a second; `edits` in ms of the movie and of the track."""
    rows = [part for length, begin in edits for part in (length, begin, 0x10000)]
    shifts = [box(b"ctts", 0, 1, count, shift)] if shift else []
    table = box(b"stbl", box(b"stsz", 0, 0, count), box(b"stts", 0, 1, count, 100), *shifts)
    handler = box(b"hdlr", 0, 0, b"vide")
    media = box(b"mdia", box(b"mdhd", 0, 0, 0, 1000, 0), handler, box(b"minf", table))
    edit = box(b"edts", box(b"elst", 0, len(edits), *rows)) if edits else b""
    track = box(b"trak", edit, media)
    return box(b"ftyp", b"isom") + box(b"moov", box(b"mvhd", 0, 0, 0, 1000, 0), track)


@pytest.mark.parametrize(
    ("content", "frames"),
    [
        (movie(), FRAMES),
        (movie([(4000, 0)]), FRAMES),
        (movie([(500, -1), (4000, 0)]), FRAMES),
        (movie([(4000, 200)], shift=200), FRAMES),
        (movie([(2500, 1500)]), 25),
        (movie([(1000, 0)]), 10),
        (movie([(0, 500)]), 35),
        (movie([(1000, 0), (1000, 2000)]), 0),
        (movie(count=0), 0),
        (movie()[:-30], 0),
        (movie() + box(b"moof"), 0),
        (movie([(1000, 0)], count=2**31), 0),
        (b"\0\0\0\x18ftyp", 0),
    ],
)
def test_what_an_index_promises(tmp_path, content, frames):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert promised_frames(path) == frames


def page(number, content=b"abc", stream=7):
    head = b"OggS" + bytes(10) + stream.to_bytes(4, "little") + number.to_bytes(4, "little")
    return head + bytes(4) + bytes([1, len(content)]) + content


@pytest.mark.parametrize(
    ("pages", "damage"),
    [
        ([page(0), page(1), page(2)], ""),
        ([page(0), page(0, stream=8), page(1), page(1, stream=8)], ""),
        ([page(0), page(1), bytes(100)], ""),
        ([page(0), page(2)], "damaged at byte 31 of 62"),
        ([page(0), bytes(31), page(2)], "damaged at byte 31 of 93"),
        ([page(0), page(1)[:-1]], "damaged at byte 61 of 61"),
    ],
)
def test_pages_of_ogg_are_numbered(tmp_path, pages, damage):
    path = tmp_path / "a.ogv"
    path.write_bytes(b"".join(pages))
    assert damage in broken_inside(path) and bool(damage) == bool(broken_inside(path))


@pytest.mark.parametrize("magic", [b"RIFF", b"\x1aE\xdf\xa3", b"FLV", b"\0\0\1\xba", b"OggS", b"G"])
def test_no_content_ends_in_another_error(tmp_path, magic):
    rng = np.random.default_rng(1)
    path = tmp_path / "a.avi"
    for count in (0, 1, 9, 40, 400, 4000):
        path.write_bytes(magic + rng.integers(0, 255, count, np.uint8).tobytes())
        assert isinstance(broken_inside(path), str)
        assert promised_frames(path) == 0
