import hashlib
import json
import re
import subprocess
import sys

import pytest

from mtv_perception.resources import SOURCE_ROOT

REQUIREMENTS = SOURCE_ROOT / "requirements"
LOCKED = (
    "robot.txt",
    "robot-ros.txt",
    "robot-openvino.txt",
    "robot-bags.txt",
    "lock.txt",
    "no-deps-lock.txt",
)
EXTRAS = {"robot.txt": ["replay"], "lock.txt": ["train", "synth", "replay", "dev", "docs"]}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name):
    """Version by package of a requirements file."""
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^\s;\\]+)", text)
    return {canonical(package): version for package, version in found}


def wanted(extra):
    """Names in a list of pyproject.toml; read as text, for Python 3.10 has no TOML reader."""
    text = (SOURCE_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(rf"(?ms)^{extra} = \[\n(.*?)^\]", text)[1]
    return {canonical(name) for name in re.findall(r'(?m)^\s*"([A-Za-z0-9._-]+)', block)}


@pytest.mark.parametrize("name", LOCKED)
def test_every_locked_package_has_one_version_and_hashes(name):
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    parts = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
    assert len(parts) > 2
    for part in filter(str.strip, parts):
        assert re.match(r"[A-Za-z0-9._-]+==\S+", part), part
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", part), part


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_holds_all_that_pyproject_asks_for(name):
    missing = wanted("dependencies") | set().union(*map(wanted, EXTRAS[name]))
    assert not missing - set(pins(name)), "run: make lock"


def test_the_locks_agree_with_the_pins():
    constraints = pins("constraints.txt")
    for name in LOCKED:
        different = {
            package: (version, constraints[package])
            for package, version in pins(name).items()
            if constraints.get(package, version) != version
        }
        assert not different, "run: make lock"


def test_the_distributions_numpy_is_left_alone():
    found = pins("robot-ros.txt")
    assert {"ai-edge-litert", "simplejpeg"} <= set(found) and "numpy" not in found
    assert found.items() <= pins("robot.txt").items()


def test_the_second_engine_of_a_robot_is_the_one_that_was_tested():
    found = pins("robot-openvino.txt")
    assert {canonical(name) for name in wanted("openvino")} <= set(found) and "numpy" not in found
    assert found.items() <= pins("lock.txt").items()


def test_the_packages_for_bags_are_those_that_were_tested():
    found = pins("robot-bags.txt")
    assert {canonical(name) for name in wanted("replay")} <= set(found) and "numpy" not in found
    assert found.items() <= pins("lock.txt").items()


def test_pages_install_from_this_repository():
    """The project is on no package index."""
    pages = [*SOURCE_ROOT.glob("*.md"), *SOURCE_ROOT.glob("docs/**/*.md")]
    assert len(pages) > 20
    for page in [*pages, *SOURCE_ROOT.glob("config/**/*.yaml")]:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"pip install[^`\n]*mtv_perception\b(?!/)", text), page


def test_the_build_requirement_is_pinned_and_locked():
    text = (SOURCE_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'(?m)^requires = \["setuptools==([^"]+)"\]', text)[1]
    assert pins("lock.txt")["setuptools"] == version


def test_the_bill_of_materials_names_packages_hashes_and_models(tmp_path):
    file = tmp_path / "sbom.json"
    command = [sys.executable, str(SOURCE_ROOT / "tools" / "sbom.py"), str(file)]
    subprocess.run(command, check=True, capture_output=True)
    bill = json.loads(file.read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {item["name"]: item for item in bill["components"]}
    for package, version in pins("robot.txt").items():
        assert named[package]["version"] == version
        assert named[package]["externalReferences"][0]["hashes"]
    for model in SOURCE_ROOT.glob("models/*/model.tflite"):
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        assert named[model.parent.name]["hashes"][0]["content"] == digest
    assert "rclpy" in named
    references = [item["bom-ref"] for item in bill["components"]]
    assert len(set(references)) == len(references)


@pytest.mark.slow
def test_pip_accepts_the_hashes_and_refuses_others(tmp_path):
    """Asks the package index."""
    good = (REQUIREMENTS / "robot.txt").read_text(encoding="utf-8")
    bad = re.sub(r"(numpy==(?:.|\n)*?)\n(?=[a-z])", _spoilt, good, count=1)
    for text, accepted in ((good, True), (bad, False)):
        (tmp_path / "r.txt").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--target", str(tmp_path / "site")]
        command += ["--require-hashes", "--no-deps", "-r", str(tmp_path / "r.txt")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == accepted, done.stderr[-2000:]


def _spoilt(match):
    return re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", match[0])
