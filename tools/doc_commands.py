#!/usr/bin/env python3
"""Lists every command of the documents and says what holds it.

tools/doc_commands.py            # a table: place, command, what holds it
tools/doc_commands.py --check    # exit status 1 where a command is held by nothing

A command is held by a test that runs it (`TESTED`), by a page that `test/docs/test_commands.py`
follows as printed, or it stands in `ELSEWHERE` with the reason why it cannot run here. The options
of every `mtv` command are parsed by its parser in any case.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHELLS = ("sh", "bash", "console")
# Pages that the test follows from their first block to their last.
FOLLOWED = (
    "README.md",
    "docs/how-to/compare-runs.md",
    "docs/how-to/train.md",
    "docs/tutorials/first-bag-test.md",
    "docs/tutorials/first-model.md",
)
# What the beginning of a command means, and the test that runs it.
TESTED = {
    r"mtv bench\b": "test/cli/test_bench.py",
    r"mtv predict\b": "test/cli/test_predict.py",
    r"mtv replay\b": "test/cli/test_replay.py",
    r"mtv compare\b": "test/cli/test_compare.py",
    r"mtv stats\b": "test/cli/test_stats.py",
    r"mtv train\b": "test/training/test_own_classes.py",
    r"mtv average\b": "test/training/test_averaging.py",
    r"mtv export\b": "test/training/test_export_command.py",
    r"mtv tune\b": "test/training/test_own_classes.py",
    r"mtv evaluate\b": "test/cli/test_evaluate.py",
    r"mtv (fit|data check|data import)\b": "test/docs/test_commands.py",
    r"mtv init\b": "test/wrong_inputs/test_wrong_inputs.py",
    r"mtv mine\b": "test/mining/test_mine.py",
    r"mtv summary\b": "test/cli/test_summary.py",
    r"mtv view\b": "test/cli/test_view.py",
    r"mtv synth --drive\b": "test/synthetic/test_drive.py",
    r"mtv synth\b": "test/synthetic/test_synthetic.py",
    r"mtv data upright\b": "test/data/repair/test_upright.py",
    r"mtv data pseudo-masks\b": "test/cli/test_data.py",
    r"ros2 (node|topic|param|service|lifecycle)\b": "tools/ros2cli_check.py",
    r"ros2 launch (mtv_perception|launch/)": "test/ros/test_launch.py",
    r"ros2 run mtv_perception\b": "test/ros/test_programs.py",
    r"(scripts/)?(image_replay|perception|state_log|zones)_node\b": "test/ros/test_programs.py",
    r"scripts/test\.sh\b": ".ci/run",
    r"(\.venv/bin/)?python3? tools/bench_node\.py": "test/tools/test_bench_node.py",
    r"(\.venv/bin/)?python3? tools/attacks/chaos\.py": "test/tools/test_chaos.py",
    r"make (setup|test|lint|docs|colcon)\b": ".ci/run",
    r"(\.venv/bin/)?python3? tools/cli_reference\.py": "test/tools/test_cli_reference.py",
    r"(\.venv/bin/)?python3? tools/parameter_table\.py": "test/ros/perception/test_parameters.py",
    r"make demo\b": "test/demo/test_figures.py",
    r"make pictures\b": "test/tools/test_doc_pictures.py",
    r"pytest\b": "test/docs/test_commands.py",
    r"cp (-r )?models/warehouse\b": "test/docs/test_commands.py",
    r"mtv doctor\b": "test/cli/test_main.py",
}
# What cannot run here, and why.
ELSEWHERE = {
    r"(cd|export|source|\.|mkdir|set) |[A-Z_]+=\S+$|out=|for |done$|do$": "the shell itself",
    r"sudo |chown |apt-get |systemctl |journalctl |id ": "needs root or systemd",
    r"git clone |rosdep |colcon |ssh |scp |rsync ": "needs a robot, its ROS or this repository's address",
    r"pip (install|download) |unzip ": "needs the network",
    r"rviz2 |ros2 security |ros2 bag |ros2 (launch|run) (?!mtv_perception)|cp \"\$\(ros2 pkg "
    r"|tar -xzf calibrationdata": ("needs a desktop, or packages of a distribution's ROS"),
    r"tensorboard |tail -f ": "runs until it is stopped",
    r"/usr/src/tensorrt/": "needs a Jetson",
    r"(\.venv/bin/)?python3? tools/((attacks/)?(soak|bench_(replay|training)|fuzz_\w+|jpeg_losses)"
    r"|(measuring/)?measure_\w+)\.py": (
        "takes minutes to hours; last results: docs/verification.md, the page itself"
    ),
    r"(\.venv/bin/)?python3? -m pytest -m slow": "takes minutes; run before a release",
    r"python research/": "needs the runs of research/experiments.md",
}

INLINE = re.compile(r"`((?:mtv [a-z]|ros2 (?:launch|run) |(?:\.venv/bin/)?python3? tools/)[^`]*)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: where it stands, its language, and its text."""

    document: str
    line: int
    language: str
    text: str
    title: str


