import pytest

from mtv_perception.geometry.calibration import why_unfit

FULL = (0, 0, 0, 0)
VGA = (480, 640)


@pytest.mark.parametrize("roi", [FULL, (0, 0, 640, 480)])
@pytest.mark.parametrize("binning", [(0, 0), (1, 1), (0, 1)])
def test_a_calibration_of_the_full_image_fits(roi, binning):
    assert why_unfit(VGA, roi, binning, VGA) == ""


@pytest.mark.parametrize(
    ("size_hw", "roi", "binning", "image_hw", "text"),
    [
        ((960, 1280), FULL, (0, 0), VGA, "1280x960 image, the image is 640x480"),
        ((720, 1280), FULL, (0, 0), VGA, "1280x720"),
        ((640, 480), FULL, (0, 0), VGA, "480x640"),
        (VGA, FULL, (0, 0), (960, 1280), "the image is 1280x960"),
        ((0, 0), FULL, (0, 0), VGA, "0x0"),
        (VGA, (0, 0, 320, 240), (0, 0), VGA, "region of interest"),
        (VGA, (0, 0, 320, 240), (0, 0), (240, 320), "region of interest"),
        (VGA, (0, 0, 640, 240), (0, 0), VGA, "region of interest"),
        (VGA, (16, 0, 0, 0), (0, 0), VGA, "region of interest"),
        (VGA, (0, 8, 640, 472), (0, 0), VGA, "region of interest"),
        (VGA, FULL, (2, 2), VGA, "binning 2x2"),
        (VGA, FULL, (1, 2), VGA, "binning 1x2"),
        ((960, 1280), FULL, (2, 2), VGA, "binning"),
    ],
)
def test_anything_else_says_why_it_does_not_fit(size_hw, roi, binning, image_hw, text):
    assert text in why_unfit(size_hw, roi, binning, image_hw)
