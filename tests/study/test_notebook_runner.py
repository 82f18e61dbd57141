"""Notebooks run as programs: checked parameters, this interpreter, a whole copy or none."""

import json
import sys
from pathlib import Path

import nbformat
import pytest

from lmf.cli import main
from lmf.core.errors import ConfigError
from lmf.study.notebook import (
    NotebookError,
    check_parameters,
    declared_parameters,
    parse_parameters,
    run_notebook,
)

PARAMETERS = """\
SCALE: float = 4
STEPS = 10
NAME = "a"
SIZES: list[int] = [1]
LIMIT: int | None = None
ANY = None
DERIVED = STEPS + 1
"""


@pytest.fixture
def notebook(tmp_path):
    """A function of some code that writes a notebook with parameters and a kernel nobody has."""

    def write(code: str = "") -> Path:
        cells = [
            nbformat.v4.new_code_cell(PARAMETERS, id="first", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(code, id="second"),
        ]
        kernel = {"name": "nope", "display_name": "Nope"}
        path = tmp_path / "source.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
        return path

    return write


def test_parameters_are_read_with_their_types(notebook):
    assert declared_parameters(notebook()) == {
        "SCALE": "float",
        "STEPS": "int",
        "NAME": "str",
        "SIZES": "list[int]",
        "LIMIT": "int | None",
        "ANY": "Any",
        "DERIVED": "Any",
    }


@pytest.mark.parametrize(
    "word", ["SCALE=2.7", "SCALE=3", "STEPS=5", "NAME=x", "SIZES=[3]", "LIMIT=2", "LIMIT=null"]
)
def test_parameter_of_the_declared_type_is_taken(notebook, word):
    values = parse_parameters([word])
    assert check_parameters(notebook(), values) == values


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("SCAEL=4", "unknown parameter of source.ipynb 'SCAEL', did you mean SCALE? valid: SCALE"),
        ("SCALE=fast", "parameter SCALE is 'fast', expected float"),
        ("SCALE=", "parameter SCALE is '', expected float"),
        ("STEPS=2.5", "parameter STEPS is 2.5, expected int"),
        ("STEPS=true", "parameter STEPS is True, expected int"),
        ("NAME=3", "parameter NAME is 3, expected str"),
        ("SIZES=3", "parameter SIZES is 3, expected list[int]"),
        ("LIMIT=x", "parameter LIMIT is 'x', expected int | None"),
        ("SCALE", "parameter 'SCALE': write name=value"),
        ("SIZES=[1", "parameter 'SIZES=[1': its value is no YAML"),
    ],
)
def test_wrong_parameter_is_refused_before_any_kernel_starts(notebook, monkeypatch, word, said):
    monkeypatch.setitem(sys.modules, "papermill", None)  # importing it would be an error
    source = notebook()
    with pytest.raises(ConfigError) as caught:
        run_notebook(source, source.with_name("out.ipynb"), parse_parameters([word]))
    assert said in str(caught.value)
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize("content", ["", "hello", "[]", "{}", '{"cells": [1]}', '{"cells": 3}'])
def test_file_that_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "text.ipynb"
    path.write_text(content)
    with pytest.raises(ConfigError, match="no readable notebook"):
        declared_parameters(path)


def test_parameters_that_are_no_python_are_refused(notebook):
    path = notebook()
    path.write_text(path.read_text().replace("SCALE: float", "%pip install"))
    with pytest.raises(ConfigError, match="its parameters are not plain Python"):
        declared_parameters(path)


def outputs(path: Path) -> str:
    cells = json.loads(path.read_text())["cells"]
    return "".join(
        "".join(output.get("text", "")) for one in cells for output in one.get("outputs", ())
    )


def test_runs_with_this_interpreter_whatever_kernel_is_named(notebook, tmp_path):
    source = notebook("import os, sys\nprint(SCALE, STEPS, sys.executable, os.getcwd())")
    target = tmp_path / "reports" / "out.ipynb"
    (tmp_path / "root").mkdir()
    run_notebook(source, target, {"SCALE": 2.5}, root=tmp_path / "root")
    assert outputs(target) == f"2.5 10 {sys.executable} {tmp_path / 'root'}\n"
    metadata = json.loads(target.read_text())["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert metadata["papermill"]["output_path"] == str(target)
    assert list(target.parent.iterdir()) == [target]


def test_failing_cell_fails_the_command_and_keeps_the_copy(notebook, tmp_path, monkeypatch, capfd):
    source = notebook("from pathlib import Path\nprint(*Path('reports').iterdir())\n1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lmf", "notebook", "run", str(source), "reports/out.ipynb"])
    with pytest.raises(SystemExit) as leave:
        main()
    said = capfd.readouterr().err
    assert leave.value.code == 1
    assert said.startswith(f"lmf: {source}: cell [2] failed with ZeroDivisionError: division by")
    assert said.count("\n") == 1
    kept = tmp_path / "reports/failed/out.ipynb"
    assert sorted((tmp_path / "reports").rglob("*")) == [kept.parent, kept]
    assert "reports/out.ipynb" not in outputs(kept)  # while it ran, no half of it was in place


@pytest.mark.slow
def test_dead_kernel_is_an_error_and_a_later_success_removes_the_failed_copy(notebook, tmp_path):
    target = tmp_path / "out.ipynb"
    with pytest.raises(NotebookError, match="its kernel stopped"):
        run_notebook(notebook("import os; os._exit(3)"), target, {})
    assert not target.exists()
    assert (tmp_path / "failed/out.ipynb").exists()
    run_notebook(notebook("1"), target, {})
    assert target.exists()
    assert not (tmp_path / "failed/out.ipynb").exists()
