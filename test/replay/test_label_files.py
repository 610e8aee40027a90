import resource

import pytest

from mtv_perception.labels import WAREHOUSE
from mtv_perception.replay.label_files import CocoLabels


def test_a_full_disk_leaves_no_half_index(tmp_path):
    path = tmp_path / "annotations.json"
    path.write_text("old")
    labels = CocoLabels(tmp_path, WAREHOUSE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*annotations\.json'"):
            labels.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
