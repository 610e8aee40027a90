import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from mtv_perception.errors import ArtefactError
from mtv_perception.ros.perception import engine as engine_module
from mtv_perception.ros.perception.config import NodeConfig, Settings
from mtv_perception.ros.perception.engine import Engine, load_perceiver
from mtv_perception.runtime.perceiver import PerceiverConfig

DEADLINE = 60.0


def settings(model="first-1", **perceiver):
    return Settings(NodeConfig(model=model), PerceiverConfig(**perceiver))


@pytest.fixture
def loader(monkeypatch):
    """Models by name, `NAME-VERSION`; loading waits for `go`."""
    state = SimpleNamespace(go=threading.Event(), fault=None)
    state.go.set()

    def load(model, config):
        assert state.go.wait(DEADLINE)
        if state.fault:
            raise state.fault
        return SimpleNamespace(
            spec=SimpleNamespace(
                name=model,
                version=int(model.split("-")[1]),
                classes=("background", model.split("-")[0]),
            ),
            config=config,
        )

    monkeypatch.setattr(engine_module, "load_perceiver", load)
    return state


def reload(engine, wanted):
    told, done = [], threading.Event()
    engine.reload_async(wanted, lambda fault: (told.append(fault), done.set()))
    return lambda: done.wait(DEADLINE) and told[0]


def test_settings_are_in_force_for_the_next_frame(loader):
    engine = Engine(settings(score_threshold=0.1))
    assert engine.current().config.score_threshold == 0.1
    engine.configure(PerceiverConfig(score_threshold=0.2))
    assert engine.current().config.score_threshold == 0.2


def test_the_old_model_serves_until_the_new_one_is_loaded(loader):
    engine = Engine(settings())
    loader.go.clear()
    fault = reload(engine, settings("second-7"))
    assert engine.current().spec.name == "first-1"
    loader.go.set()
    assert fault() == ""
    assert engine.current().spec.name == engine.spec.name == "second-7"


def test_a_refresh_that_waits_for_a_reload_does_not_undo_it(loader):
    engine = Engine(settings("first-1"))
    loader.go.clear()
    fault = reload(engine, settings("second-7"))
    refreshed = threading.Event()
    engine.refresh_async(lambda fault: refreshed.set())
    loader.go.set()

    assert fault() == "" and refreshed.wait(DEADLINE)
    assert engine.spec.name == "second-7"


def test_a_frame_of_the_old_model_is_known_by_its_classes(loader):
    engine = Engine(settings("first-1"))
    old = engine.current()
    assert reload(engine, settings("first-2"))() == ""
    assert engine.means_the_same(old)
    assert reload(engine, settings("second-1"))() == ""
    assert not engine.means_the_same(old) and engine.means_the_same(engine.current())


@pytest.mark.parametrize(
    "error", [ArtefactError("corrupt"), RuntimeError("corrupt"), ValueError("corrupt")]
)
def test_a_failed_reload_keeps_the_old_model_and_its_version(loader, error):
    engine = Engine(settings())
    loader.fault = error
    assert reload(engine, settings("second-7"))() == "corrupt"
    assert (engine.current().spec.name, engine.version) == ("first-1", 1)


def test_settings_changed_while_a_model_loads_are_not_lost(loader):
    engine = Engine(settings(score_threshold=0.1))
    loader.go.clear()
    fault = reload(engine, settings("second-1", score_threshold=0.1))
    engine.configure(PerceiverConfig(score_threshold=0.9))
    loader.go.set()
    assert fault() == ""
    assert engine.current().config.score_threshold == 0.9


@pytest.mark.parametrize(("model", "version"), [("other-1", 2), ("other-0", 2), ("other-9", 9)])
def test_the_version_rises_with_every_reload_whatever_the_models_say(loader, model, version):
    engine = Engine(settings())
    assert engine.version == 1
    assert reload(engine, settings(model))() == ""
    assert engine.version == version
    assert reload(engine, settings("first-1"))() == ""
    assert engine.version == version + 1


def test_a_real_model_is_loaded_warmed_up_and_tested(model):
    perceiver = load_perceiver(model, PerceiverConfig(num_threads=1))
    assert perceiver.spec.labels.foreground


def test_classes_the_model_does_not_have_are_a_clear_error(model):
    with pytest.raises(Exception, match="unicorn") as caught:
        load_perceiver(model, PerceiverConfig(suppress_absent=("unicorn",), num_threads=1))
    assert type(caught.value).__name__ == "ConfigError"


def test_a_folder_without_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(ArtefactError, match=r"model\.yaml"):
        load_perceiver(str(tmp_path), PerceiverConfig())
