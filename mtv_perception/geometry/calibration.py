"""Whether a calibration, as a CameraInfo states it, describes the image that a result came from."""

from __future__ import annotations


def why_unfit(
    size_hw: tuple[int, int],
    roi_xywh: tuple[int, int, int, int],
    binning_xy: tuple[int, int],
    image_hw: tuple[int, int],
) -> str:
    """Why a calibration does not fit an image.

    Args:
        size_hw: height and width of the calibrated image, pixels.
        roi_xywh: region of interest: offset x and y, width, height, pixels; all 0 for the full
            image.
        binning_xy: camera pixels that make one image pixel; 0 and 1 mean none.
        image_hw: height and width of the source image, pixels.

    Returns:
        One sentence, or an empty text where it fits. A full image of the same size fits, and
        nothing else.
    """
    height, width = size_hw
    if max(binning_xy) > 1:
        return f"camera_info has binning {binning_xy[0]}x{binning_xy[1]}; expected a calibration of the full image"
    if tuple(roi_xywh) not in ((0, 0, 0, 0), (0, 0, width, height)):
        x, y, roi_width, roi_height = roi_xywh
        return (
            f"camera_info has a region of interest ({roi_width}x{roi_height} at {x},{y}); "
            "expected a calibration of the full image"
        )
    if tuple(size_hw) != tuple(image_hw):
        return (
            f"camera_info describes a {width}x{height} image, the image is {image_hw[1]}x{image_hw[0]}; "
            "calibrate the camera at this size"
        )
    return ""
