import threading
import time

import pytest

from mtv_perception.replay.threads import WriteBehind, read_ahead, side_by_side


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_results_come_in_the_order_of_the_items(workers, count):
    def worker(item):
        time.sleep(0.002 * (item % 3))
        return -item

    assert list(side_by_side(range(count), [worker] * workers)) == [-item for item in range(count)]


def test_each_worker_has_one_item_at_a_time_and_both_work():
    busy, together = [threading.Lock(), threading.Lock()], threading.Barrier(2, timeout=30)

    def worker(lock):
        def work(item):
            assert lock.acquire(blocking=False)
            if item < 2:
                together.wait()
            lock.release()

        return work

    assert list(side_by_side(range(50), [worker(lock) for lock in busy])) == [None] * 50


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_worker_raises_arrives_after_the_results_before_it(workers):
    def worker(item):
        if item == 3:
            raise ValueError("three")
        return item

    seen = []
    with pytest.raises(ValueError, match="three"):
        for item in side_by_side(range(10), [worker] * workers):
            seen.append(item)
    assert seen == [0, 1, 2]


def test_no_more_than_a_few_items_are_taken_ahead():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    stream = side_by_side(items(), [abs, abs])
    next(stream)
    assert len(taken) <= 3
    stream.close()


def test_reading_ahead_hands_on_errors_and_ends_with_its_reader():
    def items():
        yield 1
        raise OSError("gone")

    stream = read_ahead(items(), 2)
    assert next(stream) == 1
    with pytest.raises(OSError, match="gone"):
        next(stream)


def test_writing_behind_keeps_the_order_and_raises_what_failed():
    done = []
    with WriteBehind(2) as behind:
        for item in range(10):
            behind.submit(lambda item=item: done.append(item))
    assert done == list(range(10))
    with pytest.raises(ZeroDivisionError), WriteBehind(2) as behind:
        behind.submit(lambda: 1 / 0)
