"""pyproject.toml says what is needed; constraints.txt and environment.yml say the same, exactly."""

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from places import ROOT

FORBIDDEN = {"torchvision", "timm", "basicsr", "mmcv"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OPTIONAL = {"boards"}
"""Extras that `make install` and environment.yml leave to the user; pinned all the same."""
DIRECT = [Requirement(line) for line in sum(EXTRAS.values(), PROJECT["dependencies"])]
CHOSEN = [Requirement(line) for name in OPTIONAL for line in EXTRAS[name]]
INSTALLED = [requirement for requirement in DIRECT if requirement not in CHOSEN]


def pins_of(lines: list[str]) -> dict[str, str]:
    """Package name -> exact version; a line that pins nothing exactly is a ValueError."""
    requirements = [Requirement(line) for line in lines]
    for requirement in requirements:
        if [s.operator for s in requirement.specifier] != ["=="]:
            raise ValueError(f"{requirement} is not of the form name==version")
    return {canonicalize_name(r.name): next(iter(r.specifier)).version for r in requirements}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return pins_of([line for line in lines if line and not line.startswith("#")])


def conda_pip_lines() -> list[str]:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return next(entry["pip"] for entry in dependencies if isinstance(entry, dict))


def conda_pins() -> dict[str, str]:
    return pins_of([line for line in conda_pip_lines() if not line.startswith("-")])


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_direct_dependency_is_pinned_within_its_range(requirement):
    pin = constraints().get(canonicalize_name(requirement.name))
    assert pin is not None, f"constraints.txt does not pin {requirement.name}"
    assert pin in requirement.specifier


def test_environment_yml_lists_the_direct_dependencies_as_pinned():
    pins = constraints()
    assert conda_pins() == {(name := canonicalize_name(r.name)): pins[name] for r in INSTALLED}


def test_environment_yml_installs_the_project_under_the_constraints():
    assert "-c constraints.txt" in conda_pip_lines()
    extras = ",".join(name for name in EXTRAS if name not in OPTIONAL)
    assert f"-e .[{extras}]" in conda_pip_lines()


def test_environment_yml_has_a_python_that_the_project_accepts():
    text = (ROOT / "environment.yml").read_text()
    (python,) = re.findall(r"^  - python=([\d.]+)$", text, re.MULTILINE)
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)


def test_nothing_requires_a_forbidden_package():
    direct = {canonicalize_name(r.name) for r in DIRECT}
    assert FORBIDDEN.isdisjoint(direct | constraints().keys() | conda_pins().keys())


def test_nothing_imports_a_forbidden_package():
    names = "|".join(sorted(FORBIDDEN))
    statement = re.compile(rf'^[\s"]*(?:import|from)\s+(?:{names})\b', re.MULTILINE)
    sources = [*(ROOT / "lmf").rglob("*.py"), *(ROOT / "notebooks").rglob("*.ipynb")]
    assert sources
    assert not [path for path in sources if statement.search(path.read_text(encoding="utf-8"))]


def test_installed_torch_is_new_enough():
    (torch,) = [r for r in DIRECT if r.name == "torch"]
    installed = Version(version("torch")).base_version
    assert installed in torch.specifier, f"torch {installed} is installed, lmf needs {torch}"


@pytest.mark.skipif(
    Path(sys.prefix).resolve() != ROOT / ".venv",
    reason="not the environment of `make install`: only pyproject.toml's ranges hold here",
)
@pytest.mark.parametrize("name", [r.name for r in INSTALLED])
def test_installed_version_is_the_pinned_one(name):
    # A local label (2.13.0+cpu) names the build of a version, not another version.
    assert Version(version(name)).public == constraints()[canonicalize_name(name)]
