"""Run a notebook as a program: strict parameters, this interpreter, whole output or none."""

import ast
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lmf.core.config import choose
from lmf.core.errors import ConfigError, LmfError
from lmf.core.files import atomic_write

KERNEL = "lmf"


class NotebookError(LmfError):
    """A cell failed; the message names the notebook, the cell and its error."""


def run_notebook(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    *,
    root: Path = Path(),
    progress: bool = False,
) -> None:
    """Execute `source` with `parameters` in the folder `root`; write the executed copy to `target`.

    Raises:
        ConfigError: no such notebook, a name it does not declare, or a value of another type;
            found before any kernel starts.
        NotebookError: a cell failed. The failed copy is kept beside `target`, in `failed/`.
    """
    values = check_parameters(source, parameters)
    import papermill  # slow to import, like everything that starts kernels
    from papermill.exceptions import PapermillExecutionError

    failed = target.parent / "failed" / target.name
    failed.unlink(missing_ok=True)
    with atomic_write(target) as temporary, _own_kernel():
        try:
            papermill.execute_notebook(
                str(source),
                str(temporary),
                values,
                kernel_name=KERNEL,
                language="python",
                cwd=str(root),
                progress_bar=progress,
                log_output=False,
            )
        except (PapermillExecutionError, RuntimeError) as error:
            failed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(temporary, failed)
            raise NotebookError(
                f"{source}: {_reason(error)} (executed so far: {failed})"
            ) from error
        _finish(temporary, target)


def _reason(error: Any) -> str:
    """What stopped an execution: a cell's error, or the end of its kernel."""
    if not hasattr(error, "ename"):
        return f"its kernel stopped ({error}); look whether memory ran out"
    return f"cell [{error.exec_count}] failed with {error.ename}: {' '.join(error.evalue.split())}"


def declared_parameters(source: Path) -> dict[str, str]:
    """Names and types of what the notebook's first cell tagged `parameters` assigns.

    The type is the annotation, else that of the literal assigned; "Any" where it is neither.
    """
    if not source.is_file():
        raise ConfigError(f"{source}: no such notebook")
    try:  # as plain JSON: importing nbformat takes seconds
        cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
        tagged = [c["source"] for c in cells if "parameters" in c["metadata"].get("tags", ())]
        statements = ast.parse("".join(tagged[0]) if tagged else "").body
    except SyntaxError as error:
        raise ConfigError(f"{source}: its parameters are not plain Python ({error.msg})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{source}: no readable notebook") from error
    found = {}
    for one in statements:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            found[one.target.id] = ast.unparse(one.annotation)
        elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            found[one.targets[0].id] = _type_of(one.value)
    return found


def _type_of(default: ast.expr) -> str:
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return "Any"
    return "Any" if value is None else type(value).__name__


def check_parameters(source: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters` if the notebook declares them all with these types; ConfigError otherwise."""
    declared = declared_parameters(source)
    for name, value in parameters.items():
        choose(f"parameter of {source.name}", name, declared)
        if not _fits(value, declared[name]):
            raise ConfigError(f"{source}: parameter {name} is {value!r}, expected {declared[name]}")
    return dict(parameters)


def _fits(value: object, wanted: str) -> bool:
    """Whether `value` is of the type named: int, list[str], float | None and the like."""
    names = {part.strip().partition("[")[0] for part in wanted.split("|")}
    kind = "None" if value is None else type(value).__name__
    return kind in names or "Any" in names or (kind == "int" and "float" in names)


def parse_parameters(words: list[str]) -> dict[str, Any]:
    """`name=value` words as values, read as YAML reads them: 4 is an int, 2.5 a float, x a str."""
    values = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator:
            raise ConfigError(f"parameter {word!r}: write name=value")
        try:
            values[name] = yaml.safe_load(value) if value else ""
        except yaml.YAMLError as error:
            raise ConfigError(f"parameter {word!r}: its value is no YAML; quote it") from error
    return values


@contextmanager
def _own_kernel() -> Iterator[None]:
    """Offer Jupyter a kernel that is this very interpreter, whatever the machine has installed."""
    with tempfile.TemporaryDirectory(prefix="lmf-kernel-") as folder:
        spec = Path(folder) / "kernels" / KERNEL
        spec.mkdir(parents=True)
        command = [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "--log-level=50",  # a kernel that is told to end while it works calls that an error
            "-f",
            "{connection_file}",
        ]
        about = {"argv": command, "display_name": "Python 3", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(about), encoding="utf-8")
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(p for p in (folder, before) if p)
        try:
            yield
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before


def _finish(path: Path, target: Path) -> None:
    """Let the executed copy open with the reader's own kernel and know its own name."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["papermill"]["output_path"] = str(target)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, path)
