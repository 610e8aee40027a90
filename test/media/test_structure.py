"""Frames that a damaged container lost are told of: FFmpeg passes over them in silence."""

import numpy as np
import pytest

from mtv_perception.errors import ImageError
from mtv_perception.media.containers import cut_short
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
    assert promised_frames(path) in ((), (0,), (FRAMES,))


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
    assert (broken_inside(path), promised_frames(path)) == ("", (5,))


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
    assert good + broken == FRAMES or f"expected {FRAMES} frames by its container, got" in damage


def box(kind, *parts):
    content = b"".join(
        part if isinstance(part, bytes) else part.to_bytes(4, "big", signed=part < 0)
        for part in parts
    )
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def fragment(count, track=1):
    """A fragment of samples that last 100 ticks each, behind the ones before."""
    run = box(b"trun", 0x100, count, *([100] * min(count, 100)))
    return box(b"moof", box(b"traf", box(b"tfhd", 0, track), box(b"tfdt", 0, FRAMES * 100), run))


def movie(edits=(), count=FRAMES, shift=0, tracks=1):
    """An MP4 of ten frames a second; `edits` in ms of the movie and of the track."""
    rows = [part for length, begin in edits for part in (length, begin, 0x10000)]
    shifts = [box(b"ctts", 0, 1, count, shift)] if shift else []
    table = box(b"stbl", box(b"stsz", 0, 0, count), box(b"stts", 0, 1, count, 100), *shifts)
    handler = box(b"hdlr", 0, 0, b"vide")
    media = box(b"mdia", box(b"mdhd", 0, 0, 0, 1000, 0), handler, box(b"minf", table))
    edit = box(b"edts", box(b"elst", 0, len(edits), *rows)) if edits else b""
    track = box(b"trak", box(b"tkhd", 0, 0, 0, 1), edit, media)
    return box(b"ftyp", b"isom") + box(b"moov", box(b"mvhd", 0, 0, 0, 1000, 0), *[track] * tracks)


