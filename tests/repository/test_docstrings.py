"""Names in docstrings are those of the code."""

import ast
import re
from functools import cache

import grimp
import pytest
from places import ROOT

MODULES = {name.removeprefix("lmf.") for name in grimp.build_graph("lmf").modules}
FILES = sorted((ROOT / "lmf").rglob("*.py"))


@cache
def names_of(module: str) -> set[str]:
    """What a module defines at its top, and the members of its classes."""
    folder = (ROOT / "lmf").joinpath(*module.split("."))
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_dotted_names_lead_somewhere(path):
    """`tables.tidy.check` is a function of a module: the last parts of a module's name suffice."""
    for quoted in re.findall(
        r"`(?!lmf\.\w+`)(?:lmf\.)?([a-z_]+(?:\.[A-Za-z_]+)+)`", path.read_text("utf-8")
    ):
        module, _, name = quoted.rpartition(".")
        ends = [one for one in MODULES if one == module or one.endswith(f".{module}")]
        whole = [one for one in MODULES if one == quoted or one.endswith(f".{quoted}")]
        ours = quoted.split(".")[0] in {part for one in MODULES for part in one.split(".")}
        if ours and not whole and name != "c":
            assert any(name in names_of(one) for one in ends), quoted
