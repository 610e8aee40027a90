"""Pytest fixtures for tests on bags.

In your conftest.py: `pytest_plugins = ["mtv_perception.pytest_plugin"]`.

def test_person_at_the_gate(mtv_replay):
run = mtv_replay("bags/gate")
person = run.presence("person", min_score=0.5)
person.assert_reported_within(0.3, of_s=4.2)  # enters 4.2 s into the bag
person.assert_gone_after(1.0, of_s=9.0)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mtv_perception.errors import ReplayError
from mtv_perception.replay.replay import ReplayOptions, ReplayReport, replay
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.testing import ReplayedRun


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--mtv-model`."""
    group = parser.getgroup("mtv_perception")
    group.addoption(
        "--mtv-model", default="warehouse", help="model folder or name (default: %(default)s)"
    )


@pytest.fixture(scope="session")
def mtv_perceiver(pytestconfig: pytest.Config) -> Perceiver:
    """The model that `--mtv-model` names, loaded once."""
    return Perceiver(
        load_artefact(find_model(pytestconfig.getoption("--mtv-model"))), PerceiverConfig()
    )


@pytest.fixture(scope="session")
def mtv_replay(
    mtv_perceiver: Perceiver, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., ReplayedRun]:
    """Replays a bag, video or image folder (once a session) and returns its ReplayedRun.

    Called as `mtv_replay(path, topics=(), allow_damage=False)`. A test whose input is damaged fails,
    unless it allows that: what was not replayed is not tested.
    """
    done: dict[tuple[Path, tuple[str, ...]], tuple[ReplayedRun, str]] = {}

    def replayed(
        path: Path | str, topics: tuple[str, ...] = (), allow_damage: bool = False
    ) -> ReplayedRun:
        key = (Path(path).resolve(), tuple(topics))
        if key not in done:
            folder = tmp_path_factory.mktemp("mtv_replay") / "bag"
            report = replay(key[0], folder, mtv_perceiver, ReplayOptions(topics=key[1]))
            done[key] = ReplayedRun(folder, allow_damage=True), _lacking(report)
        run, lacking = done[key]
        if lacking and not allow_damage:
            raise ReplayError(f"{key[0]}: {lacking} (allow_damage=True takes it as it is)")
        return run

    return replayed


def _lacking(report: ReplayReport) -> str:
    """What of an input has no result; empty for nothing."""
    if report.damage:
        return f"expected a whole input, got a damaged one: {report.damage}"
    if report.failed or not report.frames:
        faults = "; ".join(report.faults)
        return f"expected a result of every image, {report.failed} failed: {faults or 'no image'}"
    return ""
