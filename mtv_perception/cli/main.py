"""`mtv`: finds the subcommand's module and runs it.

Nothing is imported that the subcommand does not need.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import platform
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

import mtv_perception
from mtv_perception.errors import MtvError

GROUPS = {
    "use a model": {
        "predict": "images, folders or videos to overlays, masks and JSON lines",
        "replay": "a bag, video or image folder through the perceiver, offline",
        "view": "a run in the Rerun viewer: image, boxes, mask, plots",
        "doctor": "what this machine has and lacks, with the fix for each",
    },
    "train a model": {
        "fit": "from labelled images to a model folder in one command",
        "init": "write the training configuration that mtv fit would use, to edit",
        "train": "train a network from a configuration file",
        "average": "the mean of the weights of several runs, as a run to export",
        "export": "turn a run's best weights into a model folder, with a parity report",
        "tune": "choose thresholds on validation images from one pass of the network",
    },
    "prepare data": {
        "data": "labelled images: check them, import any export, tighten boxes, add masks",
        "stats": "class balance, box sizes and suggested default boxes of labelled images",
        "mine": "the frames most worth labelling, with the model's boxes and masks",
        "synth": "render synthetic warehouse images with exact boxes and masks",
    },
    "check a model": {
        "evaluate": "COCO AP, IoU, confusion and latency of a model on labelled images",
        "compare": "what changed between two replayed runs",
        "bench": "latency of every stage, memory, threads",
        "summary": "parameters, multiply-adds and output shapes of a network",
        "card": "the pictures of a model card",
    },
}
"""The commands with their summaries, as `mtv --help` groups them."""

COMMANDS = {name: summary for group in GROUPS.values() for name, summary in group.items()}

# What each extra of pyproject.toml installs, by the name it is imported with.
EXTRAS = {
    "train": (
        *("tensorflow", "keras", "pycocotools", "matplotlib", "tqdm", "rich", "scipy"),
        *("tensorboard", "skimage", "numba"),
    ),
    "synth": ("moderngl", "tqdm"),
    "replay": ("rosbags", "mcap", "tqdm", "rich", "zstandard", "mcap_ros2"),
    "view": ("rerun",),
    "fleet": ("ray",),
    "openvino": ("openvino",),
    "openvino-export": ("nncf", "onnx"),
    "onnx": ("onnx", "onnxruntime"),
    "signing": ("cryptography",),
}
# The extra to name first, where several hold what is missing; else it is train.
EXTRA_OF = {
    **dict.fromkeys(("predict", "replay", "compare", "bench", "mine"), "replay"),
    "view": "view",
    "synth": "synth",
}

# What a path on the command line may be that can't be read or written; a full disk is none of it.
_WRONG_PATHS = (
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
    FileExistsError,
    PermissionError,
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """As argparse has it, also where standard error takes nothing: its versions differ there."""
        with suppress(OSError):
            super().error(message)
        raise SystemExit(2)


def make_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser, with the options of `command` alone filled in."""
    parser = _Parser(
        prog="mtv",
        description=mtv_perception.__doc__,
        epilog=_listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"mtv_perception {mtv_perception.__version__}"
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument("-v", "--verbose", action="store_true", help="say more about what is done")
    subparsers = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", help="see below; COMMAND --help says more"
    )
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, description=summary)
        if name == command:
            importlib.import_module(f"mtv_perception.cli.{name}").configure(subparser)
    return parser


