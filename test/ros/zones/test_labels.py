"""Restarts of perception with another order of classes never give a wrong answer."""

import os

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

import rclpy
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from mtv_perception.labels import LabelSet
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import detection_array
from mtv_perception.types import Detections

RESTARTS = int(os.environ.get("MTV_ZONES_RESTARTS", "12"))


class Perception:
    """One life of a scripted perception: a DDS participant of its own, one order of classes."""

    def __init__(self, stage, tools, names, as_):
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=stage.domain)
        self._node = rclpy.create_node(
            "perception", namespace=stage.namespace, context=self._context
        )
        self.detections = self._node.create_publisher(Detection2DArray, "detections", 5)
        self.status = self._node.create_publisher(PerceptionStatus, "perception/status", 5)
        self._labels, self._as, self._tools = LabelSet(("background", *names)), as_, tools

    def see(self, header: Header, name: str, box, late_status=None):
        """One object of a class; the status of the image before comes late where asked for."""
        found = Detections(
            np.array([box], np.float32),
            np.array([0.9], np.float32),
            np.array([self._labels.id_of(name)], np.int32),
        )
        self.detections.publish(detection_array(found, self._labels, header, self._as))
        if not late_status:
            self.tell(header)

    def tell(self, header: Header) -> None:
        """The status of an image."""
        self.status.publish(self._tools.status_message(header, self._labels))

    def end(self):
        self._node.destroy_node()
        self._context.try_shutdown()


@pytest.mark.parametrize("as_", ["name", "id"])
def test_restarts_with_permuted_classes(stage, tools, tmp_path, as_):
    """A person inside, called by another number in every life; rails stand where people are not."""
    random = np.random.default_rng(7)
    stage.host(tools.zones_file(tmp_path, deadline=1.0, zone={"leave_results": 1}))
    stage.introduce()
    inside, person, rail = True, tools.person_box(3.0, 0.0), tools.person_box(2.0, 0.1)
    truth, before, told_twice = {}, None, set()
    for _ in range(RESTARTS):
        order = random.permutation(["rail", "person", "forklift"]).tolist()
        life, inside = Perception(stage, tools, order, as_), not inside
        stage.wait(lambda life=life: life.detections.get_subscription_count(), "a subscription")
        stage.wait(lambda life=life: life.status.get_subscription_count(), "a subscription")
        began = stage.now()

        def look(life=life, inside=inside):
            stamp = stage.now()
            truth[stamp] = inside
            life.see(stage.header(stamp), *(("person", person) if inside else ("rail", rail)))

        if before:  # The life before still publishes the first images of this one.
            for _ in range(2):
                look()
                header = stage.header(max(truth))
                told_twice.add(max(truth))
                before.see(header, "person" if inside else "rail", person if inside else rail)
            before.end()
        word = "occupied" if inside else "free"
        stage.wait(
            lambda began=began, word=word: any(
                tools.stamp_ns(z.header) >= began and tools.meaning(z) == word
                for _, z in stage.states(began)
            ),
            word,
            look,
        )
        before = life
    before.end()

    said = {(tools.stamp_ns(z.header), tools.meaning(z)) for _, z in stage.states() if z.valid}
    assert [stamp for stamp, word in said if word == "free" and truth.get(stamp)] == []
    # Where the life before told of an image first, its own "occupied" may still be held
    # (leave_seconds).
    empty = {stamp for stamp, inside in truth.items() if not inside} - told_twice
    assert [stamp for stamp, word in said if word == "occupied" and stamp in empty] == []


def test_a_status_of_another_process_does_not_explain_numbers(stage, tools, tmp_path):
    """The same stamp from two processes whose numbers mean different classes."""
    stage.host(tools.zones_file(tmp_path))
    stage.introduce()
    one = Perception(stage, tools, ["rail", "person", "forklift"], "id")
    two = Perception(stage, tools, ["person", "rail", "forklift"], "id")
    for life in (one, two):
        stage.wait(lambda life=life: life.detections.get_subscription_count(), "a subscription")
        stage.wait(lambda life=life: life.status.get_subscription_count(), "a subscription")
    box = tools.person_box(3.0, 0.0)

    crossed = []

    def cross():
        header = stage.header(stage.now())
        crossed.append(header)
        one.see(header, "person", box, late_status=True)  # "2", which is a rail to the other.
        two.tell(header)

    # Twenty images: with numbers explained by the other process three of them would make it free.
    stage.wait(lambda: len(crossed) >= 20, "images", cross)
    assert {tools.meaning(state) for _, state in stage.states()} == {"unknown"}
    for life in (one, two):
        life.end()
