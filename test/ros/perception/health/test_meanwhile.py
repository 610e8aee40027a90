"""While a callback tests a model, images come in and systemd is told that the node lives."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.ros.perception import node as module
from mtv_perception.ros.perception.node import PerceptionNode


@pytest.mark.parametrize("with_poll", [True, False])
def test_the_node_is_watched_once_a_second_and_images_come_in(monkeypatch, with_poll):
    now, watched, polled = [100.0], [], []
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    node = SimpleNamespace(_watch=lambda: watched.append(now[0]))
    act = PerceptionNode._meanwhile(node, (lambda: polled.append(now[0])) if with_poll else None)
    for _ in range(48):  # 12 s
        now[0] += 0.25
        act()
    assert len(watched) == 12
    assert len(polled) == (48 if with_poll else 0)


def test_a_model_under_test_gets_it(monkeypatch):
    given = []

    def check_model(source, config, meanwhile):
        given.append(meanwhile)
        raise ArtefactError("hangs")

    monkeypatch.setattr(module, "check_model", check_model)
    node = SimpleNamespace(_meanwhile=lambda poll=None: ("meanwhile", poll))
    settings = SimpleNamespace(node=SimpleNamespace(source=None), perceiver=None)
    with pytest.raises(ConfigError, match="model: hangs"):
        PerceptionNode._check_model(node, settings, SimpleNamespace(poll="poll"))
    assert given == [("meanwhile", "poll")]
