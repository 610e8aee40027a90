import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus

from mtv_perception.ros.diagnostics import make_status, shorten


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("fine", "fine"),
        ("two\nlines\tand \x1b[31mred", "two lines and  [31mred"),
        ("a\0b", "a b"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("Gabelstapler für Süd", "Gabelstapler für Süd"),
    ],
)
def test_a_text_becomes_one_short_line(text, expected):
    assert shorten(text) == expected


def test_no_text_of_a_status_is_long():
    long = "y" * 1_000_000
    status = make_status("name", long, DiagnosticStatus.OK, long, {"key": long})
    texts = [status.hardware_id, status.message, status.values[0].value]
    assert [len(text) for text in texts] == [300] * 3
