import numpy as np
import pytest

from mtv_perception.geometry.frames import FrameError, FrameTree, Rigid

S = 1_000_000_000
HALF = float(np.sqrt(0.5))


def turned_left(degrees, x=0.0, y=0.0, z=0.0):
    half = np.deg2rad(degrees) / 2
    return Rigid.of((x, y, z), (0.0, 0.0, np.sin(half), np.cos(half)))


def random_place(random):
    turn = random.normal(size=4)
    return Rigid.of(tuple(random.uniform(-2, 2, 3)), tuple(turn / np.linalg.norm(turn)))


def matrix(place):
    full = np.eye(4)
    full[:3, :3], full[:3, 3] = place.rotation, place.translation
    return full


@pytest.fixture
def tree():
    """A mast on a base, turned left and 1 m up, and a camera half a metre in front of it."""
    made = FrameTree()
    made.add("base", "mast", 0, turned_left(90, z=1.0), True)
    made.add("/mast", "/camera", 0, turned_left(0, x=0.5), True)
    return made


def test_a_chain_of_static_frames(tree):
    place = tree.lookup("base", "camera", 5 * S, 0)

    np.testing.assert_allclose(place.translation, (0.0, 0.5, 1.0), atol=1e-12)
    np.testing.assert_allclose(place.rotation @ (1, 0, 0), (0, 1, 0), atol=1e-12)


def test_the_way_back_is_the_inverse(tree):
    there, back = tree.lookup("base", "camera", 0, 0), tree.lookup("camera", "base", 0, 0)

    np.testing.assert_allclose(matrix(there) @ matrix(back), np.eye(4), atol=1e-12)


def test_branches_meet_at_the_first_frame_they_share(tree):
    tree.add("mast", "lamp", 0, turned_left(0, y=0.25), True)
    tree.add("world", "base", 0, turned_left(10), False)  # Not needed, so its age does not matter.

    np.testing.assert_allclose(
        tree.lookup("lamp", "camera", 99 * S, 0).translation, (0.5, -0.25, 0.0), atol=1e-12
    )


def test_a_frame_seen_from_itself_stays(tree):
    np.testing.assert_array_equal(matrix(tree.lookup("camera", "camera", 0, 0)), np.eye(4))


@pytest.mark.parametrize("seed", range(10))
def test_products_and_inverses_are_those_of_matrices(seed):
    random = np.random.default_rng(seed)
    a, b = random_place(random), random_place(random)

    np.testing.assert_allclose(matrix(a.then(b)), matrix(a) @ matrix(b), atol=1e-12)
    np.testing.assert_allclose(matrix(a.inverse()), np.linalg.inv(matrix(a)), atol=1e-12)


def moving():
    made = FrameTree()
    made.add("base", "head", 10 * S, turned_left(0, x=1.0), False)
    made.add("base", "head", 11 * S, turned_left(40, x=2.0), False)
    return made


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_between_two_samples_places_turn_evenly(share):
    place = moving().lookup("base", "head", round((10 + share) * S), 0)
    expected = turned_left(40 * share, x=1 + share)

    assert not place.differs(expected, 1e-9, 1e-5)


def test_the_shorter_way_is_taken_between_quaternions_of_opposite_sign():
    a, b = turned_left(10), turned_left(30)
    opposite = Rigid(b.translation, -b.quaternion)

    assert not a.towards(opposite, 0.5).differs(turned_left(20), 1e-9, 1e-5)


@pytest.mark.parametrize(
    ("stamp", "longest", "text"),
    [
        (9.5, 1.0, "begins 0.50 s after the image"),
        (12.0, 0.5, "1.00 s older than the image"),
        (11.1, 0.0, "0.10 s older"),
    ],
)
def test_outside_of_the_samples_there_is_no_place(stamp, longest, text):
    with pytest.raises(FrameError, match=text):
        moving().lookup("base", "head", round(stamp * S), round(longest * S))


