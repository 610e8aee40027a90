import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mtv_perception.compare.runs import open_run
from mtv_perception.errors import ReplayError
from mtv_perception.replay.jobs import Job, Work, make_jobs, run_local, run_ray
from mtv_perception.replay.replay import ReplayOptions
from mtv_perception.replay.resume import read_state, write_state
from mtv_perception.runtime.settings import PerceiverConfig


def ignore(index, done, total):
    pass


@pytest.fixture
def work(model):
    return Work(str(model), PerceiverConfig(num_threads=1), ReplayOptions())


def test_one_input_goes_to_out_itself_several_inside(tmp_path):
    assert make_jobs([tmp_path / "a"], tmp_path / "out") == [Job(tmp_path / "a", tmp_path / "out")]
    names = [
        job.folder.name
        for job in make_jobs([tmp_path / "a", tmp_path / "b.mcap"], tmp_path / "out")
    ]
    assert names == ["a", "b"]
    with pytest.raises(ReplayError, match="'a' twice"):
        make_jobs([tmp_path / "a", tmp_path / "x" / "a"], tmp_path / "out")


def test_a_name_with_dots_is_a_whole_name(tmp_path):
    (tmp_path / "v1.2").mkdir()
    sources = [
        tmp_path / name for name in ("v1.2", "01.05.mp4", "01.06.mp4", "a_0.mcap.zstd", ".b")
    ]
    assert [job.folder.name for job in make_jobs(sources, tmp_path / "out")] == [
        *("v1.2", "01.05", "01.06", "a_0", ".b"),
    ]


def test_processes_do_what_one_process_does(tmp_path, write_bag, work, contents, plainly):
    bags = [write_bag(name, frames=count) for name, count in (("one", 4), ("two", 7), ("three", 2))]
    (tmp_path / "bad.mcap").write_bytes(b"no bag")
    sources = [*bags, tmp_path / "bad.mcap"]
    seen = {}
    outcomes = list(
        run_local(
            make_jobs(sources, tmp_path / "parallel"),
            work,
            2,
            lambda job, done, total: seen.update({job: done}),
        )
    )
    assert len(outcomes) == 4
    assert sorted(item.report.frames for item in outcomes if item.report) == [2, 4, 7]
    assert "expected a rosbag2 bag" in next(item.error for item in outcomes if item.error)
    assert seen == {0: 4, 1: 7, 2: 2}
    list(run_local(make_jobs(sources, tmp_path / "serial"), work, 1, ignore))
    for name in ("one", "two", "three"):
        parallel, serial = (
            plainly([item for item in contents(tmp_path / where / name) if "status" not in item[0]])
            for where in ("parallel", "serial")
        )
        assert parallel == serial


def test_what_is_in_the_way_is_said_before_any_work(tmp_path, write_bag, work):
    jobs = make_jobs([write_bag("one"), write_bag("two")], tmp_path / "out")
    notes = tmp_path / "out" / "two" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    (notes.parent / "replay.yaml").write_text("state: done\n")
    for options in (work.options, replace(work.options, overwrite=True)):
        with pytest.raises(ReplayError, match="expected no such folder"):
            list(run_local(jobs, replace(work, options=options), 2, ignore))
    assert not (tmp_path / "out" / "one").exists() and notes.read_text() == "mine"


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path, write_bag, work, monkeypatch):
    def init(**options):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setitem(
        sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False, init=init)
    )
    with pytest.raises(ReplayError, match="Expected a Ray cluster.*timed out"):
        list(run_ray(make_jobs([write_bag()], tmp_path / "out"), work, 2, ignore))


def test_without_ray_it_says_how_to_get_it(tmp_path, write_bag, work, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ReplayError, match="pip install ray"):
        list(run_ray(make_jobs([write_bag()], tmp_path / "out"), work, 2, ignore))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ray_loses_and_doubles_nothing_when_a_worker_dies(tmp_path, write_bag, work, monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    bags = [write_bag(f"bag{index}", frames=150) for index in range(4)]
    jobs = make_jobs(bags, tmp_path / "out")
    killed = []

    def kill_one():
        """The first worker that has begun to write a bag."""
        deadline = time.monotonic() + 400
        while time.monotonic() < deadline and not killed:
            time.sleep(0.05)
            begun = [job for job in jobs if (job.folder / "replay.yaml").is_file()]
            others = [
                int(name)
                for name in os.listdir("/proc")
                if name.isdecimal() and int(name) != os.getpid()
            ]
            for pid in [pid for pid in others if begun and holds(pid, begun[0].folder)][:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    thread = threading.Thread(target=kill_one, daemon=True)
    thread.start()
    try:
        outcomes = list(run_ray(jobs, work, 2, ignore))
    finally:
        thread.join(5)
        ray.shutdown()
    assert killed
    assert [item.error for item in outcomes] == [""] * 4
    for job in jobs:
        run = open_run(job.folder)
        assert len(run.frames) == 150
        stamps = [stamp for _, stamp in run.frames]
        assert stamps == sorted(stamps)


def holds(pid, folder):
    """Whether a process has a file of a folder open."""
    try:
        links = [
            os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")
        ]
    except OSError:
        return False
    return any(link.startswith(str(folder)) for link in links)


@pytest.mark.parametrize("workers", [1, 2])
def test_overwrite_also_drops_what_an_older_replay_left_unfinished(
    tmp_path, write_bag, work, workers
):
    jobs = make_jobs([write_bag("a", frames=3), write_bag("b", frames=2)], tmp_path / "out")
    list(run_local(jobs, work, 1, ignore))
    left = tmp_path / "out" / ".a.unfinished"
    shutil.copytree(tmp_path / "out" / "a", left)
    state = read_state(left)
    write_state(left, {**state, "state": "running", "model": "another"})
    again = replace(work, options=ReplayOptions(overwrite=True))

    outcomes = list(run_local(jobs, again, workers, ignore))

    assert [outcome.error for outcome in outcomes] == ["", ""]
    assert sorted(outcome.report.frames for outcome in outcomes) == [2, 3]
    assert not left.exists()