@pytest.mark.parametrize(
    ("content", "frames"),
    [
        (movie(), (FRAMES,)),
        (movie([(4000, 0)]), (FRAMES,)),
        (movie([(500, -1), (4000, 0)]), (FRAMES,)),
        (movie([(4000, 200)], shift=200), (FRAMES,)),
        (movie([(2500, 1500)]), (25,)),
        (movie([(1000, 0)]), (10,)),
        (movie([(0, 500)]), (35,)),
        (movie([(1000, 0), (1000, 2000)]), (0,)),
        (movie(count=0), (0,)),
        (movie()[:-30], ()),
        (movie(tracks=2), (FRAMES, FRAMES)),
        (movie() + box(b"moof"), (FRAMES,)),
        (movie() + fragment(5) + fragment(7), (FRAMES + 12,)),
        (movie() + fragment(5, track=2), (FRAMES,)),
        (movie() + fragment(5)[:-1], ()),
        (movie() + fragment(2**31), ()),
        (movie([(500, 4200)]) + fragment(5), (3,)),
        (movie([(1000, 0)], count=2**31), (0,)),
        (b"\0\0\0\x18ftyp", ()),
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
        assert sum(promised_frames(path)) == 0


def written(path, codec, streams=1, b_frames=0, **options):
    """A video that OpenCV can't write: with several streams, in fragments, of newer codecs."""
    av = pytest.importorskip("av")
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        added = [container.add_stream(codec, rate=25) for _ in range(streams)]
        for stream in added:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.gop_size = 10
            stream.codec_context.max_b_frames = b_frames
        for index in range(FRAMES):
            for stream in added:
                picture = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
        for stream in added:
            container.mux(stream.encode())
    return path


def packets(path):
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


NEWER = [
    ("a.mkv", "mpeg4", {}),
    ("a.mkv", "libx264", {}),
    ("a.webm", "libvpx", {}),
    ("a.webm", "libvpx-vp9", {}),
    ("a.mp4", "mpeg4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    ("a.mp4", "libx264", {"movflags": "frag_keyframe"}),
]


@pytest.mark.parametrize(("name", "codec", "options"), NEWER)
def test_no_frame_at_the_end_of_blocks_and_fragments_is_lost_in_silence(
    tmp_path, name, codec, options
):
    path = written(tmp_path / name, codec, **options)
    assert promised_frames(path) == (FRAMES,)
    assert read(path) == (FRAMES, 0, "")
    content, last = path.read_bytes(), packets(path)[-3:]
    for packet in last:
        content = content.replace(packet, b"\xff" * len(packet))
    path.write_bytes(content)
    good, broken, damage = read(path)
    assert good < FRAMES and (good + broken == FRAMES or damage)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_frames_before_the_first_whole_picture_are_no_loss(tmp_path, name):
    """FFmpeg drops what needs a picture that a cut took away."""
    av = pytest.importorskip("av")
    source = written(tmp_path / "whole.mkv", "mpeg2video", b_frames=2)
    with av.open(str(source)) as whole, av.open(str(tmp_path / name), "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        keys, begin = 0, None
        for packet in whole.demux(video=0):
            keys += packet.is_keyframe
            if keys < 2 or packet.dts is None:
                continue
            begin = packet.dts if begin is None else begin
            packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, stream
            cut.mux(packet)
    good, broken, damage = read(tmp_path / name)
    assert 20 < good < FRAMES and (broken, damage) == (0, "")
    assert promised_frames(tmp_path / name) == (good,)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((".mp4", "mpeg4"), (".mkv", "mpeg4"), (".avi", "mpeg4")),
        *((".ts", "mpeg2video"), (".mpg", "mpeg2video")),
    ],
)
def test_a_second_stream_is_named_with_the_way_to_read_it(tmp_path, suffix, codec):
    path = written(tmp_path / f"my clip{suffix}", codec, streams=2)
    assert read(path) == (FRAMES, 0, "")
    with open_input(path) as opened:
        (told,) = opened.left_out
    assert "1 further video stream(s) in my clip" in told
    assert f"`ffmpeg -i 'my clip{suffix}' -map 0:v:1 -c copy 'my clip-stream-2{suffix}'`" in told


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".3gp", ".flv", ".wmv"])
def test_a_file_behind_another_is_damage_where_it_is_not_read(video, suffix):
    path = video(suffix, {".flv": "FLV1", ".wmv": "WMV2"}.get(suffix, "mp4v"))
    size = path.stat().st_size
    path.write_bytes(2 * path.read_bytes())
    assert read(path)[2] == f"another file begins at byte {size} of {2 * size}: give each by itself"


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "mp4v"), (".webm", "VP80"), (".mpg", "mpg2")]
)
def test_a_file_behind_another_is_read(video, suffix, codec):
    path = video(suffix, codec)
    path.write_bytes(2 * path.read_bytes())
    assert read(path) == (2 * FRAMES, 0, "")


def test_joined_transport_streams_are_whole(video):
    path = video(".ts", "mpg2")
    content = path.read_bytes()
    path.write_bytes(3 * content)
    assert read(path) == (3 * FRAMES, 0, "")
    for at in (188 * 20, len(content) + 188 * 20):
        path.write_bytes((3 * content)[:at] + (3 * content)[at + 188 :])
        assert broken_inside(path).startswith("the container is damaged at byte")


def test_joined_transport_streams_of_other_codecs_are_damage(video, tmp_path):
    """FFmpeg reads the second by the codec of the first."""
    other = written(tmp_path / "other.ts", "libx264").read_bytes()
    path = video(".ts", "mpg2")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + other)
    assert broken_inside(path).startswith(f"the container is damaged at byte {size} of ")


def test_a_hole_between_fragments_is_damage(tmp_path):
    movflags = "frag_keyframe+empty_moov+default_base_moof"
    path = written(tmp_path / "a.mp4", "mpeg4", movflags=movflags)
    content = path.read_bytes()
    at = content.index(b"moof", content.index(b"moof") + 4) - 4
    path.write_bytes(content[:at] + bytes(400) + content[at + 400 :])
    assert broken_inside(path) == f"the container is damaged at byte {at} of {len(content)}"
    assert read(path)[2] == broken_inside(path)


@pytest.mark.parametrize(
    "head",
    [
        bytes.fromhex("1a45dfa3 01fffffffffffffe"),
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c ffffffffffffffff"),
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c ffffffffffffff7f"),
        b"\0\0\0\x01ftyp" + bytes([255] * 8),
    ],
)
def test_a_length_beyond_every_disk_is_no_other_error(tmp_path, head):
    path = tmp_path / "a.mkv"
    path.write_bytes(head + bytes(100))
    assert isinstance(broken_inside(path), str) and isinstance(cut_short(path), str)
    assert sum(promised_frames(path)) == 0
