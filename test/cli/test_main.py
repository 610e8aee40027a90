"""What `mtv` says, and its exit status, when a subcommand fails."""

import errno
from types import SimpleNamespace

import pytest

from mtv_perception.cli import main as module
from mtv_perception.errors import DatasetError


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
        (DatasetError("a: 3 fault(s)"), 2, "a: 3 fault(s)"),
        (ValueError("Expected one, got two."), 2, "Expected one, got two."),
        (
            FloatingPointError("Expected a finite loss at step 7."),
            1,
            "Expected a finite loss at step 7.",
        ),
        (OSError(errno.ENOSPC, "No space left", "a.npz"), 1, "[Errno 28] No space left: 'a.npz'"),
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
