#!/usr/bin/env python3
"""Mutate a model and load it as a reload does: the process that holds the old model must serve on.

    .venv/bin/python tools/attacks/fuzz_models.py --mutations 5000 --seconds 900

Each mutation is written as a model folder whose hashes fit, and loaded by `load_perceiver`: read,
verified, tried in a child process, tested in this process. The child is forked with its imports
done, which saves half a second of start for each; it runs the same program under the same limits.
After each mutation the old model must compute what it computed before. Each batch is a process of
its own, so that a crash of the serving process is seen and counted. Exit status 1: a crash, an
error that is not the package's own, or another result of the old model.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import yaml
from ai_edge_litert import schema_py_generated as schema

from mtv_perception.errors import MtvError
from mtv_perception.runtime import trial
from mtv_perception.runtime.artefact import (
    GOLDEN_FILE,
    SPEC_FILE,
    Artefact,
    load_artefact,
    write_artefact,
)
from mtv_perception.runtime.loading import ModelSource, load_perceiver
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.self_test import busy_picture
from mtv_perception.runtime.settings import PerceiverConfig

_NUMBERS = (-(2**31), -2, -1, 0, 1, 2, 3, 4, 17, 127, 255, 256, 65536, 2**31 - 1)
_CONFIG = PerceiverConfig(num_threads=1, backend="litert")
_TIMEOUT_S = 10.0

Mutation = Callable[["schema.ModelT", random.Random], None]


class ForkedChild:
    """What `trial` uses of subprocess.Popen, for a child that has its imports done.

    Args:
        command: of the child process.
        options: of Popen, which has set the child up already.
    """

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        reader, writer = os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.dup2(writer, 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            sys.stdout = os.fdopen(1, "w")
            trial.main(list(command[3:]))
            os._exit(70)
        os.close(writer)
        self.stdout = os.fdopen(reader, "rb")

    def __enter__(self) -> ForkedChild:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        if self.returncode is None:
            self._collect(os.waitpid(self.pid, 0)[1])

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._collect(status)
        return self.returncode

    def kill(self) -> None:
        """End it, and wait for that."""
        os.kill(self.pid, signal.SIGKILL)
        self._collect(os.waitpid(self.pid, 0)[1])

    def _collect(self, status: int) -> None:
        self.returncode = os.waitstatus_to_exitcode(status)


# Mutations of the network. Each changes one thing that a reader of the file relies on.


def _number(chance: random.Random, near: Sequence[int] = ()) -> int:
    return chance.choice((*_NUMBERS, *near))


def _some(items: Any, chance: random.Random) -> int:
    return chance.randrange(len(items))


def _graph(model: schema.ModelT) -> schema.SubGraphT:
    return model.subgraphs[0]


def tensor_shape(model: schema.ModelT, chance: random.Random) -> None:
    """One side of a tensor, or the number of sides."""
    tensor = chance.choice(_graph(model).tensors)
    shape = list(tensor.shape if tensor.shape is not None else ())
    if shape and chance.random() < 0.8:
        at = _some(shape, chance)
        shape[at] = _number(chance, (shape[at] + 1, shape[at] - 1, shape[at] * 2))
    else:
        shape = shape[:-1] if chance.random() < 0.5 else [*shape, _number(chance)]
    tensor.shape = np.array(shape, np.int32)


def tensor_type(model: schema.ModelT, chance: random.Random) -> None:
    """The type of a tensor's numbers."""
    chance.choice(_graph(model).tensors).type = chance.randrange(0, 20)


def tensor_buffer(model: schema.ModelT, chance: random.Random) -> None:
    """The buffer behind a tensor."""
    count = len(model.buffers)
    tensor = chance.choice(_graph(model).tensors)
    tensor.buffer = max(0, _number(chance, (chance.randrange(count), count)))


def tensor_scale(model: schema.ModelT, chance: random.Random) -> None:
    """A tensor's scales, zero points or quantised dimension."""
    tensor = chance.choice([item for item in _graph(model).tensors if item.quantization])
    found = tensor.quantization
    kind = chance.randrange(4)
    if kind == 0 and found.scale is not None and len(found.scale):
        values = np.array(found.scale, np.float32)
        values[_some(values, chance)] = chance.choice((0, -1, np.nan, np.inf, 1e-38, 1e38))
        found.scale = values
    elif kind == 1 and found.zeroPoint is not None and len(found.zeroPoint):
        values = np.array(found.zeroPoint, np.int64)
        values[_some(values, chance)] = _number(chance)
        found.zeroPoint = values
    elif kind == 2:
        found.quantizedDimension = _number(chance)
    elif found.scale is not None:
        found.scale = np.array(found.scale, np.float32)[: chance.randrange(2)]