def test_the_last_sample_holds_for_a_little():
    assert (
        not moving()
        .lookup("base", "head", 11 * S + S // 2, S)
        .differs(turned_left(40, x=2.0), 0, 1e-5)
    )


def test_samples_may_come_in_any_order_and_twice():
    made = FrameTree()
    for second in (11.0, 10.2, 10.6, 10.6):
        made.add("base", "head", round(second * S), turned_left(0, x=second), False)

    for at in (10.2, 10.5, 10.9, 11.0):
        assert made.lookup("base", "head", round(at * S), 0).translation[0] == pytest.approx(at)


def test_a_new_timeline_forgets_the_old_one():
    made = moving()
    made.add("base", "head", 1 * S, turned_left(0, x=9.0), False)

    assert made.lookup("base", "head", 1 * S, 0).translation[0] == 9.0
    with pytest.raises(FrameError, match="older"):
        made.lookup("base", "head", 10 * S, S)


def test_a_long_run_keeps_the_newest_samples():
    made = FrameTree()
    for step in range(3000):
        made.add("base", "head", step * S // 100, turned_left(0, x=float(step)), False)

    assert made.lookup("base", "head", 2999 * S // 100, 0).translation[0] == 2999.0
    assert len(made._frames["head"].stamps) == len(made._frames["head"].samples) == 1000


@pytest.mark.parametrize(
    ("target", "source", "text"),
    [
        ("base", "nose", "no frame 'nose'"),
        ("floor", "camera", "no frame 'floor'"),
        ("base", "", "names no frame"),
        ("base", "other", "not connected"),
        ("base", "ring", "form a circle"),
    ],
)
def test_frames_without_a_connection(tree, target, source, text):
    tree.add("island", "other", 0, turned_left(0), True)
    tree.add("ring", "chain", 0, turned_left(0), True)
    tree.add("chain", "ring", 0, turned_left(0), True)

    with pytest.raises(FrameError, match=text):
        tree.lookup(target, source, 0, 0)


def test_a_broken_transform_takes_the_frame_away_until_a_whole_one_comes(tree):
    tree.add("base", "mast", 0, "expected finite numbers", True)
    with pytest.raises(FrameError, match="base -> mast can't be used: expected finite numbers"):
        tree.lookup("base", "camera", 0, 0)

    tree.add("base", "mast", 0, turned_left(0), True)
    np.testing.assert_allclose(tree.lookup("base", "camera", 0, 0).translation, (0.5, 0, 0))


def test_a_frame_that_changes_its_parent_or_kind_starts_again(tree):
    tree.add("shelf", "mast", 0, turned_left(0), True)
    with pytest.raises(FrameError, match="not connected|no frame"):
        tree.lookup("base", "camera", 0, 0)
    tree.add("base", "mast", 5 * S, turned_left(0), False)
    with pytest.raises(FrameError, match="begins"):
        tree.lookup("base", "camera", 0, 0)


@pytest.mark.parametrize(
    ("place", "turn"),
    [
        ((0, 0, np.nan), (0, 0, 0, 1)),
        ((0, 0, np.inf), (0, 0, 0, 1)),
        ((0, 0, 0), (0, 0, 0, 0)),
        ((0, 0, 0), (0, 0, 0, 1.1)),
        ((0, 0, 0), (np.nan, 0, 0, 1)),
    ],
)
def test_numbers_that_are_no_pose(place, turn):
    with pytest.raises(FrameError, match="quaternion of length 1"):
        Rigid.of(place, turn)


def test_differences_are_told_in_metres_and_degrees():
    place = turned_left(10, x=1.0)

    assert not place.differs(turned_left(10.4, x=1.004), 0.005, 0.5)
    assert place.differs(turned_left(10.6, x=1.0), 0.005, 0.5)
    assert place.differs(turned_left(10, x=1.006), 0.005, 0.5)
    assert not place.differs(Rigid(place.translation, -place.quaternion), 1e-9, 1e-4)


def test_which_static_transforms_a_way_uses(tree):
    tree.add("odom", "base", 0, turned_left(0), False)
    tree.add("mast", "lamp", 0, turned_left(0), True)

    assert tree.static_frames("base", "camera") == ["camera", "mast"]
    assert tree.static_frames("odom", "base") == []
    assert tree.static_frames("odom", "/camera") == ["camera", "mast"]
    assert tree.static_frames("lamp", "camera") == ["camera", "lamp"]
