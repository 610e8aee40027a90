"""What happens to a robot: cameras die, clocks jump, processes are killed, files change under the
node.
"""

import itertools
import random
import resource
import threading
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray

from mtv_perception.ros.conversions import image_message, stamp_ns
from mtv_perception.ros.process.processes import start_node, stop_node
from mtv_perception.runtime.artefact import MODEL_FILE, load_artefact, write_artefact

SECOND = 1_000_000_000


@pytest.fixture
def start_camera(own_graph, tmp_path):
    """Starts image_replay_node as a camera of some name in the graph's namespace."""
    folder, processes = tmp_path / "images", []
    folder.mkdir()
    assert cv2.imwrite(str(folder / "0.png"), np.full((24, 32, 3), 127, np.uint8))

    def start(name):
        log = (tmp_path / f"{name}_{len(processes)}.log").open("w", encoding="utf-8")
        processes.append(
            (
                start_node(
                    "image_replay_node",
                    {"source": str(folder), "loop": True, "rate": 10.0, "settle": 0.0},
                    remap={"__ns": own_graph.namespace, "__node": name, "image": f"{name}/image"},
                    environment={
                        "ROS_DOMAIN_ID": str(own_graph.domain),
                        "ROS_LOG_DIR": str(tmp_path),
                    },
                    output=log,
                ),
                log,
            )
        )
        return processes[-1][0]

    yield start
    for process, log in processes:
        stop_node(process)
        log.close()


def is_ok(status):
    return status.level == DiagnosticStatus.OK


def stamps(graph, topic="detections"):
    return [stamp_ns(message.header) for message in graph.heard[topic][1]]


def test_a_camera_that_dies_is_an_error_of_its_own_and_comes_back_by_itself(
    own_graph, model, start_camera
):
    graph = own_graph
    graph.start_scripted(model=model, cameras=["front", "rear"], camera_timeout=1.5)
    graph.subscribe(Detection2DArray, "rear/detections")
    front, _ = start_camera("front"), start_camera("rear")
    graph.diagnosis(is_ok, "front runs", "front")
    graph.diagnosis(is_ok, "rear runs", "rear")
    front.kill()
    heard = len(stamps(graph, "rear/detections"))
    status = graph.diagnosis(
        lambda s: s.level == DiagnosticStatus.ERROR, "the dead camera", "front"
    )
    assert "no image for" in status.message
    graph.diagnosis(is_ok, "rear still runs", "rear")
    assert len(stamps(graph, "rear/detections")) > heard
    start_camera("front")
    graph.diagnosis(is_ok, "front runs again", "front")


def test_images_out_of_order_are_never_published_out_of_order(own_graph, model):
    graph = own_graph
    graph.listen()
    graph.start_scripted(model=model)
    graph.settle()
    begin = graph.next_stamp()
    sent = [begin + index * SECOND // 50 for index in range(1, 21)]
    random.Random(0).shuffle(sent)
    for stamp in sent:
        graph.send(graph.grey_image(graph.header(stamp)))
        time.sleep(0.05)
    graph.delivered()
    graph._newest = max(sent)
    status = graph.see().status
    own = [stamp for stamp in stamps(graph) if stamp > begin]
    assert own == sorted(set(own))
    assert status.stale + status.dropped > 0
    assert status.received == status.processed + status.dropped + status.stale + status.failed


def test_simulated_time_may_jump_back(own_graph, model):
    graph = own_graph
    graph.listen()
    graph.start_scripted(model=model, use_sim_time=True, max_age=2.0)
    clock = graph.publisher(Clock, "/clock")

    def accepted(now_ns):
        """An image of now, until one is seen: clock and images come on two roads."""
        sent = []

        def seen():
            header = graph.header(now_ns + len(sent) * SECOND // 100)
            sent.append(stamp_ns(header))
            clock.publish(Clock(clock=header.stamp))
            graph.send(graph.grey_image(header))
            return next((stamp for stamp in sent if graph.result(stamp)), None)

        return graph.wait(seen, f"a result at {now_ns / SECOND} s")

    assert accepted(1000 * SECOND)
    late = graph.header(990 * SECOND)
    graph.send(graph.grey_image(late))
    assert accepted(1001 * SECOND)
    assert stamp_ns(late) not in stamps(graph)
    assert accepted(10 * SECOND)
    assert graph.see(graph.grey_image(graph.header(1002 * SECOND))), "a straggler of the old time"
    assert accepted(12 * SECOND)
    later = itertools.count(14 * SECOND, 100 * SECOND)
    graph.diagnosis(is_ok, "an OK", meanwhile=lambda: accepted(next(later)))


def test_a_killed_node_is_replaced_by_a_second_process_that_repeats_nothing(own_graph, model):
    graph = own_graph
    graph.listen()
    process = graph.start_scripted(model=model)
    graph.settle()
    graph.see()
    process.kill()
    process.wait()
    while_down = graph.header()
    graph.send(graph.grey_image(while_down))
    graph.start_scripted(model=model)
    graph.settle()
    assert graph.see().status.processed > 0
    assert len(stamps(graph)) == len(set(stamps(graph))), "no result is published twice"
    assert stamp_ns(while_down) not in stamps(graph)


def test_a_model_that_changes_while_it_is_read_never_stops_the_old_one(own_graph, model, tmp_path):
    graph = own_graph
    graph.listen()
    source = load_artefact(model)
    folder = tmp_path / "own"
    write_artefact(folder, source.spec, source.content)
    graph.start(
        model=str(folder),
        image_reliability="reliable",
        mask_reliability="reliable",
        camera_timeout=3600.0,
        num_threads=1,
    )
    graph.settle()
    stop = threading.Event()

    def overwrite():
        """In place, as `cp` and a flaky disk do it."""
        while not stop.is_set():
            for content in (
                source.content[: len(source.content) // 3],
                b"\0" * len(source.content),
            ):
                (folder / MODEL_FILE).write_bytes(content)
                time.sleep(0.002)

    writer = threading.Thread(target=overwrite)
    writer.start()
    try:
        for _ in range(5):
            # The answer comes after the load: it says whether the new content serves, and why not.
            assert graph.call(Trigger, "perception/reload_model", Trigger.Request()).message
            assert graph.see().status.model_id == source.model_id
        graph.diagnosis(lambda s: "not reloaded" in s.message, "the refusal", meanwhile=graph.see)
    finally:
        stop.set()
        writer.join()
    (folder / MODEL_FILE).write_bytes(source.content)
    assert graph.call(Trigger, "perception/reload_model", Trigger.Request()).success
    graph.diagnosis(is_ok, "an OK", meanwhile=graph.see)


def test_a_recorder_whose_disk_is_full_says_so_and_ends_with_status_one(own_graph, tmp_path):
    graph = own_graph
    process = graph.start("recorder_node", bag=str(tmp_path / "bag"))
    publisher = graph.publisher(Image, "segmentation/mask")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
    noise = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
    graph.process = None  # It is stopped here, for its status is part of the test.

    def said():
        publisher.publish(image_message(noise, "mono8", graph.header()))
        return "too large" in graph.log() or process.poll() is not None

    graph.wait(lambda: said() and process.poll() is not None, "the end")
    assert process.returncode == 1
    assert "too large" in graph.log() and "Traceback" not in graph.log()
