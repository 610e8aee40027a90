import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtv_perception.errors import ImageError
from mtv_perception.media.decode import decode_compressed
from mtv_perception.media.encodings import ENCODINGS, MAX_PIXELS, decode_raw

SIZES = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 7), (7, 1), (3, 5), (4, 6), (33, 17)]
ORDERS = {
    "rgb8": (0, 1, 2),
    "bgr8": (2, 1, 0),
    "rgba8": (0, 1, 2, None),
    "bgra8": (2, 1, 0, None),
    "rgb16": (0, 1, 2),
    "bgr16": (2, 1, 0),
    "rgba16": (0, 1, 2, None),
    "bgra16": (2, 1, 0, None),
    "8UC3": (2, 1, 0),
    "8UC4": (2, 1, 0, None),
    "16UC3": (2, 1, 0),
    "16UC4": (2, 1, 0, None),
}
GREYS = ("mono8", "mono16", "8UC1", "16UC1")
PATTERNS = ("rggb", "bggr", "gbrg", "grbg")
UYVY, YUYV = ("yuv422", "uyvy"), ("yuv422_yuy2", "yuyv")
BYTES = {name: 2 if "16" in name else 1 for name in ENCODINGS}
CHANNELS = {name: 2 if "yuv" in name or "uy" in name else 1 for name in ENCODINGS}
CHANNELS |= {name: len(order) for name, order in ORDERS.items()}

patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
encoding_of = pytest.mark.parametrize("encoding", ENCODINGS)
layout_of = pytest.mark.parametrize(
    ("padding", "is_bigendian"),
    [(0, False), (1, True), (5, False)],
    ids=["packed", "odd-big-endian", "padded"],
)


def random_values(size_hw, channels, top, seed=0):
    return np.random.default_rng(seed).integers(0, top + 1, (*size_hw, channels))


def pack(values, size, is_bigendian, padding):
    """`(H, W, C)` numbers as the bytes of a message, and its step."""
    rows = values.reshape(len(values), -1).astype(
        {1: "u1", 2: ">u2" if is_bigendian else "<u2"}[size]
    )
    rows = np.frombuffer(rows.tobytes(), np.uint8).reshape(len(values), -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xA5)
    return padded.tobytes(), padded.shape[1]


def decoded(encoding, values, padding=0, is_bigendian=False):
    data, step = pack(values, BYTES[encoding], is_bigendian, padding)
    rgb = decode_raw(data, values.shape[0], values.shape[1], step, encoding, is_bigendian)
    assert rgb.shape == (*values.shape[:2], 3) and rgb.dtype == np.uint8
    return rgb


def to_8_bits(values, encoding):
    return (
        np.rint(values / 257).astype(np.uint8) if BYTES[encoding] == 2 else values.astype(np.uint8)
    )


def test_the_usual_encodings_are_all_there():
    usual = {"bgr8", "rgb8", "bgra8", "rgba8", "mono8", "mono16", "yuv422", "yuv422_yuy2"}
    usual |= {f"bayer_{pattern}{bits}" for pattern in PATTERNS for bits in (8, 16)}
    assert usual <= set(ENCODINGS)


@pytest.mark.parametrize("encoding", ORDERS)
@layout_of
def test_colour_channels_are_put_in_order(encoding, padding, is_bigendian):
    top = 65535 if BYTES[encoding] == 2 else 255
    for size_hw in SIZES:
        rgb = random_values(size_hw, 3, top)
        alpha = random_values(size_hw, 1, top, seed=1)
        values = np.concatenate(
            [alpha if c is None else rgb[..., c : c + 1] for c in ORDERS[encoding]], 2
        )
        assert np.array_equal(
            decoded(encoding, values, padding, is_bigendian), to_8_bits(rgb, encoding)
        )


@pytest.mark.parametrize("encoding", GREYS)
@layout_of
def test_grey_goes_into_all_channels(encoding, padding, is_bigendian):
    for size_hw in SIZES:
        values = random_values(size_hw, 1, 65535 if BYTES[encoding] == 2 else 255)
        expected = np.repeat(to_8_bits(values, encoding), 3, 2)
        assert np.array_equal(decoded(encoding, values, padding, is_bigendian), expected)


def yuv_to_rgb(y, u, v):
    """BT.601, limited range. Source: ITU-R BT.601-7, section 2.5."""
    y, u, v = 1.164 * max(float(y) - 16, 0), float(u) - 128, float(v) - 128
    return np.clip([y + 1.596 * v, y - 0.813 * v - 0.391 * u, y + 2.018 * u], 0, 255)


@pytest.mark.parametrize("encoding", UYVY + YUYV)
@pytest.mark.parametrize("size_hw", [size for size in SIZES if size[1] > 1])
@pytest.mark.parametrize("padding", [0, 5])
def test_yuv_pairs_share_their_chroma(encoding, size_hw, padding):
    values = random_values(size_hw, 2, 255)
    luma, chroma = (1, 0) if encoding in UYVY else (0, 1)
    found = decoded(encoding, values, padding)
    for row, column in np.ndindex(*size_hw):
        first = column - column % 2
        # The last column of an odd width has a U of its own and borrows the V before it.
        second = first + 1 if first + 1 < size_hw[1] else first - 1
        expected = yuv_to_rgb(
            values[row, column, luma], values[row, first, chroma], values[row, second, chroma]
        )
        assert np.abs(found[row, column] - expected).max() <= 2


