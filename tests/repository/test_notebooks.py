"""House rules of notebooks, and that the teaching ones run from top to bottom."""

import nbformat
import pytest
from places import ROOT

from lmf.study.notebook import run_notebook

NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
LEARN = [path for path in NOTEBOOKS if path.parent.name == "learn"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_house_rules(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.cells[0].cell_type == "markdown"
    assert code[0].metadata.get("tags") == ["parameters"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [cell for cell in code if cell.outputs or cell.execution_count]
    assert max(len(cell.source.splitlines()) for cell in code) <= 25
    assert any("assert " in cell.source for cell in code)
    for cell in code:
        for line in cell.source.splitlines():
            assert not line.startswith(("!", "%", "def ", "class ")), line


@pytest.mark.parametrize("path", LEARN, ids=lambda path: path.stem)
def test_teaching_notebooks_run_anywhere(path, tmp_path):
    target = tmp_path / "executed.ipynb"
    run_notebook(path, target, {}, root=tmp_path)
    cells = [c for c in nbformat.read(target, as_version=4).cells if c.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert target.stat().st_size < 1_000_000