def _listing() -> str:
    """The commands by group, a line each."""
    width = max(map(len, COMMANDS))
    groups = (
        "\n".join([f"{title}:", *(f"  {name:{width}}  {text}" for name, text in group.items())])
        for title, group in GROUPS.items()
    )
    return "\n\n".join(groups)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Returns:
        The exit status. An expected error is told without a traceback: 2 for bad arguments, paths
        that can't be used and errors of this package, 1 for what happens on the way: a loss that
        is no number, a full disk, an error in TensorFlow's input pipeline. 130 after Ctrl-C.
    """
    _open_streams()
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
    except SystemExit as end:  # --help, --version, and arguments that argparse refuses.
        status = end.code if isinstance(end.code, int) else 2
        if not (lost := _unprinted(sys.stdout)):
            _unprinted(sys.stderr)
            raise
    else:
        lost = _unprinted(sys.stdout)
    if lost:
        status = _told(f"standard output: {lost}", status or 1)
    return status or 1 if _unprinted(sys.stderr) else status


def _open_streams() -> None:
    """Give closed standard streams the null device; else the next files take their numbers.

    Then what a library prints would land in them.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin, sys.stdout, sys.stderr = (
        stream or os.fdopen(number, mode, encoding="utf-8")
        for number, (stream, mode) in enumerate(
            ((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w"))
        )
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # Names of files need not be UTF-8.
            stream.reconfigure(errors="backslashreplace")


def _unprinted(stream: TextIO) -> str:
    """Why what was printed can't be written; empty where it was."""
    try:
        stream.flush()
    except OSError as error:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())  # Python tries again when it ends.
        os.close(null)
        return error.strerror or str(error)
    return ""


def _run(arguments: Sequence[str]) -> int:
    command = next((item for item in arguments if item in COMMANDS), None)
    try:
        args = _parse(make_parser(command), arguments)
        logging.basicConfig(
            level=logging.INFO if args.verbose else logging.WARNING, format="%(message)s"
        )
        _prepare_tensorflow()
        status: int = importlib.import_module(f"mtv_perception.cli.{args.command}").run(args)
    except (MtvError, ValueError) as error:
        return _told(str(error), 2)
    except ImportError as error:
        return _told(_missing(error, command or ""), 2)
    except _WRONG_PATHS as error:
        named = error.filename is not None  # A library's own error may name it in its text.
        return _told(f"{error.filename}: {error.strerror}" if named else str(error), 2)
    except BrokenPipeError as error:  # As of `mtv ... | head -1`.
        return _told(f"standard output: {_unprinted(sys.stdout) or error.strerror}", 1)
    except (FloatingPointError, OSError) as error:
        lost = _unprinted(sys.stdout)
        return _told(f"standard output: {lost}" if lost else str(error), 1)
    except KeyboardInterrupt:
        return _told("interrupted; what it wrote so far is not complete", 130)
    except Exception as error:
        # TensorFlow's own class can't be named here: importing it takes seconds.
        if not type(error).__module__.startswith("tensorflow."):
            raise
        return _told(_first_cause(str(getattr(error, "message", error))), 1)
    return status


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments; KEY=VALUE of `mtv train` may stand behind its options, too."""
    args, rest = parser.parse_known_args(arguments)
    if rest and not (hasattr(args, "overrides") and all(re.match(r"\w[\w.]*=", x) for x in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.overrides = [*args.overrides, *rest]
    return args


def _missing(error: ImportError, command: str) -> str:
    """What to install, for a package that is not there: an extra of ours, else the package alone.

    Any other import error is raised, and that of a module of our own.
    """
    package = (error.name or "").partition(".")[0]
    extras = [name for name, packages in EXTRAS.items() if package in packages]
    if not isinstance(error, ModuleNotFoundError) or package in ("", "mtv_perception"):
        raise error
    extra = EXTRA_OF.get(command, "train")
    extra = extra if extra in extras or not extras else extras[0]
    # PyTorch is in no extra: which of its builds fits depends on the GPU.
    what = f"'mtv_perception[{extra}]'" if extras else package
    return (
        f"`mtv {command}` needs the Python package {package!r}, which is not installed. "
        f"Install it with: pip install {what}"
    )


def _prepare_tensorflow(devices: Path = Path("/dev"), processor: str = platform.machine()) -> None:
    """Let TensorFlow use oneDNN, and print errors alone, none about a GPU where there is none."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # By itself it takes oneDNN's kernels only where it finds AVX-512 VNNI or newer instructions.
    if processor in ("x86_64", "AMD64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Device files of NVIDIA's driver on a computer (nvidia*), a Jetson (nvhost*) and WSL (dxg).
    if not any(next(devices.glob(name), None) for name in ("nvidia*", "nvhost*", "dxg")):
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def _told(text: str, status: int) -> int:
    with suppress(OSError):  # Nobody reads it; the status still says it.
        sys.stderr.write(f"mtv: {text}\n")
    return status


def _first_cause(text: str) -> str:
    """The line of a TensorFlow error that says what happened.

    Of an error in our own Python code, that error's.
    """
    lines = [re.sub(r"\{\{.*?\}\} ?", "", line).strip() for line in text.splitlines()]
    causes = [line for line in lines if re.match(r"\w+Error: ", line)]
    return next(iter(causes or filter(None, lines)), "an error in TensorFlow")