@pytest.mark.parametrize("encoding", UYVY + YUYV)
def test_one_grey_yuv_pixel_is_grey(encoding):
    values = np.array([[[128, 126] if encoding in UYVY else [126, 128]]])
    assert np.abs(decoded(encoding, values)[0, 0].astype(int) - 128).max() <= 2


def bayer_channel(pattern, row, column):
    return "rgb".index(pattern[2 * (row % 2) + column % 2])


def debayer(mosaic, pattern):
    """Bilinear: every missing channel is the mean of its nearest neighbours."""
    height, width = mosaic.shape
    padded = (
        np.pad(mosaic.astype(int), 1, "reflect")
        if min(mosaic.shape) > 1
        else np.pad(mosaic, 1, "edge")
    )
    rgb = np.zeros((height, width, 3))
    for row, column in np.ndindex(height, width):
        around = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)]
        for channel in range(3):
            same = [
                (r, c) for r, c in around if bayer_channel(pattern, row + r, column + c) == channel
            ]
            near = min(abs(r) + abs(c) for r, c in same)
            picked = [
                padded[row + r + 1, column + c + 1] for r, c in same if abs(r) + abs(c) == near
            ]
            rgb[row, column, channel] = np.mean(picked)
    return rgb


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size_hw", [(2, 2), (2, 5), (3, 3), (4, 6), (9, 13)])
@pytest.mark.parametrize("padding", [0, 1])
def test_bayer_is_interpolated_bilinearly(pattern, bits, size_hw, padding):
    encoding = f"bayer_{pattern}{bits}"
    values = random_values(size_hw, 1, 65535 if bits == 16 else 255)
    found = decoded(encoding, values, padding, is_bigendian=True)
    expected = debayer(to_8_bits(values, encoding)[..., 0], pattern)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size_hw", [(2, 2), (2, 3), (3, 2), (17, 33)])
def test_a_bayer_image_of_one_colour_stays_of_one_colour(pattern, size_hw):
    colour = (200, 100, 50)
    mosaic = np.array(
        [
            [[colour[bayer_channel(pattern, r, c)]] for c in range(size_hw[1])]
            for r in range(size_hw[0])
        ]
    )
    assert (decoded(f"bayer_{pattern}8", mosaic) == colour).all()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_bayer_image_of_one_pixel_is_that_pixel_in_grey(pattern):
    assert (decoded(f"bayer_{pattern}8", np.array([[[77]]])) == 77).all()


@encoding_of
def test_a_step_of_zero_means_no_padding(encoding):
    for size_hw in SIZES:
        data, step = pack(
            random_values(size_hw, CHANNELS[encoding], 255), BYTES[encoding], False, 0
        )
        with_step = decode_raw(data, *size_hw, step, encoding, False)
        assert np.array_equal(decode_raw(data, *size_hw, 0, encoding, False), with_step)


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if BYTES[name] == 2])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_a_camera_that_fills_the_lower_bits_is_as_bright_as_any(encoding, bits):
    values = random_values((8, 8), CHANNELS[encoding], (1 << bits) - 1)
    values[0, 0] = (1 << bits) - 1
    found = decoded(encoding, values)
    full = decoded(encoding, values << (16 - bits) | values >> max(0, 2 * bits - 16))
    assert np.abs(found.astype(int) - full).max() <= 1 and found.max() == 255


@pytest.mark.parametrize("encoding", ["bgr8", "mono8", "rgba8", "yuv422"])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_in_a_raw_message_is_refused(encoding, suffix):
    data = cv2.imencode(suffix, np.zeros((40, 40, 3), np.uint8))[1].tobytes()
    with pytest.raises(ImageError, match="CompressedImage"):
        decode_raw(data + bytes(40 * 40 * 4), 40, 40, 0, encoding, False)


def test_rgb_is_a_view():
    data = bytearray(12)
    rgb = decode_raw(data, 2, 2, 6, "rgb8", False)
    data[0] = 9
    assert rgb[0, 0, 0] == 9


def test_the_last_row_may_lack_its_padding():
    assert decode_raw(bytes(7 * 2 + 6), 3, 2, 7, "rgb8", False).shape == (3, 2, 3)


@encoding_of
@pytest.mark.parametrize("size_hw", [(0, 0), (0, 5), (5, 0), (60000, 60000), (1, MAX_PIXELS + 1)])
def test_impossible_sizes_are_refused(encoding, size_hw):
    with pytest.raises(ImageError, match=f"{size_hw[1]}x{size_hw[0]}"):
        decode_raw(bytes(100), *size_hw, 0, encoding, False)


