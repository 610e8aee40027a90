"""The one decoder: whole images come out exactly, everything else is refused with a reason."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest

from mtv_perception.errors import ImageError
from mtv_perception.media.decode import (
    decode_compressed,
    image_header,
    image_size,
    is_whole,
    read_image,
)
from mtv_perception.media.encodings import decode_raw

END = b"\xff\xd9"
FORMATS = {
    "jpeg": (".jpg",),
    "progressive": (".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": (".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
    "444": (".jpg", cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    "png": (".png",),
    "webp": (".webp", cv2.IMWRITE_WEBP_QUALITY, 80),
    "lossless webp": (".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
    "tiff": (".tiff",),
    "plain tiff": (".tiff", cv2.IMWRITE_TIFF_COMPRESSION, 1),
    "bmp": (".bmp",),
    "gif": (".gif",),
    "jp2": (".jp2",),
    "ppm": (".ppm",),
    "text ppm": (".ppm", cv2.IMWRITE_PXM_BINARY, 0),
}
JPEGS = ("jpeg", "progressive", "restarts", "444")
each_format = pytest.mark.parametrize("name", FORMATS)
each_jpeg = pytest.mark.parametrize("name", JPEGS)


def picture(size_hw=(240, 320), seed=0):
    """Smooth shapes with detail, as a camera sees them: JPEG needs a few bytes for each block."""
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 256, (12, 16, 3), np.uint8)
    image = cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(image + chance.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def coded(name, image=None):
    suffix, *options = FORMATS[name]
    return cv2.imencode(suffix, picture() if image is None else image, options)[1].tobytes()


@each_format
def test_a_whole_image_has_the_pixels_that_opencv_gives(name):
    data = coded(name)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decode_compressed(data), expected[..., ::-1])


@each_format
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_an_image_cut_short_is_refused(name, share):
    data = coded(name)
    with pytest.raises(ImageError, match=r"^Expected a"):
        decode_compressed(data[: int(len(data) * share)])


@each_format
@pytest.mark.parametrize("lost", [1024, 3000])
@pytest.mark.parametrize("at", [0.3, 0.6, 0.85])
def test_an_image_that_lost_bytes_inside_is_refused(name, at, lost):
    data = coded(name)
    begin = int(len(data) * at)
    with pytest.raises(ImageError):
        decode_compressed(data[:begin] + data[begin + lost :])


@each_jpeg
@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\xff\xd8", b"x"])
def test_a_jpeg_with_foreign_bytes_inside_is_refused(name, fill):
    data = coded(name)
    begin = len(data) // 2
    with pytest.raises(ImageError, match="JPEG"):
        decode_compressed(data[:begin] + fill * (3000 // len(fill)) + data[begin + 3000 :])


@each_jpeg
@pytest.mark.parametrize(
    "end",
    [b"", b"\xff", END + bytes(60), bytes(60) + END, bytes(60), END + b"more", b"\xff" * 9 + END],
)
def test_a_jpeg_with_all_its_pixels_is_decoded_whatever_its_end_looks_like(name, end):
    data = coded(name)
    assert np.array_equal(decode_compressed(data[:-2] + end), decode_compressed(data))


def test_a_progressive_jpeg_without_its_last_scans_is_refused():
    """Cut between two scans it has no broken byte; libjpeg would show it blurred."""
    data = coded("progressive")
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    for scan in scans[1:]:
        with pytest.raises(ImageError, match="scans are missing|premature"):
            decode_compressed(data[: data.rfind(b"\xff\xc4", 0, scan)])


def test_what_libjpeg_warns_of_without_need_is_decoded():
    data, expected = coded("jpeg"), decode_compressed(coded("jpeg"))
    scan = data.index(b"\xff\xda")
    webcam = data[: scan + 11] + b"\0\0\0" + data[scan + 14 :]  # spectral selection 0..0
    version = data.replace(b"JFIF\0\1\1", b"JFIF\0\7\7")
    adobe = data[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\7" + data[2:]
    stray = data[:scan] + b"stray" + data[scan:]
    for odd in (webcam, version, adobe, stray):
        assert odd != data
        assert np.array_equal(decode_compressed(odd), expected)


def test_a_cmyk_jpeg_is_decoded_and_checked():
    pil = pytest.importorskip("PIL.Image", reason="writes CMYK")
    import io

    stream = io.BytesIO()
    pil.fromarray(picture()).convert("CMYK").save(stream, "JPEG", quality=90)
    data = stream.getvalue()
    assert decode_compressed(data).shape == (240, 320, 3)
    with pytest.raises(ImageError):
        decode_compressed(data[: len(data) // 2] + data[len(data) // 2 + 3000 :])


def chunk(name, content=b"", claimed=None):
    length = len(content) if claimed is None else claimed
    return (
        struct.pack(">I", length) + name + content + struct.pack(">I", zlib.crc32(name + content))
    )


@pytest.mark.parametrize("name", [b"IDAT", b"tEXt", b"iCCP", b"eXIf", b"abCd"])
@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0xF0000000, 0x7FFFFFFF, 4000])
def test_a_png_chunk_longer_than_the_file_is_refused(monkeypatch, name, claimed):
    data = coded("png")[:33] + chunk(name, b"", claimed)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(ImageError, match=f"claims {claimed} bytes"):
        decode_compressed(data)


def test_text_and_profiles_of_a_png_never_reach_the_decoder(monkeypatch):
    data = coded("png")
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(50_000_000)))
    seen, decode = [], cv2.imdecode
    monkeypatch.setattr(
        cv2, "imdecode", lambda buffer, flags: seen.append(len(buffer)) or decode(buffer, flags)
    )
    assert np.array_equal(
        decode_compressed(data[:33] + profile + data[33:]), decode_compressed(data)
    )
    assert seen == [len(data), len(data)]


def test_a_png_with_a_wrong_checksum_is_refused():
    data = bytearray(coded("png"))
    data[len(data) // 2] ^= 1
    with pytest.raises(ImageError, match="checksum"):
        decode_compressed(bytes(data))


def many_scans(count, size_hw=(64, 64)):
    """A progressive JPEG whose last scan is repeated."""
    data = coded("progressive", picture(size_hw))
    last = data.rfind(b"\xff\xda")
    scan = data[last:-2]
    return data[:last] + scan * count + END


@pytest.mark.parametrize(
    ("count", "size_hw"), [(65, (64, 64)), (1000, (64, 64)), (40, (2400, 3200))]
)
def test_more_scans_than_any_encoder_writes_are_refused(monkeypatch, count, size_hw):
    import simplejpeg

    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(ImageError, match="at most .* scans"):
        decode_compressed(many_scans(count, size_hw))


def gif_of(frames):
    data = coded("gif", picture((20, 30)))
    first = data.index(b"\x2c", 13 + 3 * 256)
    return data[:first] + data[first:-1] * frames + b"\x3b"


def apng_of(frames):
    data = coded("png", picture((20, 30)))
    return data[:33] + chunk(b"acTL", struct.pack(">II", frames, 0)) + data[33:]


def webp_of(frames):
    data = coded("lossless webp", picture((20, 30)))
    frame = b"ANMF" + struct.pack("<I", 16 + len(data) - 12) + bytes(6)
    frame += (29).to_bytes(3, "little") + (19).to_bytes(3, "little") + bytes(4) + data[12:]
    size = b"\2\0\0\0" + (29).to_bytes(3, "little") + (19).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + size + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    body += frame * frames
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def tiff_of(pages):
    images = [picture((20, 30), seed) for seed in range(pages)]
    return cv2.imencodemulti(".tiff", images)[1].tobytes()


@pytest.mark.parametrize("make", [gif_of, apng_of, webp_of, tiff_of])
@pytest.mark.parametrize("frames", [2, 40])
def test_animations_and_pages_are_refused_and_named(make, frames):
    assert decode_compressed(make(1)).shape == (20, 30, 3)
    with pytest.raises(ImageError, match="file of its own"):
        decode_compressed(make(frames))


@pytest.mark.parametrize("limit", [99, 100])
def test_the_limit_of_pixels_can_be_chosen(limit):
    data = coded("png", picture((10, 10)))
    raw = (bytes(300), 10, 10, 0, "rgb8", False)
    if limit == 100:
        assert decode_compressed(data, max_pixels=limit).shape == (10, 10, 3)
        assert decode_raw(*raw, max_pixels=limit).shape == (10, 10, 3)
        return
    for decode, given in ((decode_compressed, (data,)), (decode_raw, raw)):
        with pytest.raises(ImageError, match="1 to 99 pixels, got 10x10"):
            decode(*given, max_pixels=limit)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize(("suffix", "bits"), [(".jpg", 8), (".png", 8), (".png", 16)])
def test_a_mosaic_in_a_grey_image_becomes_colours(pattern, suffix, bits):
    colour = (200, 100, 50)
    tile = np.array([[colour["rgb".index(pattern[2 * r + c])] for c in (0, 1)] for r in (0, 1)])
    mosaic = np.tile(tile, (32, 32)).astype(np.uint8)
    if bits == 16:
        mosaic = mosaic.astype(np.uint16) * 257
    options = [cv2.IMWRITE_JPEG_QUALITY, 100] if suffix == ".jpg" else []
    data = cv2.imencode(suffix, mosaic, options)[1].tobytes()
    form = f"bayer_{pattern}{bits}; {suffix[1:]} compressed "
    # 51400 of 16 bits is the largest number, and is scaled as in a raw message.
    assert np.abs(decode_compressed(data, form=form)[8:-8, 8:-8].astype(int) - colour).max() <= 3
    assert np.ptp(decode_compressed(data, form="mono8; jpeg compressed ").astype(int), 2).max() == 0


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_a_deep_image_that_uses_12_bits_is_not_black(suffix):
    grey = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    grey[0, 0] = 4095
    rgb = decode_compressed(cv2.imencode(suffix, grey)[1].tobytes())
    assert rgb.max() == 255 and abs(int(np.median(rgb)) - 128) < 3


def turned_jpeg(orientation, image):
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes(
        [0, orientation, 0, 0, 0, 0, 0, 0]
    )
    body = b"Exif\0\0" + tiff
    content = coded("jpeg", image)
    return content[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + content[2:]


@pytest.mark.parametrize("orientation", range(10))
def test_files_stand_upright_as_viewers_show_them(tmp_path, orientation):
    path = tmp_path / "a.jpg"
    path.write_bytes(turned_jpeg(orientation, picture((30, 50))))
    expected = cv2.imread(str(path))[..., ::-1]
    assert np.array_equal(read_image(path), expected)
    assert image_size(path) == expected.shape[:2]
    assert image_header(path).size_hw == (30, 50)
    assert image_header(path).orientation == (orientation if 1 <= orientation <= 8 else 1)


@each_format
@pytest.mark.parametrize("size_hw", [(33, 32), (40, 60), (301, 47)])
def test_size_of_every_format(tmp_path, name, size_hw):
    path = tmp_path / "a"
    path.write_bytes(coded(name, picture(size_hw)))
    assert image_size(path) == size_hw
    assert read_image(path).shape == (*size_hw, 3)
    assert is_whole(path)


def test_a_long_profile_before_the_size_is_read_over(tmp_path):
    data = coded("jpeg", picture((30, 50)))
    profile = b"\xff\xe2\xff\xff" + bytes(0xFFFD)
    (tmp_path / "a.jpg").write_bytes(data[:2] + profile * 3 + data[2:])
    assert image_size(tmp_path / "a.jpg") == (30, 50)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\0" * 9, b"text"]
)
def test_no_image_is_said_with_the_file(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    for read in (image_size, read_image):
        with pytest.raises(ImageError, match=r"a\.jpg: [eE]xpected an? "):
            read(path)


def test_no_file(tmp_path):
    for read in (image_size, read_image):
        with pytest.raises(ImageError, match="could not read it: No such file"):
            read(tmp_path / "gone.jpg")


def test_a_name_that_the_disk_refuses_is_said_with_the_file(tmp_path):
    for read in (image_size, read_image):
        with pytest.raises(ImageError, match="could not read it: File name too long"):
            read(tmp_path / f"{'a' * 300}.jpg")


@each_format
def test_a_truncated_file_is_told_from_one_with_more_behind_it(tmp_path, name):
    path, content = tmp_path / "a", coded(name)
    for end in (b"", b"\0" * 20, b"\r\n", b"a second picture" * 10):
        path.write_bytes(content + end)
        assert is_whole(path)
    for length in (3, 10, len(content) // 2):
        path.write_bytes(content[:length])
        assert not is_whole(path)


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image(tmp_path):
    path, content = tmp_path / "a.jpg", coded("jpeg")
    thumbnail = b"\xff\xe1\x00\x0cthumb\xff\xd8\xff\xd9-"
    path.write_bytes(content[:2] + thumbnail + content[2:] + b"more behind it")
    assert is_whole(path)
    path.write_bytes(content[:2] + thumbnail + content[2 : len(content) // 2])
    assert not is_whole(path)


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0x7FFFFFFF])
def test_masks_of_data_sets_are_checked_before_they_are_decoded(tmp_path, monkeypatch, claimed):
    from mtv_perception.data.mask_file import read_mask
    from mtv_perception.errors import DatasetError

    path = tmp_path / "a.png"
    path.write_bytes(coded("png")[:33] + chunk(b"tEXt", b"", claimed))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(DatasetError, match=f"claims {claimed} bytes"):
        read_mask(path)


def textured(size_hw=(240, 320)):
    noise = np.random.default_rng(3).integers(0, 256, (*size_hw, 3), np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 0)


@pytest.mark.parametrize("size", [16, 64, 300])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("grey", [False, True])
def test_zeros_among_the_pixels_of_a_jpeg_are_damage(size, share, grey):
    pixels = textured()[..., 0] if grey else textured()
    data = cv2.imencode(".jpg", pixels)[1].tobytes()
    at = int(len(data) * share)
    assert decode_compressed(data).shape == (240, 320, 3)
    with pytest.raises(ImageError, match="broken one of"):
        decode_compressed(data[:at] + bytes(size) + data[at + size :])


@pytest.mark.parametrize("value", [0, 128, 255, (0, 0, 250)])
@pytest.mark.parametrize("optimise", [0, 1])
@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("quality", [1, 50, 100])
def test_flat_jpegs_whose_codes_are_zeros_are_whole(value, optimise, progressive, quality):
    pixels = np.full((480, 640, 3), value, np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, optimise]
    options += [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    data = cv2.imencode(".jpg", pixels, options)[1].tobytes()
    for whole in (data, data[:-2] + bytes(64) + data[-2:], data + bytes(64)):
        assert decode_compressed(whole).shape == (480, 640, 3)


def tiff_of(pixels, orientation, order):
    """A TIFF file of one strip, in either byte order."""
    height, width = pixels.shape[:2]
    fields = [(256, width), (257, height), (258, 8), (259, 1), (262, 2), (273, 134)]
    fields += [(274, orientation), (277, 3), (278, height), (279, pixels.size)]
    entries = b"".join(struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in fields)
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(fields))
    return head + entries + bytes(4) + pixels.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_once_as_other_files_are(tmp_path, order, orientation):
    pil = pytest.importorskip("PIL.Image", reason="the oracle")
    ops = pytest.importorskip("PIL.ImageOps")
    stored = picture((30, 50))
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_of(stored, orientation, order))
    expected = np.asarray(ops.exif_transpose(pil.open(path)))
    assert np.array_equal(read_image(path), expected)
    assert np.array_equal(read_image(path, upright=False), stored)
    assert image_size(path) == expected.shape[:2]


def pnm_of(values, top, as_text, channels):
    """A PGM or PPM of one row that states `top` as its largest value."""
    kind = {(False, 1): 5, (False, 3): 6, (True, 1): 2, (True, 3): 3}[as_text, channels]
    numbers = np.repeat(np.array(values), channels)
    coded = numbers.astype(np.uint8 if top < 256 else ">u2").tobytes()
    content = " ".join(map(str, numbers)).encode() if as_text else coded
    return b"P%d\n%d 1\n%d\n" % (kind, len(values), top) + content


@pytest.mark.parametrize("top", [1, 15, 100, 254, 255, 256, 300, 1023, 10_000, 65_534])
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_largest_value_that_a_pnm_states_is_white(top, as_text, channels):
    values = [0, top // 2, top]
    image = decode_compressed(pnm_of(values, top, as_text, channels))
    expected = [255 * value / top for value in values]
    assert np.allclose(image[0], np.array(expected)[:, None], atol=1)


@pytest.mark.parametrize("top", [0, 1, 100, 300])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_value_above_the_largest_that_a_pnm_states_is_refused(top, as_text):
    with pytest.raises(ImageError, match=f"states {top} as the largest value, it has {top + 1}"):
        decode_compressed(pnm_of([0, top + 1], top, as_text, 1))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_darkens_no_tiff(mode):
    """As of PNG and WebP, the colours are taken as they are stored."""
    pillow = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, len(mode)), np.uint8)
    pixels[..., -1] = np.linspace(0, 255, 64)
    stored = io.BytesIO()
    pillow.fromarray(pixels, mode).save(stored, "TIFF")
    colours = pixels[..., :-1] if mode == "RGBA" else pixels[..., :1]
    assert np.array_equal(
        decode_compressed(stored.getvalue()), np.broadcast_to(colours, (48, 64, 3))
    )
