import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from mtv_perception.ros import middleware
from mtv_perception.ros.middleware import VGA_BYTES, transport_warning

FAST, CYCLONE = "rmw_fastrtps_cpp", "rmw_cyclonedds_cpp"
VGA = VGA_BYTES["raw"]
NAME = "FASTDDS_BUILTIN_TRANSPORTS"


@pytest.mark.parametrize("rmw", [FAST, "rmw_fastrtps_dynamic_cpp"])
@pytest.mark.parametrize(
    "environment", [{}, {NAME: ""}, {NAME: "DEFAULT"}, {NAME: "DEFAULTv6"}, {NAME: "SHM"}], ids=str
)
def test_fast_dds_as_it_comes_loses_images(rmw, environment, tmp_path):
    text = transport_warning(rmw, VGA, environment, tmp_path)

    assert "FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA" in text and str(VGA) in text
    assert f"got {environment.get(NAME) or 'none'!r}" in text


@pytest.mark.parametrize(
    "value", ["LARGE_DATA", "LARGE_DATA?max_msg_size=1MB&sockets_size=1MB", "LARGE_DATAv6", "P2P"]
)
def test_fast_dds_with_another_transport_is_left_alone(value, tmp_path):
    assert transport_warning(FAST, VGA, {NAME: value}, tmp_path) == ""


@pytest.mark.parametrize("value", ["UDPv4", "UDPv6"])
def test_fast_dds_over_udp_loses_what_is_larger_than_a_packet(value, tmp_path):
    assert "LARGE_DATA" in transport_warning(FAST, VGA_BYTES["compressed"], {NAME: value}, tmp_path)
    assert transport_warning(FAST, 65535, {NAME: value}, tmp_path) == ""


@pytest.mark.parametrize("image_bytes", [0, VGA_BYTES["compressed"], 512 * 1024])
def test_what_fits_into_the_segment_needs_nothing(image_bytes, tmp_path):
    assert transport_warning(FAST, image_bytes, {}, tmp_path) == ""


@pytest.mark.parametrize("name", ["FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"])
def test_a_profile_is_somebodys_decision(name, tmp_path):
    path = tmp_path / "profile.xml"
    assert transport_warning(FAST, VGA, {name: str(path)}, tmp_path)

    path.touch()

    assert transport_warning(FAST, VGA, {name: str(path)}, tmp_path) == ""


@pytest.mark.parametrize("name", ["DEFAULT_FASTDDS_PROFILES.xml", "DEFAULT_FASTRTPS_PROFILES.xml"])
def test_a_profile_in_the_working_directory_counts(name, tmp_path):
    (tmp_path / name).touch()

    assert transport_warning(FAST, VGA, {}, tmp_path) == ""


@pytest.mark.parametrize(
    ("allowed", "warns"),
    [("212992\n", True), ("10485760\n", False), ("2147483647\n", False), ("what?", False)],
)
def test_cyclone_needs_a_receive_buffer(monkeypatch, tmp_path, allowed, warns):
    path = tmp_path / "rmem_max"
    path.write_text(allowed)
    monkeypatch.setattr(middleware, "_RECEIVE_BUFFER_FILE", path)

    text = transport_warning(CYCLONE, VGA, {}, tmp_path)

    assert bool(text) == warns
    assert not warns or ("net.core.rmem_max" in text and "CYCLONEDDS_URI" in text and "got 212992" in text)


def test_a_kernel_that_does_not_say_is_not_judged(monkeypatch, tmp_path):
    monkeypatch.setattr(middleware, "_RECEIVE_BUFFER_FILE", tmp_path / "none")

    assert transport_warning(CYCLONE, VGA, {}, tmp_path) == ""


@pytest.mark.parametrize("rmw", ["rmw_zenoh_cpp", "rmw_connextdds", ""])
def test_of_other_middlewares_nothing_is_said(rmw):
    assert transport_warning(rmw, VGA, {}) == ""


def test_this_process_is_judged_by_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(NAME, raising=False)
    assert transport_warning(FAST, VGA)

    monkeypatch.setenv(NAME, "LARGE_DATA")
    assert transport_warning(FAST, VGA) == ""


def test_the_node_says_it_once_at_start(own_graph, monkeypatch):
    monkeypatch.setenv(NAME, "DEFAULT")
    monkeypatch.setattr("mtv_perception.ros.processes.TRANSPORT", {NAME: "DEFAULT"})
    own_graph.start(autostart=False)
    own_graph.wait(lambda: "images will be lost" in own_graph.log(), "the warning")
    own_graph.process.terminate()
    own_graph.wait(lambda: own_graph.process.poll() is not None, "the end", alive=False)

    assert own_graph.log().count("images will be lost") == 1


def test_the_node_is_silent_where_all_is_well(own_graph):
    own_graph.start(autostart=False)
    own_graph.state()

    assert "will be lost" not in own_graph.log()
