"""README: its figures are those of the committed report, its commands and files exist."""

import ast
import csv
import json
import re
import subprocess

import pytest
from bicubic import MEASURED
from places import ROOT
from typer.main import get_command

from lmf.cli import app

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FOLDERS = "lmf|notebooks|samples|profiles|results|reports|weights|benchmarks|tests"


def committed(name: str) -> str:
    """A file as committed: a study run here since then has figures of its own."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:{name}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        pytest.skip("not a git clone")
    return shown.stdout


@pytest.mark.parametrize("profile", ["quick", "study"])
def test_figures_are_those_of_the_report(profile):
    block = README.split(f"<!-- {profile} -->")[1].split(f"<!-- end of {profile} -->")[0]
    figures = re.findall(r"[+-]?\d+\.\d{2}\b", block)
    tables = ("encoders.md", "ablation.md")
    report = "".join(committed(f"reports/{profile}/{name}") for name in tables)
    assert len(figures) > 15
    assert [figure for figure in figures if figure not in report] == []


@pytest.mark.parametrize("profile", ["quick", "study"])
def test_table_holds_the_cells_of_the_report(profile):
    block = README.split(f"<!-- {profile} -->")[1].split(f"<!-- end of {profile} -->")[0]
    header, _, *lines = [
        line.strip("| ").split("|") for line in re.findall(r"^\|.*\|$", block, re.M)
    ]
    rows = csv.DictReader(committed(f"reports/{profile}/encoders.csv").splitlines())
    psnr = {(row["model"], row["set"], row["scale"]): float(row["psnr"]) for row in rows}
    places = []
    for name in header[1:]:  # a set is named once, before the first of its scales
        *named, scale = name.split()
        places.append((named[0].lower() if named else places[-1][0], scale.removeprefix("×")))
    assert len(lines) > 3
    for model, *cells in lines:
        expected = [f"{psnr[model.strip(), *place]:.2f}" for place in places]
        assert [cell.strip() for cell in cells] == expected, model


def test_figures_of_released_weights_are_those_of_the_card():
    block = README.split("<!-- released -->")[1].split("<!-- end of released -->")[0]
    _, _, bicubic, ours = re.findall(r"^\|.*\|$", block, re.M)
    card = json.loads((ROOT / "weights/lm-lte-edsr-baseline.json").read_text(encoding="utf-8"))
    said = {(row["set"], row["scale"]): row["psnr"] for row in card["results"]}
    keys = [(name, scale) for name in MEASURED for scale in (2, 3, 4)]
    assert ours.split("|")[2:-1] == [f" {said[name.lower(), x]:.2f} " for name, x in keys]
    assert bicubic.split("|")[2:-1] == [f" {MEASURED[name][x][0]:.2f} " for name, x in keys]


def test_commands_exist():
    commands = set(re.findall(r"^lmf ([a-z-]+)", README, re.M)) | set(
        re.findall(r"`lmf ([a-z-]+)", README)
    )
    assert commands <= set(get_command(app).commands)


def test_options_exist():
    commands = get_command(app).commands
    for name, words in re.findall(r"^(?:torchrun .*-m )?lmf ([a-z-]+)(.*)$", README, re.M):
        valid = {option for one in commands[name].params for option in one.opts}
        used = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", words.partition("#")[0]))
        assert hasattr(commands[name], "commands") or used <= valid, (name, used - valid)


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(rf"`((?:{FOLDERS})/[\w/.-]+)`", README + CONTRIBUTING)))
)
def test_files_exist(name):
    assert (ROOT / name).exists()


def test_python_calls_no_model_with_gradients():
    """Calling a model keeps every step for gradients; `upscale`, `stream` and the Enhancer do not."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    bare = [one for one in ast.parse(code).body if not isinstance(one, ast.With)]
    assert "with torch.no_grad():" in code
    assert not re.search(
        r"\bmodel(\.encode|\.render|\.query)?\(", "\n".join(map(ast.unparse, bare))
    )
