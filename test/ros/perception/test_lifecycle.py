import signal

import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from std_srvs.srv import Trigger
from vision_msgs.msg import VisionInfo

from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.qos import LATCHED
from mtv_perception.runtime.artefact import load_artefact, write_artefact

RELIABLE = {"image_reliability": "reliable", "mask_reliability": "reliable", "num_threads": 1}


@pytest.fixture(scope="module")
def managed(shared_graph, model):
    """A node under a lifecycle manager: this test."""
    graph = shared_graph
    graph.listen()
    graph.start(model=model, autostart=False, **RELIABLE)
    return graph


@pytest.fixture
def copy_model(model, tmp_path):
    """Writes changed copies of the model."""

    def copy(folder_name, content=None, **changes):
        source = load_artefact(model)
        folder = tmp_path / folder_name
        write_artefact(folder, source.spec, source.content if content is None else content)
        description = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
        (folder / "model.yaml").write_text(yaml.safe_dump(description | changes), encoding="utf-8")
        return folder

    return copy


def to_inactive(graph):
    if graph.state() == "active":
        assert graph.transition(Transition.TRANSITION_DEACTIVATE)
    if graph.state() == "unconfigured":
        assert graph.transition(Transition.TRANSITION_CONFIGURE)
    assert graph.state() == "inactive"


def to_active(graph):
    if graph.state() != "active":
        to_inactive(graph)
        assert graph.transition(Transition.TRANSITION_ACTIVATE)
    graph.settle()


def test_a_node_without_autostart_waits_unconfigured(managed):
    assert managed.state() == "unconfigured"
    managed.diagnosis(
        lambda s: s.level == DiagnosticStatus.WARN and "unconfigured" in s.message, "a warning"
    )
    assert not managed.transition(Transition.TRANSITION_ACTIVATE)
    assert managed.state() == "unconfigured"


@pytest.mark.parametrize("round_", [1, 2])
def test_configure_activate_deactivate_cleanup(managed, round_):
    to_inactive(managed)
    managed.diagnosis(lambda s: s.message == "inactive", "inactive in the diagnostics")
    assert managed.transition(Transition.TRANSITION_ACTIVATE)
    assert managed.state() == "active"
    managed.settle()
    assert managed.see().status.model_id
    assert managed.transition(Transition.TRANSITION_DEACTIVATE)
    assert managed.transition(Transition.TRANSITION_CLEANUP)
    assert managed.state() == "unconfigured"


def test_an_inactive_node_is_silent(managed):
    to_active(managed)
    managed.see()
    to_inactive(managed)
    header = managed.header()
    managed.send(managed.grey_image(header))
    managed.delivered()
    assert managed.transition(Transition.TRANSITION_ACTIVATE)
    after = managed.see()
    stamps = [stamp_ns(message.header) for message in managed.heard["detections"][1]]
    assert stamp_ns(header) not in stamps
    assert after.status.received == 1, "the totals begin with the activation"


def test_a_model_parameter_that_can_not_be_loaded_is_refused_at_once(managed):
    to_active(managed)
    before = managed.see().status.model_id
    refused = managed.set_parameters(model="/no/such/model")
    assert not refused.successful and "/no/such/model" in refused.reason
    assert managed.parameter("model") != "/no/such/model"
    assert managed.see().status.model_id == before
    assert not managed.set_parameters(score_threshold=7.0).successful
    managed.diagnosis(lambda s: s.level == DiagnosticStatus.OK, "an OK", meanwhile=managed.see)


@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [(b"no flatbuffer", {"sha256": "0" * 64}, "SHA-256"), (b"no flatbuffer", {}, "LiteRT")],
)
def test_a_model_that_is_not_fit_is_refused_and_the_old_one_stays(
    managed, copy_model, content, changes, reason
):
    to_active(managed)
    before = managed.see().status.model_id, managed.parameter("model")
    refused = managed.set_parameters(model=str(copy_model("broken", content, **changes)))
    assert not refused.successful and reason in refused.reason
    assert (managed.see().status.model_id, managed.parameter("model")) == before


