import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from mtv_perception.cli import doctor
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros import middleware
from mtv_perception.ros.middleware import FASTDDS_TRANSPORT, VGA_BYTES, transport_warning
from mtv_perception.ros.process.processes import start_node, stop_node

FAST, CYCLONE = "rmw_fastrtps_cpp", "rmw_cyclonedds_cpp"
VGA = VGA_BYTES["raw"]
NAME = "FASTDDS_BUILTIN_TRANSPORTS"


@pytest.mark.parametrize("rmw", [FAST, "rmw_fastrtps_dynamic_cpp"])
@pytest.mark.parametrize(
    "environment", [{}, {NAME: ""}, {NAME: "DEFAULT"}, {NAME: "DEFAULTv6"}, {NAME: "SHM"}], ids=str
)
def test_fast_dds_as_it_comes_loses_images(rmw, environment, tmp_path):
    text = transport_warning(rmw, VGA, environment, tmp_path)

    assert f"{FASTDDS_TRANSPORT!r} as FASTDDS_BUILTIN_TRANSPORTS" in text and str(VGA) in text
    assert f"got {environment.get(NAME) or 'none'!r}" in text


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (FASTDDS_TRANSPORT, 16_000_000),
        ("DEFAULT?max_msg_size=64KB&sockets_size=1MiB&non_blocking=true", 2 * 1024 * 1024),
        ("DEFAULT?sockets_size=3000000", 6_000_000),
        ("SHM?sockets_size=600kb", 1_200_000),
        ("LARGE_DATA", 8500 * 1024),
        ("LARGE_DATAv6", 8500 * 1024),
        ("P2P", 8500 * 1024),
        ("LARGE_DATA?max_msg_size=1MB&sockets_size=1GB", 2_000_000_000),
        ("DEFAULT", 512 * 1024),
        ("DEFAULT?max_msg_size=64KB", 512 * 1024),
        ("DEFAULT?sockets_size=8MB,non_blocking=true", 512 * 1024),
        ("DEFAULT?sockets_size=8Mbit", 512 * 1024),
        ("UDPv4?sockets_size=8MB", 65535),
        ("UDPv6", 65535),
    ],
)
def test_an_image_has_to_fit_into_the_segment(value, limit, tmp_path):
    assert transport_warning(FAST, limit, {NAME: value}, tmp_path) == ""
    assert f"into {limit} bytes" in transport_warning(FAST, limit + 1, {NAME: value}, tmp_path)


@pytest.mark.parametrize("image_bytes", [0, VGA_BYTES["compressed"], 512 * 1024])
def test_what_fits_into_the_segment_needs_nothing(image_bytes, tmp_path):
    assert transport_warning(FAST, image_bytes, {}, tmp_path) == ""


@pytest.mark.parametrize(
    "name", ["FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"]
)
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
    assert not warns or (
        "net.core.rmem_max" in text and "CYCLONEDDS_URI" in text and "got 212992" in text
    )


def test_a_kernel_that_does_not_say_is_not_judged(monkeypatch, tmp_path):
    monkeypatch.setattr(middleware, "_RECEIVE_BUFFER_FILE", tmp_path / "none")

    assert transport_warning(CYCLONE, VGA, {}, tmp_path) == ""


@pytest.mark.parametrize("rmw", ["rmw_zenoh_cpp", "rmw_connextdds", ""])
def test_of_other_middlewares_nothing_is_said(rmw):
    assert transport_warning(rmw, VGA, {}) == ""


def test_this_process_is_judged_by_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv(NAME, raising=False)
    assert transport_warning(FAST, VGA)

    monkeypatch.setenv(NAME, FASTDDS_TRANSPORT)
    assert transport_warning(FAST, VGA) == ""


def test_the_node_says_it_once_at_start(own_graph, monkeypatch):
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.setenv(NAME, "DEFAULT")
    own_graph.start(autostart=False)
    own_graph.wait(lambda: "images will be lost" in own_graph.log(), "the warning")
    own_graph.process.terminate()
    own_graph.wait(lambda: own_graph.process.poll() is not None, "the end", alive=False)

    assert own_graph.log().count("images will be lost") == 1


def test_a_larger_image_asks_for_a_larger_segment(tmp_path):
    text = transport_warning(FAST, 3840 * 2160 * 3, {NAME: FASTDDS_TRANSPORT}, tmp_path)

    assert "Expected a larger sockets_size" in text


def test_the_profile_for_quick_starts_is_understood(own_graph, monkeypatch):
    profile = SOURCE_ROOT / "config" / "fastdds.xml"
    text = profile.read_text(encoding="utf-8")
    assert f'sockets_size="{FASTDDS_TRANSPORT.partition("=")[2]}"' in text
    assert "<sec>0</sec><nanosec>500000000</nanosec>" in text
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))

    own_graph.start(autostart=False)

    assert own_graph.state() == "unconfigured"
    assert "XML" not in own_graph.log()  # An element that Fast DDS does not know is told there.


def test_a_transport_that_is_set_already_wins_in_a_started_node(monkeypatch):
    monkeypatch.setenv(NAME, "UDPv4")

    with start_node("perception_node", {"autostart": False}) as process:
        # Empty while the new program is still being loaded.
        file, deadline = Path(f"/proc/{process.pid}/environ"), time.monotonic() + 10
        while not (environment := file.read_bytes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        stop_node(process)

    assert f"{NAME}=UDPv4".encode() in environment.split(b"\0")


@pytest.mark.parametrize(
    ("environment", "state", "detail"),
    [
        ({}, "missing", "Most images will be lost"),
        ({NAME: FASTDDS_TRANSPORT}, "ok", FASTDDS_TRANSPORT),
        ({"FASTDDS_DEFAULT_PROFILES_FILE": __file__, NAME: "DEFAULT"}, "ok", __file__),
        ({"RMW_IMPLEMENTATION": CYCLONE}, "ok", f"not used: {CYCLONE}"),
    ],
    ids=str,
)
def test_the_doctor_looks_at_the_transport(monkeypatch, tmp_path, environment, state, detail):
    monkeypatch.chdir(tmp_path)
    for name in (NAME, "FASTDDS_DEFAULT_PROFILES_FILE", "RMW_IMPLEMENTATION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    finding = doctor._transport()

    assert finding.state == state and detail in finding.detail


def test_the_node_is_silent_where_all_is_well(own_graph):
    own_graph.start(autostart=False)
    own_graph.state()

    assert "will be lost" not in own_graph.log()
