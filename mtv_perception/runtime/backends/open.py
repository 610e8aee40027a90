"""Opening a network in the engine that was asked for, or in the fastest one."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import platform
import time
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mtv_perception.errors import ArtefactError, ConfigError, MtvError
from mtv_perception.runtime.backends import openvino
from mtv_perception.runtime.backends.cache import cache_folder, read_entry, write_entry
from mtv_perception.runtime.backends.config import (
    AUTO,
    CPU,
    LITERT,
    LITERT_FILE,
    OPENVINO,
    OPENVINO_FILES,
    EngineConfig,
    Network,
)
from mtv_perception.runtime.backends.litert import LiteRtBackend
from mtv_perception.runtime.outputs import Backend

_LOG = logging.getLogger(__name__)
_CHOICES_FILE = "engines.json"
# Turns of a few runs each: the first of a turn meets the other engine's caches and is not counted.
_TURNS, _RUNS = 3, 4
_SECONDS_AT_MOST = 0.4
_PACKAGES = {LITERT: "ai-edge-litert", OPENVINO: "openvino"}


def _open_litert(network: Network, config: EngineConfig) -> Backend:
    return LiteRtBackend(
        network.files[LITERT_FILE],
        network.size_hw,
        network.positions,
        network.expected,
        config.num_threads,
    )


def _open_openvino(network: Network, config: EngineConfig) -> Backend:
    if not set(OPENVINO_FILES) <= set(network.files):
        raise ArtefactError(
            f"backend openvino: expected a model with {' and '.join(OPENVINO_FILES)}, found none; "
            "`mtv export --backend openvino` writes them. Or set backend to litert."
        )
    return openvino.OpenVinoBackend(network, config, cache_folder())


ENGINES: dict[str, Callable[[Network, EngineConfig], Backend]] = {
    LITERT: _open_litert,
    OPENVINO: _open_openvino,
}


def open_backend(network: Network, config: EngineConfig) -> Backend:
    """A network, ready to run.

    Raises:
        ArtefactError: the files are no such network, or not in the engine's form.
        ConfigError: an unknown backend or device, or an engine that is not installed.
    """
    if config.backend == AUTO:
        return _open_fastest(network, config)
    if config.backend not in ENGINES:
        raise ConfigError(
            f"backend: expected one of {AUTO}, {', '.join(ENGINES)}, got {config.backend!r}."
        )
    if config.backend == LITERT and config.device != CPU:
        raise ConfigError(
            f"device: expected {CPU}, the only one that backend {LITERT} has, got {config.device!r}."
        )
    return ENGINES[config.backend](network, config)


def usable_engines(files: Collection[str], device: str = CPU) -> list[str]:
    """The engines that are installed, have one of a model folder's files, and have the device."""
    found = [] if device != CPU else [LITERT]
    if set(OPENVINO_FILES) <= set(files) and openvino.is_installed():
        found.append(OPENVINO)
    return found


def _open_fastest(network: Network, config: EngineConfig) -> Backend:
    names = usable_engines(network.files, config.device)
    if len(names) < 2:
        # With another device than the CPU, OpenVINO itself says what is missing.
        only = names[0] if names else OPENVINO
        return _noted(ENGINES[only](network, config), f"{only}, the only one usable here")
    key = _key(network, config, names)
    kept = read_entry(_CHOICES_FILE, key)
    if isinstance(kept, dict) and kept.get("engine") in names:
        note = f"{kept['engine']}, as measured before: {_figures(kept.get('ms'))}"
        # That engine may be broken since. Then the measurement logs it and leaves it out.
        with contextlib.suppress(MtvError):
            return _noted(ENGINES[kept["engine"]](network, config), note)
    return _measured(network, config, names, key)


def _measured(network: Network, config: EngineConfig, names: Sequence[str], key: str) -> Backend:
    """Open each engine, take the fastest, and remember it."""
    backends = {}
    for name in names:
        try:
            backends[name] = ENGINES[name](network, config)
        except MtvError as error:
            # LiteRT is what every robot has: without it there is nothing to fall back on.
            if name == LITERT:
                raise
            _LOG.warning("engine %s is left out: %s", name, error)
    taken_ms = _fastest_runs(backends)
    best = min(taken_ms, key=lambda name: taken_ms[name])
    if len(backends) == len(names):
        write_entry(_CHOICES_FILE, key, {"engine": best, "ms": taken_ms})
    return _noted(backends[best], f"{best}, measured: {_figures(taken_ms)}")


def _noted(backend: Backend, note: str) -> Backend:
    """Say in the log, and in the backend, which engine was taken and why."""
    _LOG.info("engine: %s", note)
    backend.engine = note
    return backend


def _fastest_runs(backends: dict[str, Backend]) -> dict[str, float]:
    """Milliseconds of each engine's fastest run; they take turns, so that load meets all alike."""
    best = dict.fromkeys(backends, float("inf"))
    for backend in backends.values():
        backend.run()
    begun = time.perf_counter()
    for _ in range(_TURNS):
        for name, backend in backends.items():
            backend.run()
            for _ in range(_RUNS):
                start = time.perf_counter()
                backend.run()
                best[name] = min(best[name], (time.perf_counter() - start) * 1e3)
        if time.perf_counter() - begun > _SECONDS_AT_MOST:
            break
    return {name: round(value, 2) for name, value in best.items()}


def _figures(taken_ms: object) -> str:
    found = taken_ms if isinstance(taken_ms, dict) else {}
    return ", ".join(f"{name} {value} ms" for name, value in found.items()) or "no figures"


def _key(network: Network, config: EngineConfig, names: Sequence[str]) -> str:
    """What a choice holds for: this processor, these files, versions, threads and device."""
    versions = [f"{name} {_version(_PACKAGES[name])}" for name in names]
    files = hashlib.sha256("".join(sorted(network.hashes.values())).encode()).hexdigest()[:16]
    return "; ".join([_cpu(), config.device, f"threads {config.num_threads}", *versions, files])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"


def _cpu() -> str:
    """The processor's model name, and a digest of its instruction sets.

    Virtual machines hide them.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields = dict(reversed([[part.strip() for part in x.split(":", 1)] for x in lines if ":" in x]))
    name = fields.get("model name") or platform.processor() or platform.machine()
    features = fields.get("flags") or fields.get("Features") or ""
    return f"{name} {hashlib.sha256(features.encode()).hexdigest()[:8]}"
