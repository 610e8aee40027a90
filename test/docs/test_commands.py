"""Every command of the documents: its options exist, something runs it, and pages work as printed.

A page is followed as a reader would: its shell blocks run in order in one folder, blocks under a
file's name are written to that file, and Python blocks run. What needs a robot, the network or
hours is replaced by a command that does nothing (see tools/doc_commands.py for the reasons).
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.cli.main import COMMANDS, make_parser
from mtv_perception.replay.inputs import read_frames
from mtv_perception.runtime import Perceiver, load_artefact

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import doc_commands  # noqa: E402

CLIP = ROOT / "docs/media/people.mp4"
PAGES = {path.relative_to(ROOT).as_posix(): path for path in doc_commands.documents()}
COMMANDS_OF = {name: list(doc_commands.commands(path)) for name, path in PAGES.items()}
ALL = [command for found in COMMANDS_OF.values() for command in found]
pages = pytest.mark.parametrize("page", [name for name, found in COMMANDS_OF.items() if found])


def where(command):
    return f"{command.document}:{command.line}: {command.text}"


def test_commands_are_found():
    assert len(ALL) > 150
    assert {"mtv", "ros2", "make"} <= {command.words[0] for command in ALL}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("mtv a --b 1  # why\n", ["mtv a --b 1"]),
        ("mtv a \\\n  --b\n", ["mtv a --b"]),
        ("one && two; three\n", ["one", "two", "three"]),
        ("for i in 1 2; do\n  $ mtv a '$i # no'\ndone\n", ["for i in 1 2", "mtv a '$i # no'"]),
    ],
)
def test_how_a_block_is_read(block, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(doc_commands, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"```sh\n{block}```\n\nOr `mtv inline --c`.\n")

    found = [command.text for command in doc_commands.commands(page)]

    assert [text for text in found if text not in ("do", "done")] == [*expected, "mtv inline --c"]


@pages
def test_every_command_is_held_by_something(page):
    """By a test that runs it, or by a reason why it cannot run here."""
    assert [where(item) for item in COMMANDS_OF[page] if not doc_commands.held_by(item)] == []


@pytest.mark.parametrize("test", sorted(set(doc_commands.TESTED.values())))
def test_what_holds_a_command_exists(test):
    assert (ROOT / test).is_file()


@pages
def test_rules_of_mtv_name_a_test_that_runs_it(page):
    """The test has the subcommand's name in it; not a proof, but a rename is noticed."""
    for command in COMMANDS_OF[page]:
        held = doc_commands.held_by(command)
        if command.words[0] == "mtv" and held.startswith("test: test/"):
            text = (ROOT / held.removeprefix("test: ")).read_text(encoding="utf-8")
            assert command.words[1] in text, where(command)


@pytest.mark.parametrize("pattern", [*doc_commands.TESTED, *doc_commands.ELSEWHERE])
def test_every_rule_is_needed(pattern):
    texts = [re.sub(r"^(?:[A-Z_]+=\S+ )+(?=\S)", "", command.text) for command in ALL]

    assert any(re.match(pattern, text) for text in texts)


def parse_problem(words):
    """What the command's own parser says against these words, "" for nothing."""
    kept = [re.sub(r"\$[a-z]+", "1", word) for word in words[1:] if word != "..."]
    if len(kept) < 2 and words[-1] != "...":
        kept.append("--help")  # only named: `mtv view`
    parser = make_parser(kept[0])
    problems = []
    subparsers = next(a for a in parser._actions if hasattr(a, "choices") and a.choices)
    stack = [parser, *subparsers.choices.values()]
    for item in stack:
        for action in item._actions:
            if isinstance(getattr(action, "choices", None), dict):
                stack += [sub for sub in action.choices.values() if sub not in stack]
        item.error = lambda text: problems.append(text) or sys.exit(2)
    with contextlib.suppress(SystemExit):
        parser.parse_args(kept)
    missing = "the following arguments are required"
    return "; ".join(text for text in problems if "..." not in words or missing not in text)


@pages
def test_options_of_mtv_exist(page, capsys):
    wrong = {}
    for command in COMMANDS_OF[page]:
        words = command.words
        words = words[next((i for i, word in enumerate(words) if "=" not in word), 0) :]
        if words[0] != "mtv" or words[1] not in COMMANDS:
            continue
        problem = parse_problem(words)
        is_only_named = "`" not in command.text and "--" not in command.text and len(words) < 4
        if problem and not (is_only_named and "required" in problem):
            wrong[where(command)] = problem

    assert wrong == {}


