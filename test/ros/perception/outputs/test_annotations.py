import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")
foxglove = pytest.importorskip("foxglove_msgs.msg", reason="foxglove_msgs is not installed")

BOX = (20, 30, 60, 100)


def test_annotations_reach_their_subscriber(own_graph, model):
    graph = own_graph
    graph.listen()
    graph.start_scripted(model=model)
    graph.settle()
    heard = graph.subscribe(foxglove.ImageAnnotations, "image_annotations")
    graph.wait(
        lambda: graph.see(graph.scripted_image(graph.header(), box_xyxy=BOX)) and heard,
        "annotations",
    )
    result = graph.see(graph.scripted_image(graph.header(), box_xyxy=BOX))
    stamp = result.detections.header.stamp
    (found,) = graph.wait(
        lambda: [m for m in heard if m.points and m.points[0].timestamp == stamp], "the annotations"
    )
    assert [(point.x, point.y) for point in found.points[0].points] == [
        (20, 30),
        (60, 30),
        (60, 100),
        (20, 100),
    ]
    assert found.points[0].type == foxglove.PointsAnnotation.LINE_LOOP
    assert found.texts[0].text.endswith(" 0.90")
