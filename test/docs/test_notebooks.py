"""The notebooks run from their first cell to their last, carry their figures, and are small."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "notebooks").glob("*.ipynb"))
LARGEST_BYTES = 300_000


def read(path):
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(path, as_version=4)


def test_there_are_three():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebooks_are_executed_small_and_free_of_paths(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < LARGEST_BYTES
    assert "/home/" not in text and "/work/" not in text and "/tmp/" not in text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert any(output.get("data", {}).keys() & {"image/png", "image/jpeg"} for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path, monkeypatch):
    """The third with three steps of training instead of its hundreds."""
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    if path.name.startswith("03"):
        pytest.importorskip("tensorflow")
    monkeypatch.setenv("MTV_NOTEBOOK_STEPS", "3")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    client.NotebookClient(
        read(path), timeout=800, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
