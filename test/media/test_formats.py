import struct
import time
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.errors import ImageError
from mtv_perception.media.decode import decode_compressed
from mtv_perception.media.encodings import MAX_PIXELS, decode_raw
from mtv_perception.media.formats import MAX_SIDE, check, read_head

SUFFIXES = (".jpg", ".png", ".bmp", ".webp", ".tiff", ".gif", ".ppm")
SIZES = [(1, 1), (1, 9), (9, 1), (16, 17), (33, 64), (300, 257)]
VP8X = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"


def claimed_size(data):
    return read_head(bytes(data)).size_hw


def coded(suffix, size_hw, *options):
    pixels = np.random.default_rng(1).integers(0, 256, (*size_hw, 3), np.uint8)
    return bytearray(cv2.imencode(suffix, pixels, options)[1].tobytes())


def jpeg_of(height, width):
    data = coded(".jpg", (16, 16))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return data


def png_of(height, width):
    data = coded(".png", (16, 16))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return data


def bmp_of(height, width):
    data = coded(".bmp", (16, 16))
    data[18:26] = struct.pack("<ii", width, -height)
    return data


def webp_of(height, width):
    return VP8X + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def tiff_of(height, width, order="<"):
    mark, entries = ("II*\0", "MM\0*")[order == ">"].encode(), ((256, width), (257, height))
    fields = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries)
    return mark + struct.pack(f"{order}IH", 8, len(entries)) + fields + bytes(4)


BOMBS = {"jpeg": jpeg_of, "png": png_of, "bmp": bmp_of, "webp": webp_of, "tiff": tiff_of}
bomb_of = pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size_hw", SIZES, ids=str)
def test_the_header_says_what_decoding_gives(suffix, size_hw):
    data = coded(suffix, size_hw)

    assert claimed_size(memoryview(data)) == size_hw
    assert decode_compressed(data).shape[:2] == size_hw
    assert len(check(bytes(data), read_head(bytes(data)))) >= len(data) // 2


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 50)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),  # lossless
    ],
)
def test_other_kinds_of_a_format(suffix, options):
    assert claimed_size(memoryview(coded(suffix, (30, 20), *options))) == (30, 20)


def test_a_jpeg_with_a_thumbnail_fill_bytes_and_stray_bytes():
    data, thumbnail = coded(".jpg", (30, 20)), bytes(coded(".jpg", (4, 4)))
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = data[:2] + segment + b"stray\xff\xff\xff" + data[3:]

    assert claimed_size(memoryview(data)) == (30, 20)
    assert decode_compressed(data).shape == (30, 20, 3)


@bomb_of
@pytest.mark.parametrize("size_hw", [(60000, 60000), (2900, 2900), (65535, 129)], ids=str)
def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch, bomb, size_hw):
    data = bomb(*size_hw)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("was decoded"))
    begun = time.monotonic()

    with pytest.raises(
        ImageError, match=rf"of 1 to {MAX_PIXELS} pixels, got {size_hw[1]}x{size_hw[0]}\."
    ):
        decode_compressed(data)

    assert time.monotonic() - begun < 1


@bomb_of
@pytest.mark.parametrize("size_hw", [(0, 16), (16, 0)], ids=str)
def test_no_pixels_at_all_are_refused(bomb, size_hw):
    if bomb is not webp_of:  # can't say zero
        with pytest.raises(ImageError, match=f"pixels, got {size_hw[1]}x{size_hw[0]}"):
            decode_compressed(bomb(*size_hw))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_either_byte_order(order):
    assert claimed_size(memoryview(tiff_of(480, 640, order))) == (480, 640)


@pytest.mark.parametrize("kind", [6, 8, 9, 16, 17])
def test_a_tiff_whose_size_is_a_number_of_an_unusual_type_is_refused(kind):
    fields = b"".join(struct.pack("<HHII", tag, kind, 1, 32000) for tag in (256, 257))
    fields += b"".join(struct.pack("<HHII", tag, 3, 1, 4000) for tag in (322, 323))
    with pytest.raises(ImageError):
        claimed_size(memoryview(b"II*\0" + struct.pack("<IH", 8, 4) + fields + bytes(4)))