@pages
def test_launch_files_nodes_and_programs_exist(page):
    wrong = []
    for command in COMMANDS_OF[page]:
        words = command.words
        if words[:3] == ["ros2", "launch", "mtv_perception"]:
            text = (ROOT / "launch" / words[3]).read_text(encoding="utf-8")
            named = [word.split(":=")[0] for word in words[4:]]
            wrong += [f"{where(command)}: {n}" for n in named if f'"{n}"' not in text]
        if words[:3] == ["ros2", "run", "mtv_perception"] or words[0].startswith("scripts/"):
            program = words[3] if words[0] == "ros2" else Path(words[0]).name
            wrong += [where(command)] * (not (ROOT / "scripts" / program).is_file())
        for word in words:
            if re.fullmatch(r"(tools|scripts)/\w+\.(py|sh)", word):
                text = (ROOT / word).read_text(encoding="utf-8")
                options = [item for item in words if item.startswith("--")]
                if word.startswith("tools/"):
                    wrong += [f"{where(command)}: {o}" for o in options if f'"{o}"' not in text]

    assert wrong == []


@pages
def test_parameters_on_command_lines_exist(page):
    """`-p NAME:=VALUE` names something that a node of this package declares."""
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("ros", "runtime", "ranging", "tracking")
        for path in (ROOT / "mtv_perception" / package).rglob("*.py")
    )
    for command in COMMANDS_OF[page]:
        if re.match(r"ros2 run (?!mtv_perception )", command.text):
            continue
        for name in re.findall(r"-p (\w+):=", command.text):
            assert name == "use_sim_time" or re.search(rf"\b{name}\b", sources), where(command)


# What a page may call and a test may not: each becomes a command that does nothing.
NOT_HERE = (
    "make",
    "ros2",
    "source",
    "tensorboard",
    "git",
    "rosdep",
    "pip",
    "colcon",
    "ssh",
    "scp",
    "rsync",
    "sudo",
    "cd",
    "export",
)
# So that pages with trainings end in minutes; slow tests run them.
TRAINING = {
    "train": "steps=4 validate_every=4 checkpoint_every=2 workers=1 'network.size_hw=[96,128]'",
    "fit": "--steps 3 --size 96 128",
}
FAST = ("README.md", "docs/how-to/compare-runs.md", "docs/tutorials/first-bag-test.md")
SLOW = tuple(name for name in doc_commands.FOLLOWED if name not in FAST)


