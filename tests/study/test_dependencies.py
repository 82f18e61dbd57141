"""A stage depends on the code that decides its results, and on no more than it must."""

from pathlib import Path

import grimp
import pytest
import yaml
from places import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PACKAGE = grimp.build_graph("lmf")

ARRIVAL = {f"lmf.data.{name}" for name in (
    "archive", "catalog", "decode", "download", "entries", "fetch", "mirror", "progress", "supply",
)}  # fmt: skip
"""How pictures come to be there; their records, on which stages depend, say which they are."""

SETTINGS = {
    *(f"lmf.study.settings.{name}" for name in (
        "ablations", "local", "params", "profile", "repeats", "workspace", "yaml_files",
    )),
    "lmf.train.config",
}  # fmt: skip
"""What they read stages have as parameters, and trainings as recipes."""

BESIDE = {
    "lmf.study.progress",
    "lmf.study.weights",
    "lmf.deploy.device",
    "lmf.deploy.enhancer",
    "lmf.official",
}
"""What is shown meanwhile; where weights are; devices; what such stages do not do."""

IMMATERIAL = {
    "train": {*ARRIVAL, *SETTINGS, *BESIDE, "lmf.study.evaluate.journal",
              *(f"lmf.metrics.{name}" for name in ("cost", "machine", "memory"))},  # how fast it was
    "evaluate": {*ARRIVAL, *SETTINGS, *BESIDE, "lmf.study.evaluate.team"},
    "efficiency": {*SETTINGS, "lmf.study.tables.rows"},
}  # fmt: skip


@pytest.mark.parametrize("stage", IMMATERIAL)
def test_a_stage_depends_on_what_it_imports(stage):
    module = f"lmf.study.stages.{stage}"
    imported = {module, *PACKAGE.find_upstream_modules(module)}
    needed = {one for one in imported if not PACKAGE.find_children(one)}  # no mere packages
    listed = [path for path in STAGES[stage]["deps"] if path.startswith("lmf/")]
    missing = {one for one in needed if not any(_covers(path, one) for path in listed)}
    known = {one for one in needed if any(one.startswith(name) for name in IMMATERIAL[stage])}
    assert missing <= known, sorted(missing - known)


def _covers(path: str, module: str) -> bool:
    """Whether a dependency, a file or a folder, holds the module."""
    file = Path(*module.split(".")).with_suffix(".py")
    return file == Path(path) or Path(path) in file.parents


@pytest.mark.parametrize("stage", STAGES)
def test_dependencies_in_the_repository_exist(stage):
    named = [path for path in STAGES[stage]["deps"] if path.startswith(("lmf/", "notebooks/"))]
    assert [path for path in named if not (ROOT / path).exists()] == []