@encoding_of
def test_too_few_bytes_and_too_short_steps_are_refused(encoding):
    row = 6 * CHANNELS[encoding] * BYTES[encoding]
    with pytest.raises(ImageError, match=f"at least {4 * row} bytes"):
        decode_raw(bytes(4 * row - 1), 4, 6, row, encoding, False)
    with pytest.raises(ImageError, match="step"):
        decode_raw(bytes(4 * row), 4, 6, row - 1, encoding, False)


@pytest.mark.parametrize("encoding", ["", "rgb", "RGB8", "nv21", "32FC1", "bayer_rggb"])
def test_unknown_encodings_are_refused_with_the_known_ones(encoding):
    with pytest.raises(ImageError, match="bgr8"):
        decode_raw(bytes(100), 2, 2, 6, encoding, False)


@pytest.mark.parametrize(
    ("encoding", "advice"),
    [
        *((name, "publish bgr8") for name in ("nv12", "NV21", "nv24", "i420", "yv12", "yuv420")),
        *((name, "measurements") for name in ("32FC1", "64FC3", "8SC1", "16SC2", "32SC1", "32FC")),
        *((name, "CompressedImage") for name in ("jpeg", "mjpg", "png", "h264", "hevc")),
        *((name, f"write {name.strip().lower()}") for name in ("RGB8", "Bgr8", " mono8", "YUYV")),
        ("8uc3", "write 8UC3"),
        ("octarine8", "got 'octarine8'."),
    ],
)
def test_what_is_not_read_says_what_to_do(encoding, advice):
    with pytest.raises(ImageError) as caught:
        decode_raw(bytes(100), 2, 2, 6, encoding, False)
    assert advice in str(caught.value) and "bgr8" in str(caught.value)


@patiently
@given(
    encoding=st.sampled_from([*ENCODINGS, "octarine8"]),
    height=st.integers(0, 9),
    width=st.integers(0, 9),
    step=st.integers(0, 90),
    data=st.binary(max_size=700),
    is_bigendian=st.booleans(),
)
def test_any_small_message_gives_an_image_or_an_image_error(
    encoding, height, width, step, data, is_bigendian
):
    try:
        rgb = decode_raw(data, height, width, step, encoding, is_bigendian)
    except ImageError:
        row = width * CHANNELS.get(encoding, 0) * BYTES.get(encoding, 0)
        short = len(data) < (step or row) * (height - 1) + row or (step and step < row)
        assert encoding not in ENCODINGS or not height or not width or short
    else:
        assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8


@patiently
@given(
    encoding=st.sampled_from(ENCODINGS),
    height=st.integers(0, 2**32 - 1),
    width=st.integers(0, 2**32 - 1),
    step=st.integers(0, 2**32 - 1),
)
def test_any_claimed_size_is_refused_without_harm(encoding, height, width, step):
    if height * width > 1:
        with pytest.raises(ImageError):
            decode_raw(b"\0", height, width, step, encoding, False)


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_compressed_images_come_back_as_rgb(suffix):
    for size_hw in SIZES:
        rgb = random_values(size_hw, 3, 255).astype(np.uint8)
        _, coded = cv2.imencode(suffix, rgb[..., ::-1])
        assert np.array_equal(decode_compressed(coded.tobytes()), rgb)


def test_compressed_grey_deep_and_transparent_images_come_back_as_rgb():
    grey = np.array([[0, 128, 255]], np.uint8)
    deep = grey.astype(np.uint16) * 257
    transparent = np.dstack([grey, grey, grey, np.zeros_like(grey)])
    for pixels in (grey, deep, transparent):
        _, coded = cv2.imencode(".png", pixels)
        assert np.array_equal(decode_compressed(coded.tobytes()), np.dstack([grey] * 3))


def test_an_exif_tag_does_not_turn_the_image():
    _, coded = cv2.imencode(".jpg", np.zeros((8, 16, 3), np.uint8))
    # TIFF header, one entry: tag 0x0112 (orientation), type SHORT, value 6 (turned by 90 degrees).
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = coded.tobytes()
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (16, 8)
    assert decode_compressed(turned).shape[:2] == (8, 16)


@patiently
@given(
    data=st.binary(max_size=200),
    prefix=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"]),
)
def test_any_bytes_give_an_image_or_an_image_error(data, prefix):
    try:
        assert decode_compressed(prefix + data).dtype == np.uint8
    except ImageError as error:
        assert str(error).startswith("Expected a")


@pytest.mark.parametrize(
    "encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "bayer_rggb8", "bayer_grbg8"]
)
def test_cv_bridge_agrees(encoding):
    cv_bridge = pytest.importorskip(
        "cv_bridge", reason="no cv_bridge here; it comes with a ROS distribution"
    )
    if not hasattr(cv_bridge, "CvBridge"):
        pytest.skip("the cv_bridge here is not ROS's")
    from sensor_msgs.msg import Image

    values = random_values((6, 8), CHANNELS[encoding], 255)
    data, step = pack(values, 1, False, 0)
    message = Image(height=6, width=8, encoding=encoding, step=step, data=data)
    expected = cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8")
    inside = np.s_[2:-2, 2:-2] if "bayer" in encoding else np.s_[:, :]
    assert np.abs(decoded(encoding, values)[inside].astype(int) - expected[inside]).max() <= 1
