"""What the documents point at exists."""

import re
from pathlib import Path

import pytest
import yaml

from mtv_perception.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("models/*/*.md"),
        *ROOT.glob("research/*.md"),
    ]
)
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCUMENTS}
documents = pytest.mark.parametrize("name", PAGES)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")


def anchors(page):
    """The names GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+?)\s*$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_there_are_documents():
    assert {"README.md", "ARCHITECTURE.md"} <= set(PAGES)


@documents
def test_links_lead_somewhere(name):
    broken = []
    for target in LINK.findall(PAGES[name]):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (ROOT / name).parent / path if path else ROOT / name
        page = file.read_text(encoding="utf-8") if file.suffix == ".md" and file.is_file() else ""
        if not file.exists() or (anchor and page and anchor not in anchors(page)):
            broken.append(target)

    assert broken == []


@documents
def test_commands_exist(name):
    """In code, `mtv WORD` is a subcommand."""
    code = "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", PAGES[name], re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"(?:^|[\s`/])mtv ([a-z]\w+)", code))

    assert sorted(named - set(COMMANDS)) == []


@documents
def test_make_targets_exist(name):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", PAGES[name], re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"(?:^|[\s`])make ([a-z]+)", code))

    assert sorted(named - targets) == []


@documents
def test_paths_of_machines_stay_out(name):
    assert re.findall(r"(?<![\w.])/(?:home|root|work|tmp)/\S*", PAGES[name]) == []


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_of_the_code_that_are_named_exist(name):
    """`data/formats/base.py` is meant below the package; NAME stands for any."""
    paths = re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|yaml|xml|sh|md))`", PAGES[name])
    homes = (ROOT, ROOT / "mtv_perception")
    missing = [p for p in paths if "NAME" not in p and not any((h / p).is_file() for h in homes)]

    assert paths
    assert missing == []


def test_the_first_lines_of_the_readme_are_the_two_commands():
    first = PAGES["README.md"][:600]

    assert "make demo" in first
    assert "make test" in first


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/**/*.yaml")), ids=lambda path: path.name)
def test_configuration_files_are_yaml(path):
    assert yaml.safe_load(path.read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("research/**/*.yaml")), ids=lambda path: path.name
)
def test_training_configurations_are_valid(path):
    from mtv_perception.config import load
    from mtv_perception.training.config import TrainConfig

    assert load(TrainConfig, path)