def operator_tensors(model: schema.ModelT, chance: random.Random) -> None:
    """What an operator reads or writes: another tensor, one that is none, one more or fewer."""
    graph = _graph(model)
    operator, side = chance.choice(graph.operators), chance.choice(("inputs", "outputs"))
    values = list(getattr(operator, side))
    other = _number(chance, (_some(graph.tensors, chance), len(graph.tensors)))
    kind = chance.randrange(3)
    if kind == 0 and values:
        values[_some(values, chance)] = other
    elif kind == 1 and values:
        del values[_some(values, chance)]
    else:
        values.append(other)
    setattr(operator, side, np.array(values, np.int32))


def operator_kind(model: schema.ModelT, chance: random.Random) -> None:
    """What an operator does: another entry of the list, or another entry in it."""
    if chance.random() < 0.5:
        operator = chance.choice(_graph(model).operators)
        operator.opcodeIndex = abs(_number(chance, (_some(model.operatorCodes, chance),)))
        return
    code = chance.choice(model.operatorCodes)
    code.builtinCode = chance.randrange(0, 210)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)


def operator_options(model: schema.ModelT, chance: random.Random) -> None:
    """A number in an operator's options: stride, dilation, axis, padding, activation, sizes."""
    operators = [item for item in _graph(model).operators if item.builtinOptions is not None]
    options = chance.choice(operators).builtinOptions
    numbers = [name for name, value in vars(options).items() if isinstance(value, int)]
    if numbers:
        name = chance.choice(numbers)
        if isinstance(getattr(options, name), bool):
            setattr(options, name, not getattr(options, name))
            return
        is_small = "activation" in name.lower() or name in ("padding", "weightsFormat")
        setattr(options, name, chance.randrange(6) if is_small else _number(chance))


def operator_order(model: schema.ModelT, chance: random.Random) -> None:
    """Operators in another order, twice, or not at all."""
    operators = _graph(model).operators
    one, two = _some(operators, chance), _some(operators, chance)
    kind = chance.randrange(3)
    if kind == 0:
        operators[one], operators[two] = operators[two], operators[one]
    elif kind == 1:
        operators.insert(one, operators[two])
    else:
        del operators[one]


def graph_ends(model: schema.ModelT, chance: random.Random) -> None:
    """The tensors that are the network's inputs and outputs."""
    graph, side = _graph(model), chance.choice(("inputs", "outputs"))
    values = list(getattr(graph, side))
    values[_some(values, chance)] = _number(chance, (_some(graph.tensors, chance),))
    setattr(graph, side, np.array(values, np.int32))


