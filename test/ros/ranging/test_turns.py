import pytest

from mtv_perception.ros.turns import REMEMBERED, Turns


@pytest.mark.parametrize(
    ("heard", "rivals"),
    [("", ""), ("a", ""), ("aaa", ""), ("ab", ""), ("abb", ""), ("aba", "ab"), ("abcb", "abc")],
)
def test_who_is_heard_again_after_another_is_a_rival(heard, rivals):
    turns = Turns()
    for at, sender in enumerate(heard):
        turns.notice(sender, float(at))
    assert turns.rivals(float(len(heard))) == set(rivals)


def test_turns_are_forgotten():
    turns = Turns()
    for at, sender in enumerate("aba"):
        turns.notice(sender, float(at))
    assert turns.rivals(2.0 + REMEMBERED - 0.1)
    assert not turns.rivals(2.0 + REMEMBERED)


def test_who_was_heard_long_ago_is_no_rival():
    turns = Turns()
    for at, sender in ((0.0, "a"), (1.0, "b"), (REMEMBERED + 0.1, "a")):
        turns.notice(sender, at)
    assert not turns.rivals(REMEMBERED + 0.1)
