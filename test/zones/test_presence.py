import pytest

from mtv_perception.zones.presence import State, Verdict, ZonePresence

WORDS = {"o": Verdict.OCCUPIED, "c": Verdict.CLEAR, "?": Verdict.UNSURE}
STATES = {State.UNKNOWN: "U", State.FREE: "F", State.OCCUPIED: "O"}


def run(verdicts, enter=1, leave=2, leave_frames=0, step=1):
    presence = ZonePresence(enter, leave, leave_frames * step)
    return "".join(
        STATES[presence.update(WORDS[word], index * step)] for index, word in enumerate(verdicts)
    )


@pytest.mark.parametrize(
    ("verdicts", "states", "options"),
    [
        ("", "", {}),
        ("o", "O", {}),
        ("c", "U", {}),
        ("cc", "UF", {}),
        ("ccoc", "UFOO", {}),
        ("ococcc", "OOOOFF", {}),
        ("cco", "UFF", {"enter": 2}),
        ("ccoo", "UFFO", {"enter": 2}),
        ("oo", "UO", {"enter": 2}),
        ("ocococcc", "UUOOOOFF", {"enter": 2}),
        ("occococc", "UUFFFOOF", {"enter": 2}),
        ("cc?", "UFU", {}),
        ("cc?c", "UFUU", {}),
        ("cc?cc", "UFUUF", {}),
        ("o?", "OO", {}),
        ("o?c?c?c", "OOOOOOO", {}),
        ("occcccc", "OOOOFFF", {"leave_frames": 4}),
    ],
)
def test_states_after_verdicts(verdicts, states, options):
    assert run(verdicts, **options) == states


def test_since_changes_with_the_state_only():
    presence = ZonePresence(1, 1, 0)
    since = []
    for stamp, word in enumerate("oocco", start=10):
        presence.update(WORDS[word], stamp)
        since.append(presence.since_ns)

    assert since == [10, 10, 12, 12, 14]


def test_forgotten_means_all_over_again():
    presence = ZonePresence(1, 2, 0)
    for stamp in range(3):
        presence.update(Verdict.CLEAR, stamp)
    presence.forget(5)

    assert (presence.state, presence.since_ns) == (State.UNKNOWN, 5)
    assert presence.update(Verdict.CLEAR, 6) is State.UNKNOWN
    assert presence.update(Verdict.CLEAR, 7) is State.FREE


@pytest.mark.parametrize(("before", "after", "states"), [("o", "oo", "UO"), ("oo", "oo", "UO")])
def test_hits_before_forgetting_do_not_confirm_those_after(before, after, states):
    presence = ZonePresence(2, 2, 0)
    for stamp, word in enumerate(before):
        presence.update(WORDS[word], stamp)
    presence.forget(5)
    said = [presence.update(WORDS[word], stamp) for stamp, word in enumerate(after, start=6)]

    assert "".join(STATES[state] for state in said) == states


@pytest.mark.parametrize(("restart", "free_from"), [(0, 2), (500, 502), (1001, 1100), (1050, 1100)])
def test_a_hit_delays_free_after_forgetting_unless_the_time_went_back(restart, free_from):
    """One bad picture must not make a zone free sooner."""
    presence = ZonePresence(1, 2, leave_ns=100)
    presence.update(Verdict.OCCUPIED, 1000)
    presence.forget(restart)
    said = {at: presence.update(Verdict.CLEAR, at) for at in range(restart + 1, 1200)}

    assert min(at for at, state in said.items() if state is State.FREE) == free_from
    assert said[restart + 1] is State.UNKNOWN


@pytest.mark.parametrize(("enter", "words"), [(2, "oc"), (3, "ooc"), (3, "o?c"), (2, "oc?")])
def test_an_object_in_some_of_the_results_is_noticed_all_the_same(enter, words):
    presence = ZonePresence(enter, 3, 0)
    said = [presence.update(WORDS[word], stamp) for stamp, word in enumerate(words * 5)]
    assert said[-1] is State.OCCUPIED


def test_a_flicker_is_left_out_where_several_results_are_asked_for():
    presence = ZonePresence(2, 3, 0)
    said = {presence.update(WORDS[word], stamp) for stamp, word in enumerate("ccc" + "occc" * 5)}
    assert State.OCCUPIED not in said