@dataclass(frozen=True)
class Command:
    """One simple command: where it stands, and its text on one line without comments."""

    document: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """As the shell splits it; variables keep their names."""
        return shlex.split(self.text)


def documents() -> list[Path]:
    """Every page for people."""
    patterns = ("*.md", "docs/**/*.md", "models/*/README.md", "research/*.md")
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page; `title` is the code on the line before, such as a file name."""
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^```([\w{}-]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        before = text[: match.start()].rstrip().rsplit("\n", 1)[-1]
        named = re.fullmatch(r"`([^`]+)`:", before.strip())
        line = text.count("\n", 0, match.start()) + 1
        name = path.relative_to(ROOT).as_posix()
        yield Block(name, line, match[1], match[2], named[1] if named else "")


def commands(path: Path) -> Iterator[Command]:
    """The commands of a page's shell blocks, and those of this project in its running text."""
    for block in blocks(path):
        if block.language in SHELLS:
            for number, line in _lines(block.text):
                for part in re.split(r"\s*(?:&&|;)\s*", line):
                    text = re.sub(r"^\s*(?:do\s+)?(?:\$ )?", "", part).strip()
                    if text:
                        yield Command(block.document, block.line + number, text)
    page = path.read_text(encoding="utf-8")
    fenced = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    text = fenced.sub(lambda match: "\n" * match[0].count("\n"), page)
    for match in INLINE.finditer(text):
        name = path.relative_to(ROOT).as_posix()
        yield Command(name, text.count("\n", 0, match.start()) + 1, " ".join(match[1].split()))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, without comments, and their numbers from 1."""
    waiting, begun = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = _without_comment(line)
        begun = begun if waiting else number
        if bare.endswith("\\"):
            waiting += bare[:-1].rstrip() + " "
            continue
        if (waiting + bare).strip():
            yield begun, (waiting + bare.strip()).strip()
        waiting = ""


def _without_comment(line: str) -> str:
    for match in re.finditer(r"(?:^|\s)#", line):
        before = line[: match.start()]
        if before.count("'") % 2 == 0 and before.count('"') % 2 == 0:
            return before.rstrip()
    return line.rstrip()


def held_by(command: Command) -> str:
    """The test, page or reason that holds a command; empty where nothing does."""
    text = re.sub(r"^(?:[A-Z_]+=\S+ )+(?=\S)", "", command.text)  # settings before a command
    for pattern, test in TESTED.items():
        if re.match(pattern, text):
            return f"test: {test}"
    for pattern, reason in ELSEWHERE.items():
        if re.match(pattern, text):
            return f"not run: {reason}"
    return ""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="1 where a command is held by nothing")
    args = parser.parse_args()
    missing = 0
    print("| place | command | held by |\n|---|---|---|")
    for path in documents():
        for command in commands(path):
            held = held_by(command)
            missing += not held
            text = command.text.replace("|", "\\|")
            print(f"| {command.document}:{command.line} | `{text}` | {held or 'NOTHING'} |")
    return int(args.check and missing > 0)


if __name__ == "__main__":
    sys.exit(main())
