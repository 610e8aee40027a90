"""Networks are built once for all tests here: building is what takes the time."""

import pytest

keras = pytest.importorskip("keras")


@pytest.fixture(scope="session")
def build():
    """Builds a network from keywords of NetworkConfig, once for each set of them."""
    from mtv_perception.network.config import NetworkConfig
    from mtv_perception.network.multitask import build_network

    built = {}

    def make(**values):
        config = NetworkConfig(**values)
        if config not in built:
            keras.utils.set_random_seed(1)
            built[config] = build_network(config)
        return built[config]

    return make
