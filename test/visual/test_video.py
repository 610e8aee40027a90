"""H.264 videos: what a decoder gives back."""

import numpy as np
import pytest

from mtv_perception.visual.video import VideoWriter

av = pytest.importorskip("av")


def test_frames_come_back_in_order_as_h264(tmp_path):
    levels = [30, 90, 150, 210]
    with VideoWriter(tmp_path / "a.mp4", rate=10.0) as video:
        for level in levels:
            video.write(np.full((49, 65, 3), level, np.uint8))

    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        found = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 10.0
    assert [frame.shape for frame in found] == [(48, 64, 3)] * 4
    assert [round(float(frame.mean())) for frame in found] == pytest.approx(levels, abs=3)


def test_a_browser_finds_the_index_before_the_pictures(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", rate=10.0) as video:
        video.write(np.zeros((32, 32, 3), np.uint8))
    content = (tmp_path / "a.mp4").read_bytes()

    assert content.index(b"moov") < content.index(b"mdat")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import sys

    from mtv_perception.errors import MtvError

    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MtvError, match="pip install av"):
        VideoWriter(tmp_path / "a.mp4", rate=10.0)