def views(count):
    """Parts of the demo's clip that look different: `mtv fit` keeps what looks alike together."""
    rng = np.random.default_rng(3)
    frames = [frame.image_rgb for frame in read_frames(CLIP)]
    for index in range(count):
        image = frames[index * len(frames) // count]
        top, left = rng.integers(0, 200), rng.integers(0, 300)
        part = image[top : top + 280, left : left + 340, :: (1, -1)[index % 2]]
        part = part[:, :: (1, -1)[index // 2 % 2]].astype(np.float32) * rng.uniform(0.5, 1.4)
        yield index, np.ascontiguousarray(part.clip(0, 255).astype(np.uint8))


def roboflow_export(folder, count=24):
    """Views of the demo's clip in Roboflow's COCO form, labelled by the shipped model."""
    folder.mkdir(parents=True)
    perceive = Perceiver(load_artefact(ROOT / "models" / "warehouse"))
    images, annotations = [], []
    for index, image_rgb in views(count):
        height, width = image_rgb.shape[:2]
        name = f"frame{index:03d}_png.rf.{index:032x}.png"
        cv2.imwrite(str(folder / name), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
        images.append({"id": index, "file_name": name, "width": width, "height": height})
        for x0, y0, x1, y1 in perceive(image_rgb).detections.boxes_xyxy.tolist():
            box = [x0, y0, x1 - x0, y1 - y0]
            annotations.append(
                {"id": len(annotations), "image_id": index, "category_id": 1, "iscrowd": 0}
                | {"bbox": box, "area": box[2] * box[3], "segmentation": []}
            )
    categories = [{"id": 0, "name": "floor"}, {"id": 1, "name": "person", "supercategory": "floor"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "_annotations.coco.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A labelled data set as a tool exports it."""
    folder = tmp_path_factory.mktemp("export") / "my-floor"
    roboflow_export(folder / "train")
    return folder


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory):
    """The first four seconds of the demo's clip: enough for what the pages say about it."""
    path = tmp_path_factory.mktemp("clip") / "people.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (640, 480))
    for index, frame in enumerate(read_frames(CLIP)):
        if index < 40:
            writer.write(cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


@pytest.fixture
def checkout(tmp_path, export, short_clip):
    """What a reader has: the repository's files, the clip shortened, and his own data."""
    for name in ("config", "mtv_perception", "test", "docs/images"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs/media").mkdir()
    shutil.copy(short_clip, tmp_path / "docs/media/people.mp4")
    shutil.copytree(ROOT / "models", tmp_path / "models")
    shutil.copytree(export, tmp_path / "my-floor")
    shutil.copytree(export / "train", tmp_path / "new-images")
    for name in ("forklift_person/train", "coco_person"):
        shutil.copytree(export / "train", tmp_path / "datasets" / name)
    return tmp_path


def prelude():
    lines = [f"{name}() {{ :; }}" for name in NOT_HERE]
    cases = " ".join(
        f'{name}) command mtv "$1" "$2" {more} "${{@:3}}" ;;' for name, more in TRAINING.items()
    )
    return "\n".join([*lines, f'mtv() {{ case "$1" in {cases} *) command mtv "$@" ;; esac; }}'])


def follow(page, folder, but=(), instead=None):
    """Do what a page says, from its first block to its last.

    Args:
        page: its name.
        folder: to do it in.
        but: beginnings of lines that are left out.
        instead: texts of the page by what stands here in their place.

    Returns what each block printed.
    """
    printed = []
    environment = {
        "USER": "reader",  # every login shell has it, a container may not
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "MTV_DATA": str(folder / "datasets"),
    }
    for block in doc_commands.blocks(PAGES[page]):
        if block.title and "." in block.title:
            (folder / block.title).write_text(block.text)
            continue
        if block.language in doc_commands.SHELLS:
            kept = [line for line in block.text.splitlines() if not line.startswith(tuple(but))]
            script = "\n".join([prelude(), *kept])
            for text, other in (instead or {}).items():
                script = script.replace(text, other)
            arguments = ["bash", "-euc", script]
        elif block.language == "python":
            arguments = [sys.executable, "-c", block.text]
        else:
            continue
        done = subprocess.run(
            arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, f"{page}:{block.line}: {done.stdout}{done.stderr}"[-3000:]
        printed.append(done.stdout)
    return printed


def test_the_readme_works_as_printed(checkout):
    printed = follow("README.md", checkout, but=("mtv fit", "mkdir"))

    assert (checkout / "build/predict").is_dir()
    boxes = next(text for text in printed if text.endswith("(480, 640)\n"))
    assert boxes.startswith("[["), "The Python example finds nothing."


def test_the_first_bag_test_works_as_printed(checkout):
    (checkout / "test").unlink()
    (checkout / "test").mkdir()

    follow("docs/tutorials/first-bag-test.md", checkout)


def test_comparing_runs_works_as_printed(checkout):
    """With the runs and the recording that the page supposes; its golden run is that of the clip."""
    (checkout / "test").unlink()
    (checkout / "test/compare/golden").mkdir(parents=True)
    shutil.copy(checkout / "docs/media/people.mp4", checkout / "gate_bag.mp4")
    command = [sys.executable, ROOT / "scripts/mtv", "replay", "gate_bag.mp4", "--out", "build/old"]
    subprocess.run(command, cwd=checkout, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    shutil.copytree(checkout / "build/old", checkout / "build/new")

    follow("docs/how-to/compare-runs.md", checkout, instead={" gate_bag ": " gate_bag.mp4 "})

    assert (checkout / "build/report.html").is_file()
    assert (checkout / "test/compare/golden/people.jsonl").read_text().count("\n") >= 40


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", SLOW)
def test_pages_with_a_training_work_as_printed(page, checkout):
    pytest.importorskip("tensorflow")
    follow(page, checkout)


def test_every_followed_page_has_its_test():
    assert set(doc_commands.FOLLOWED) == {*FAST, *SLOW}
