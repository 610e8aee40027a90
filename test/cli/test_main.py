"""What `mtv` says, and its exit status, when a subcommand fails."""

import errno
import importlib.util
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import mtv_perception
from mtv_perception.cli import main as module
from mtv_perception.errors import DatasetError
from mtv_perception.resources import SOURCE_ROOT


class UnknownError(Exception):
    """As TensorFlow wraps an error of our own code in its input pipeline."""

    __module__ = "tensorflow.python.framework.errors_impl"
    message = (
        "{{function_node __wrapped__IteratorGetNext_output_types_6}} DatasetError: a.jpg: could not decode one.\n"
        'Traceback (most recent call last):\n\n  File "script_ops.py", line 272, in call\n\n\t [[{{node PyFunc}}]]'
    )


@pytest.fixture
def failing(monkeypatch):
    """A function that runs `mtv doctor` with an error in it."""

    def run(error):
        def fail(args):
            raise error

        fake = SimpleNamespace(configure=lambda parser: None, run=fail)
        monkeypatch.setattr(module.importlib, "import_module", lambda name: fake)
        return module.main(["doctor"])

    return run


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (DatasetError("a: 3 error(s)"), 2, "a: 3 error(s)"),
        (ValueError("Expected one, got two."), 2, "Expected one, got two."),
        (
            FloatingPointError("Expected a finite loss at step 7."),
            1,
            "Expected a finite loss at step 7.",
        ),
        (OSError(errno.ENOSPC, "No space left", "a.npz"), 1, "[Errno 28] No space left: 'a.npz'"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a"), 2, "a: Not a directory"),
        (FileNotFoundError(errno.ENOENT, "No such file", "b"), 2, "b: No such file"),
        (PermissionError(errno.EACCES, "Permission denied", "c"), 2, "c: Permission denied"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "d"), 2, "d: Is a directory"),
        (FileExistsError(errno.EEXIST, "File exists", "e"), 2, "e: File exists"),
        (FileNotFoundError("no file a.h5"), 2, "no file a.h5"),
        (UnknownError(), 1, "DatasetError: a.jpg: could not decode one."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_expected_errors_are_one_line(failing, capsys, error, status, text):
    assert failing(error) == status
    assert capsys.readouterr().err == f"mtv: {text}\n"


def test_errors_of_the_program_keep_their_traceback(failing):
    with pytest.raises(KeyError):
        failing(KeyError("a"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Op type not registered\n [[node]]", "Op type not registered"),
        ("", "an error in TensorFlow"),
    ],
)
def test_other_errors_of_tensorflow_are_told_by_their_first_line(text, line):
    assert module._first_cause(text) == line


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        module.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"mtv_perception {mtv_perception.__version__}\n"


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("tensorflow", "train", "train"),
        ("rich", "evaluate", "train"),
        ("rich", "replay", "replay"),
        ("tqdm", "predict", "replay"),
        ("tqdm", "synth", "synth"),
        ("keras.layers", "export", "train"),
        ("rosbags.highlevel", "evaluate", "replay"),
        ("rerun", "view", "view"),
        ("openvino", "replay", "openvino"),
        ("nncf", "export", "openvino-export"),
        ("onnxruntime", "bench", "onnx"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(package, command, extra):
    error = ModuleNotFoundError(f"No module named {package!r}", name=package)
    text = module._missing(error, command)
    assert f"`mtv {command}` needs the Python package {package.partition('.')[0]!r}" in text
    assert f"pip install 'mtv_perception[{extra}]'" in text


@pytest.mark.parametrize(
    "words",
    [
        ["a.yaml", "steps=5", "losses.weighting=log", "--resume"],
        ["a.yaml", "--resume", "steps=5", "losses.weighting=log"],
        ["a.yaml", "steps=5", "--resume", "losses.weighting=log"],
    ],
)
def test_settings_stand_before_or_behind_the_options(words):
    args = module._parse(module.make_parser("train"), ["train", *words])
    assert (args.overrides, args.resume) == (["steps=5", "losses.weighting=log"], True)


@pytest.mark.parametrize(
    "words", [["train", "a.yaml", "--resume", "--stepz=5"], ["stats", "a", "--out", "b", "steps=5"]]
)
def test_anything_else_that_is_left_is_refused(words, capsys):
    with pytest.raises(SystemExit) as end:
        module._parse(module.make_parser(words[0]), words)
    assert end.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_what_is_in_no_extra_is_named_alone():
    error = ModuleNotFoundError("No module named 'torch'", name="torch.utils")
    text = module._missing(error, "train")
    assert "`mtv train` needs the Python package 'torch'" in text
    assert text.endswith("pip install torch")


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_the_other_backend_without_pytorch_is_one_sentence(tmp_path):
    (tmp_path / "run.yaml").write_text("network: {preset: warehouse}\n")
    done = subprocess.run(
        [sys.executable, SOURCE_ROOT / "scripts/mtv", "train", "run.yaml", "--backend", "torch"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("pip install torch")
    assert "Traceback" not in done.stderr


def test_a_missing_module_of_our_own_keeps_its_traceback(failing):
    error = ModuleNotFoundError("No module named 'mtv_perception.x'", name="mtv_perception.x")
    with pytest.raises(ModuleNotFoundError):
        failing(error)


def test_every_extra_that_is_named_exists_and_installs_something_named_alike():
    text = (SOURCE_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert [name for name in module.EXTRAS if f"\n{name} = [" not in text] == []
    assert set(module.EXTRA_OF.values()) <= set(module.EXTRAS)
    assert set(module.EXTRA_OF) <= set(module.COMMANDS)


@pytest.mark.parametrize("command", sorted(module.COMMANDS))
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        module.main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: mtv {command}" in capsys.readouterr().out


def test_the_list_of_commands_names_each_once_in_its_group(capsys):
    with pytest.raises(SystemExit):
        module.main(["--help"])

    lines = capsys.readouterr().out.splitlines()
    for title, group in module.GROUPS.items():
        at = lines.index(f"{title}:")
        assert [line.split()[0] for line in lines[at + 1 : at + 1 + len(group)]] == list(group)
    assert sum(map(len, module.GROUPS.values())) == len(module.COMMANDS)


@pytest.mark.parametrize("command", sorted(module.COMMANDS))
def test_defaults_are_written_in_one_way(command, capsys):
    with pytest.raises(SystemExit):
        module.main([command, "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert not re.findall(r"\(default [^)]*\)|by default", text)
    assert str(SOURCE_ROOT) not in text, "a path of this machine"


@pytest.mark.parametrize(
    ("device", "hidden"),
    [("", True), ("tty0", True), ("nvidia0", False), ("nvhost-gpu", False), ("dxg", False)],
)
def test_gpus_are_looked_for_only_where_a_driver_is(tmp_path, monkeypatch, device, hidden):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    if device:
        (tmp_path / device).touch()

    module._prepare_tensorflow(tmp_path, "aarch64")

    assert os.environ.pop("CUDA_VISIBLE_DEVICES", None) == ("" if hidden else None)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


@pytest.mark.parametrize(
    ("processor", "given", "found"),
    [
        ("x86_64", None, "1"),
        ("AMD64", None, "1"),
        ("aarch64", None, None),
        ("x86_64", "0", "0"),
        ("aarch64", "1", "1"),
    ],
)
def test_every_x86_processor_gets_onednn_unless_the_user_chose(
    tmp_path, monkeypatch, processor, given, found
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    # Set before it is deleted, so that the test's end takes away what the function sets.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given or "")
    if given is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")

    module._prepare_tensorflow(tmp_path, processor)

    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == found


def run_in_shell(line, folder):
    """Run a line of bash in which `mtv` is this one; Python buffers as it does for users."""
    env = {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}
    env.pop("PYTHONUNBUFFERED", None)
    mtv = f"{sys.executable} {SOURCE_ROOT / 'scripts/mtv'}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("mtv", mtv, 1)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        ("mtv --help >/dev/full", 1, "mtv: standard output: No space left on device\n"),
        ("mtv summary --help >/dev/full", 1, "mtv: standard output: No space left on device\n"),
        ("mtv --help | exec true", 1, "mtv: standard output: Broken pipe\n"),
        ("mtv stats nothing >&- | exec true", 2, "expected a data set, found no such file"),
        ("mtv octarine 2>/dev/full", 2, ""),
    ],
)
def test_output_that_nobody_takes_is_told_in_a_line(tmp_path, line, status, text):
    done = run_in_shell(line, tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert text in done.stderr
    assert done.stderr.count("\n") <= 1


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_number_of_a_closed_stream(tmp_path, closed):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.zeros((48, 64, 3), np.uint8))
    done = run_in_shell(f"mtv predict in --out out {closed}", tmp_path)
    assert done.returncode == 0
    (line,) = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert json.loads(line)["name"] == "a"


def test_ctrl_c_is_told_in_a_line(failing, capsys):
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "mtv: interrupted; what it wrote so far is not complete\n"
