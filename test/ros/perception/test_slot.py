import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.ros.perception import slot as slot_module
from mtv_perception.ros.perception.config import NodeConfig, Settings
from mtv_perception.ros.perception.slot import ModelSlot
from mtv_perception.runtime.settings import PerceiverConfig

DEADLINE = 60.0


def settings(model="first-1", **perceiver):
    return Settings(NodeConfig(model=model), PerceiverConfig(**perceiver))


@pytest.fixture
def loader(monkeypatch):
    """Models by name, `NAME-VERSION`; loading waits for `go`."""
    state = SimpleNamespace(go=threading.Event(), error=None, loads=[])
    state.go.set()

    def load(source, config, meanwhile=None):
        state.loads.append(source.name)
        assert state.go.wait(DEADLINE)
        if state.error:
            raise state.error
        name, version = source.name.split("-")
        spec = SimpleNamespace(name=source.name, version=int(version), classes=("background", name))
        return SimpleNamespace(spec=spec, config=config)

    monkeypatch.setattr(slot_module, "load_perceiver", load)
    return state


class Service:
    """A slot with the part of the executor: it collects what has been loaded."""

    def __init__(self, first):
        self.woken = threading.Semaphore(0)
        self.slot = ModelSlot(first, self.woken.release)
        self.exchanges = 0

    def reload(self, wanted):
        """Begin a load; the list of its answers."""
        told = []
        self.slot.reload(wanted, told.append)
        return told

    def collect(self):
        """Wait for a load and take it over."""
        assert self.woken.acquire(timeout=DEADLINE)
        self.slot.collect(self.exchange)

    def exchange(self, put):
        """Count exchanges."""
        self.exchanges += 1
        put()


@pytest.fixture
def service(loader):
    """A service with the model first-1."""
    return Service(settings(score_threshold=0.1))


def test_settings_are_in_force_for_the_next_frame(service):
    assert service.slot.current().config.score_threshold == 0.1
    service.slot.configure(PerceiverConfig(score_threshold=0.2))
    assert service.slot.current().config.score_threshold == 0.2


def test_the_old_model_serves_until_the_new_one_is_collected(loader, service):
    loader.go.clear()
    told = service.reload(settings("second-7"))
    assert service.slot.is_loading and not told
    loader.go.set()
    assert service.woken.acquire(timeout=DEADLINE)
    assert service.slot.current().spec.name == "first-1"
    service.slot.collect(service.exchange)
    assert (told, service.exchanges) == ([""], 1)
    assert service.slot.current().spec.name == service.slot.spec.name == "second-7"
    assert not service.slot.is_loading


def test_a_refresh_that_waits_for_a_reload_does_not_undo_it(loader, service):
    loader.go.clear()
    first, second = service.reload(settings("second-7")), service.reload(None)
    loader.go.set()
    service.collect()
    service.collect()
    assert (first, second) == ([""], [""])
    assert service.slot.spec.name == "second-7"


def test_requests_during_a_load_share_one_more_with_the_newest_settings(loader, service):
    loader.go.clear()
    told = [service.reload(settings(f"model-{number}")) for number in range(500)]
    assert len([t for t in threading.enumerate() if t.name == "model-loader"]) == 1
    loader.go.set()
    service.collect()
    service.collect()
    assert told == [[""]] * 500
    assert loader.loads == ["first-1", "model-0", "model-499"]
    assert service.slot.spec.name == "model-499"


@pytest.mark.parametrize(
    "error", [ArtefactError("corrupt"), RuntimeError("corrupt"), ValueError("corrupt")]
)
def test_a_failed_reload_keeps_the_old_model_and_its_version(loader, service, error):
    loader.error = error
    told = service.reload(settings("second-7"))
    service.collect()
    assert (told, service.exchanges) == (["corrupt"], 0)
    assert (service.slot.current().spec.name, service.slot.version) == ("first-1", 1)
    loader.error = None
    again = service.reload(None)
    service.collect()
    assert again == [""] and service.slot.spec.name == "first-1", (
        "the refused settings are not kept"
    )


def test_settings_changed_while_a_model_loads_are_not_lost(loader, service):
    loader.go.clear()
    told = service.reload(settings("second-1", score_threshold=0.1))
    service.slot.configure(PerceiverConfig(score_threshold=0.9))
    loader.go.set()
    service.collect()
    assert told == [""]
    assert service.slot.current().config.score_threshold == 0.9


def test_settings_that_no_longer_fit_refuse_the_new_model(service):
    class Picky(SimpleNamespace):
        def __setattr__(self, name, value):
            raise ConfigError("no such class")

    def exchange(put):
        put()

    told = []
    service.slot.reload(None, told.append)
    service.slot.configure(PerceiverConfig(score_threshold=0.9))
    assert service.woken.acquire(timeout=DEADLINE)
    load, wanted, found = service.slot._finished.get()
    service.slot._finished.put((load, wanted, Picky(**vars(found))))
    service.slot.collect(exchange)
    assert told == ["no such class"]


@pytest.mark.parametrize(("model", "version"), [("other-1", 2), ("other-0", 2), ("other-9", 9)])
def test_the_version_rises_with_every_reload_whatever_the_models_say(service, model, version):
    assert service.slot.version == 1
    service.reload(settings(model))
    service.collect()
    assert service.slot.version == version
    service.reload(settings("first-1"))
    service.collect()
    assert service.slot.version == version + 1


def test_a_load_that_hangs_is_given_up_and_its_late_model_never_serves(loader, service):
    loader.go.clear()
    told = service.reload(settings("second-7"))
    service.slot.check(timeout=3600.0)
    assert not told
    time.sleep(0.002)
    service.slot.check(timeout=0.001)
    assert "not loaded within" in told[0] and not service.slot.is_loading
    loader.go.set()
    service.collect()
    assert (service.slot.spec.name, service.exchanges) == ("first-1", 0)
    again = service.reload(settings("third-1"))
    service.collect()
    assert again == [""] and service.slot.spec.name == "third-1"


def test_loads_that_hang_do_not_pile_up(loader, service):
    loader.go.clear()
    for _ in range(5):
        told = service.reload(settings("second-7"))
        time.sleep(0.002)
        service.slot.check(timeout=0.001)
    assert "hang" in told[0]
    assert len([t for t in threading.enumerate() if t.name == "model-loader"]) == 3
    loader.go.set()


def test_whoever_waits_hears_of_the_end(loader, service):
    loader.go.clear()
    told = [service.reload(settings("second-7")), service.reload(None)]
    service.slot.close()
    assert all("cleaned up" in answers[0] for answers in told)
    loader.go.set()
    service.collect()
    assert service.slot.spec.name == "first-1"