def buffer_content(model: schema.ModelT, chance: random.Random) -> None:
    """The bytes of a buffer: constants such as shapes, paddings and weights."""
    filled = [item for item in model.buffers if item.data is not None and len(item.data)]
    small = [item for item in filled if len(item.data) <= 64]
    found = chance.choice(small if small and chance.random() < 0.7 else filled)
    data = np.array(found.data, np.uint8)
    if chance.random() < 0.3:
        data = data[: chance.randrange(len(data))]
    elif len(data) >= 4:
        at = chance.randrange(len(data) // 4) * 4
        data[at : at + 4] = np.frombuffer(np.int32(_number(chance)).tobytes(), np.uint8)
    found.data = data


NETWORK: tuple[Mutation, ...] = (
    *(tensor_shape, tensor_type, tensor_buffer, tensor_scale, operator_tensors, operator_kind),
    *(operator_options, operator_order, graph_ends, buffer_content),
)


def mutated_network(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """One to three changes of the network's structure, or of bytes of the file."""
    if chance.random() < 0.2:
        return "bytes", mutated_bytes(content, chance, region=40_000)
    while True:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
        changes = [chance.choice(NETWORK) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
        for change in changes:
            change(model, chance)
        builder = flatbuffers.Builder(len(content) + 65536)
        try:
            builder.Finish(model.Pack(builder), b"TFL3")
        except (TypeError, struct.error):  # The file has no room for such a number.
            continue
        return changes[0].__name__, bytes(builder.Output())


def mutated_bytes(content: bytes, chance: random.Random, region: int) -> bytes:
    """Numbers in the first or last `region` bytes, where tables are; or the end is missing."""
    edited = bytearray(content)
    if chance.random() < 0.1:
        return bytes(edited[: chance.randrange(len(edited))])
    for _ in range(chance.randint(1, 4)):
        span = min(region, len(edited) - 4)
        at = chance.randrange(span)
        at = at if chance.random() < 0.5 else len(edited) - 4 - at
        edited[at : at + 4] = np.int32(_number(chance)).tobytes()
    return bytes(edited)


def mutated_description(text: bytes, chance: random.Random) -> bytes:
    """One value of model.yaml: another number, another type, or missing."""
    values = yaml.safe_load(text)
    place: Any = values
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        if isinstance(place[key], (dict, list)) and place[key] and chance.random() < 0.8:
            place = place[key]
            continue
        break
    kind = chance.randrange(3)
    if kind == 0:
        del place[key]
    elif kind == 1:
        place[key] = chance.choice((*_NUMBERS, 0.5, 1e308, 2**40))
    else:
        place[key] = chance.choice(("", "person", None, True, [], {}, [1], {"a": 1}))
    return yaml.safe_dump(values).encode()


def write_mutation(source: Artefact, folder: Path, chance: random.Random) -> str:
    """Write a mutated model whose hashes fit; what was changed."""
    kind = chance.random()
    if kind < 0.8:
        name, content = mutated_network(source.content, chance)
        write_artefact(folder, source.spec, content, golden=source.golden)
        return name
    write_artefact(folder, source.spec, source.content, golden=source.golden)
    path = folder / (SPEC_FILE if kind < 0.92 else GOLDEN_FILE)
    if path.name == SPEC_FILE:
        path.write_bytes(mutated_description(path.read_bytes(), chance))
    else:
        path.write_bytes(mutated_bytes(path.read_bytes(), chance, region=2_000))
    return path.name


def outcome(folder: Path) -> str:
    """What a reload makes of a model: accepted, refused, or an error that must not be."""
    source = ModelSource(str(folder), timeout=_TIMEOUT_S)
    try:
        load_perceiver(source, _CONFIG)
    except MtvError as error:
        text = str(error)
        for word in ("crashes", "did not end", "no answer", "self-test failed"):
            if word in text:
                return f"refused: {word}"
        return "refused"
    except Exception as error:
        return f"error {type(error).__name__}: {error}"
    return "accepted"


class Serving:
    """The old model, and what it computes."""

    def __init__(self, folder: Path) -> None:
        self._perceiver: Perceiver = load_perceiver(ModelSource(str(folder)), _CONFIG)
        self._picture = busy_picture(self._perceiver.spec.size_hw)
        self._expected = self._found()

    def _found(self) -> list[bytes]:
        result = self._perceiver(self._picture)
        found = result.detections
        masks = (result.segmentation.class_ids, result.segmentation.confidence)
        return [
            part.tobytes() for part in (found.boxes_xyxy, found.scores, found.class_ids, *masks)
        ]

    def is_well(self) -> bool:
        """Whether it computes what it did."""
        return self._found() == self._expected


def batch(seed: int, count: int, model: str) -> dict[str, float]:
    """Load some mutations beside a model that serves; in a process of its own."""
    chance, tally = random.Random(seed), Counter[str]()
    folder = Path(tempfile.mkdtemp(prefix="fuzz_models_"))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    trial.subprocess.Popen = ForkedChild  # type: ignore[attr-defined,misc,assignment]
    source, serving, slowest = load_artefact(find_model(model)), Serving(find_model(model)), 0.0
    try:
        for number in range(count):
            changed = folder / f"model_{number}"
            name, begun = write_mutation(source, changed, chance), time.monotonic()
            found = outcome(changed)
            slowest = max(slowest, time.monotonic() - begun)
            tally[found] += 1
            tally[f"kind {name}"] += 1
            tally["error: the old model computes something else"] += not serving.is_well()
            shutil.rmtree(changed)
    finally:
        shutil.rmtree(folder)
    return {**tally, "slowest_s": slowest, "cpu_s": _cpu()}


def _cpu() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    return sum(item.ru_utime + item.ru_stime for item in used)


def run(args: argparse.Namespace) -> tuple[Counter[str], float, float]:
    """All batches until the number or the time is reached: tally, slowest load, CPU time (s)."""
    total, slowest, cpu = Counter[str](), 0.0, 0.0
    begun, context = time.monotonic(), multiprocessing.get_context("spawn")
    for number in range(-(-args.mutations // args.batch)):
        if time.monotonic() - begun > args.seconds:
            break
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                found = pool.submit(batch, args.seed + number, args.batch, args.model).result()
            except BrokenProcessPool:
                total["error: the serving process ended"] += 1
                print(f"crash in the batch of seed {args.seed + number}", flush=True)
                continue
        slowest, cpu = max(slowest, found.pop("slowest_s")), cpu + found.pop("cpu_s")
        total.update({name: int(count) for name, count in found.items()})
    return total, slowest, cpu


def main() -> int:
    """Fuzz and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=5_000)
    parser.add_argument("--batch", type=int, default=250, help="mutations a process")
    parser.add_argument("--seconds", type=float, default=900.0, help="begin no batch after this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="warehouse-small", help="model to mutate")
    args = parser.parse_args()
    total, slowest, cpu = run(args)
    kinds = {name: count for name, count in total.items() if name.startswith("kind ")}
    outcomes = {name: count for name, count in total.items() if count and name not in kinds}
    print(f"{sum(kinds.values())} mutations: {outcomes}")
    print(f"  {kinds}")
    print(f"  slowest load {slowest:.1f} s; CPU time {cpu:.0f} s")
    return int(any(name.startswith("error") for name in outcomes))


if __name__ == "__main__":
    sys.exit(main())