def test_a_tiff_with_a_huge_tile_is_refused():
    fields = b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in ((256, 9), (257, 9), (322, 60000), (323, 60000))
    )
    with pytest.raises(ImageError, match="60000x60000"):
        decode_compressed(b"II*\0" + struct.pack("<IH", 8, 4) + fields + bytes(4))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_image_is_refused(suffix):
    data = coded(suffix, (40, 60))
    for kept in (1, 3, 8, 20, len(data) // 2, len(data) - 40):
        with pytest.raises(ImageError, match=f"{kept} bytes"):
            decode_compressed(data[:kept])


@pytest.mark.parametrize(
    "data",
    [b"v/1\x01" + bytes(99), b"#?RADIANCE\n" + bytes(99), b"\0\0\0\x1cftypavif", b"P7 2 2 255 "],
)
def test_other_formats_are_refused_by_name(data):
    with pytest.raises(ImageError, match=r"JPEG, PNG, TIFF.*begin with b"):
        decode_compressed(data)


def test_a_side_that_no_camera_has_is_refused():
    with pytest.raises(ImageError, match=f"at most {MAX_SIDE} pixels, got 1x70000"):
        decode_compressed(png_of(70000, 1))


@given(
    data=st.binary(max_size=64),
    signature=st.sampled_from([b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", VP8X]),
)
def test_any_header_gives_a_size_or_an_image_error(data, signature):
    try:
        height, width = claimed_size(memoryview(signature + data))
    except ImageError:
        return
    assert height >= 0 and width >= 0


@pytest.mark.parametrize(
    ("size_hw", "step", "encoding"),
    [
        ((26755, 26755), 0, "rgb8"),  # 2 GiB of claimed pixels
        ((8000, 8000), 0, "rgba16"),  # few enough pixels, 512 MB of them
        ((2, 8), 2**31, "mono8"),  # 2 GiB by its step
    ],
)
def test_a_raw_message_that_claims_gigabytes_allocates_nothing(size_hw, step, encoding):
    tracemalloc.start()
    with pytest.raises(ImageError, match="got 1000|got 26755x26755|got 8000x8000"):
        decode_raw(bytes(1000), *size_hw, step, encoding, False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("start", "named"),
    [
        *((bytes(4) + b"ftyp" + brand, "HEIC") for brand in (b"heic", b"heix", b"mif1")),
        (bytes(4) + b"ftypavif", "AVIF"),
        (bytes(4) + b"ftypisom", "a media file"),
        (b"  <!DOCTYPE HTML><html>", "a web page"),
        (b"\xef\xbb\xbf<html lang='en'>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\xff\x0a\0", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
        *((start + bytes(4), "a BigTIFF") for start in (b"II+\0", b"MM\0+")),
        (b"RIFF\x10\0\0\0AVI LIST", "a video; name it .avi"),
        (b"\0\0\0\x01\x67\x42", "a piece of an H.264 or H.265 stream"),
        (b"\0\0\x01\x09\xf0", "a piece of an H.264 or H.265 stream"),
        (b"\0\0\x01\0\x01", "an icon"),
        (b"PK\x03\x04", "ZIP"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"PF\n9 9\n", "PFM"),
        (b"\x59\xa6\x6a\x95", "Sun raster"),
        (b"octarine", "8 bytes that begin with b'octarine'"),
    ],
)
def test_files_of_other_kinds_are_named(start, named):
    with pytest.raises(ImageError) as caught:
        decode_compressed(start)
    assert named in str(caught.value) and "JPEG, PNG" in str(caught.value)


def bmp_with(at, form, value, grey=False):
    """A BMP of 33x16 pixels with another number in its head."""
    pixels = np.random.default_rng(1).integers(0, 256, (16, 33, 3), np.uint8)
    data = bytearray(cv2.imencode(".bmp", pixels[..., 0] if grey else pixels)[1])
    struct.pack_into(form, data, at, value)
    return bytes(data)


def jpeg_2000_with_tiles(side):
    """A JPEG 2000 image whose head tells of tiles that it does not hold."""
    data = coded(".jp2", (64, 64))
    at = data.index(b"\xff\x4f\xff\x51")
    struct.pack_into(">II", data, at + 24, side, side)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (bmp_with(10, "<I", 0), "begin at byte 0, inside its header"),
        (bmp_with(10, "<I", 20), "begin at byte 20, inside its header"),
        (bmp_with(46, "<I", 2, grey=True), r"has 2 colours, a pixel has number \d+"),
        (bmp_with(10, "<I", 54 + 8, grey=True), r"has 2 colours, a pixel has number \d+"),
        (b"P1\n4 2\n0 1 0 2 0 1 0 1 1", "a bitmap holds 0 and 1, it has b'2'"),
        (b"P1\n4 2\n# 1 1 1\n0 1 0 1 0 1 0", "need 8 numbers, it has 7"),
        (jpeg_2000_with_tiles(1), "4095 of its 4096 tiles are missing"),
        (jpeg_2000_with_tiles(32), "3 of its 4 tiles are missing"),
        (jpeg_2000_with_tiles(0), "expected 1 to 4096 tiles"),
    ],
)
def test_a_head_that_does_not_fit_the_pixels_is_refused(data, text):
    with pytest.raises(ImageError, match=text):
        decode_compressed(data)


def test_fill_bytes_of_a_jpeg_are_passed_over_at_once():
    plain = bytes(coded(".jpg", (16, 16)))
    begun = time.process_time()
    filled = decode_compressed(plain[:2] + b"\xff" * 3_000_000 + plain[2:])
    assert time.process_time() - begun < 2
    np.testing.assert_array_equal(filled, decode_compressed(plain))