def test_a_reload_of_a_damaged_folder_answers_with_the_reason(managed, model, copy_model):
    to_active(managed)
    own = copy_model("own")
    assert managed.set_parameters(model=str(own)).successful
    assert managed.call(Trigger, "perception/reload_model", Trigger.Request()).success
    good = (own / "model.tflite").read_bytes()
    (own / "model.tflite").write_bytes(good[: len(good) // 2])
    answer = managed.call(Trigger, "perception/reload_model", Trigger.Request())
    assert not answer.success and "SHA-256" in answer.message
    status = managed.diagnosis(lambda s: "not reloaded" in s.message, "it", meanwhile=managed.see)
    assert status.level == DiagnosticStatus.WARN and "SHA-256" in status.message
    (own / "model.tflite").write_bytes(good)
    answer = managed.call(Trigger, "perception/reload_model", Trigger.Request())
    assert answer.success and "serves" in answer.message
    managed.diagnosis(lambda s: s.level == DiagnosticStatus.OK, "an OK", meanwhile=managed.see)
    assert managed.set_parameters(model=model).successful
    assert managed.call(Trigger, "perception/reload_model", Trigger.Request()).success


def test_a_reload_raises_the_database_version_and_announces_the_new_model(
    managed, model, copy_model
):
    to_active(managed)
    info = managed.subscribe(VisionInfo, "vision_info", LATCHED)
    managed.wait(lambda: info, "vision_info")
    first = info[-1]
    assert managed.call(Trigger, "perception/reload_model", Trigger.Request()).success
    managed.wait(
        lambda: info[-1].database_version == first.database_version + 1, "a higher version"
    )
    assert info[-1].method == first.method

    other = copy_model("other", name="other", version=0)
    assert managed.set_parameters(model=str(other)).successful
    managed.wait(lambda: info[-1].method.startswith("other-v0"), "the new model in vision_info")
    assert info[-1].database_version == first.database_version + 2
    managed.wait(
        lambda: managed.see().status.model_id == info[-1].method, "a result of the new model"
    )
    assert managed.set_parameters(model=model).successful
    managed.wait(lambda: info[-1].method == first.method, "the old model again")
    assert info[-1].database_version == first.database_version + 3


def test_parameters_set_while_inactive_hold_afterwards(managed):
    to_inactive(managed)
    assert managed.set_parameters(mask_size="network").successful
    to_active(managed)
    assert managed.see().mask.width != 160
    assert managed.set_parameters(mask_size="source").successful
    assert managed.see().mask.width == 160


def test_shutdown_finalises_and_the_process_still_ends_cleanly(managed):
    to_active(managed)
    assert managed.transition(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert managed.state() == "finalized"
    managed.process.send_signal(signal.SIGINT)
    managed.wait(lambda: managed.process.poll() is not None, "the end", alive=False)
    assert managed.process.returncode == 0, managed.log()


def test_a_corrupt_model_leaves_the_node_unconfigured_until_it_is_set_right(
    own_graph, model, copy_model
):
    graph = own_graph
    graph.listen()
    broken = copy_model("corrupt", sha256="0" * 64)
    graph.start(model=str(broken), **RELIABLE)
    status = graph.diagnosis(lambda s: s.level == DiagnosticStatus.ERROR, "an error")
    assert "SHA-256" in status.message and "corrupt" in status.message
    assert "SHA-256" in graph.log()
    assert graph.state() == "unconfigured"
    assert not graph.transition(Transition.TRANSITION_CONFIGURE)
    assert graph.set_parameters(model=model).successful
    to_active(graph)
    assert graph.see().status.model_id == load_artefact(model).model_id


@pytest.mark.parametrize(
    ("override", "right"),
    [
        ({"score_threshold": 5.0}, {"score_threshold": 0.5}),
        ({"score_threshold": "high"}, {"score_threshold": 0.5}),
        ({"suppress_absent": ["unicorn"]}, {"suppress_absent": []}),
    ],
)
def test_a_wrong_override_leaves_the_node_unconfigured_until_it_is_set_right(
    own_graph, model, override, right
):
    graph = own_graph
    graph.start(model=model, **RELIABLE, **override)
    (name,) = override
    status = graph.diagnosis(lambda s: s.level == DiagnosticStatus.ERROR, "an error")
    assert name in status.message or "unicorn" in status.message
    assert graph.state() == "unconfigured"
    assert graph.set_parameters(**right).successful
    assert graph.transition(Transition.TRANSITION_CONFIGURE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_working_node_with_status_zero(own_graph, model, number):
    graph = own_graph
    graph.listen(reliability="best_effort")
    graph.start(
        model=model
    )  # As on a robot, best effort: only the transport keeps images from being lost.
    graph.settle(graph.grey_image(graph.header(), 480, 640))
    for _ in range(3):
        graph.send(graph.grey_image(graph.header(), 480, 640))
    graph.process.send_signal(number)
    graph.wait(lambda: graph.process.poll() is not None, "the end", alive=False)
    assert graph.process.returncode == 0, graph.log()
    assert "Traceback" not in graph.log()
