"""The whole graph on a tiny profile in a temporary clone: two variants, a few steps."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from places import ROOT

VARIANTS = ("edsr-baseline", "no-modulation")
TINY = "results/tiny"

pytestmark = pytest.mark.timeout(600)


class Clone:
    """A clone of the repository and what is done in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}

    def run(self, *command: str, status: int = 0) -> str:
        """Run a command in the clone; its output, after checking its exit status."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout[-4000:]
        return done.stdout

    def repro(self, *targets: str) -> list[str]:
        """`dvc repro`; the names of the stages that ran."""
        lines = self.run("dvc", "repro", *targets).splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return (self.root / name).read_bytes()

    def edit_yaml(self, name: str, **changes: object) -> None:
        """Replace entries of a YAML file."""
        path = self.root / name
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))


def draw(folder: Path, names: str, side: int = 48) -> None:
    """Small pictures with content at all frequencies."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(names))
    for name in names.split():
        small = rng.integers(0, 256, (side // 3, side // 3, 3), dtype=np.uint8)
        Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(
            folder / f"{name}.png"
        )


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    root = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith(("results/", "reports/", "samples/")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    (root / "dvc.lock").unlink(missing_ok=True)
    shutil.copy(ROOT / "tests/helpers/tiny.yaml", root / "profiles/tiny.yaml")
    draw(root / "samples", "gratings text")
    made = Clone(root)
    sets = ["photos-train", "photos-test"]
    made.edit_yaml("params.yaml", profile="tiny", sets=sets, variants=list(VARIANTS))
    stages = (root / "dvc.yaml").read_text().splitlines(keepends=True)
    other = ("set5", "set14", "b100", "bsds400", "urban100", "div2k-train", "div2k-valid")
    kept = [
        line for line in stages if not line.strip().endswith(tuple(f"/{s}.json" for s in other))
    ]
    (root / "dvc.yaml").write_text("".join(kept))
    made.run("git", "init", "-q")
    made.run("git", "add", "-A")
    assert set(made.repro()) >= {f"train@{v}" for v in VARIANTS} | {"ablation", "report"}
    # One clone for the whole module: the tests go on from each other, in order.
    return made


def test_every_stage_leaves_its_outputs(clone):
    for variant in VARIANTS:
        card = json.loads(clone.read(f"{TINY}/weights/{variant}.json"))
        rows = pd.read_csv(clone.root / TINY / f"evaluate/{variant}.csv")
        assert card["steps"] == 12
        assert set(rows["weights_sha256"]) == {card["sha256"]}
        assert len(rows) == 2 * 2
        assert (clone.root / f"reports/tiny/notebooks/evaluate-{variant}.ipynb").exists()
    page = clone.read("reports/tiny/index.html").decode()
    assert all(variant in page for variant in VARIANTS)
    assert not list((clone.root / "runs").rglob("*.safetensors"))


def test_a_second_run_does_nothing(clone):
    assert clone.repro() == []
    for litter in (
        "lmf/core/__pycache__/x.pyc",
        "samples/.DS_Store",
        "notebooks/paper/.ipynb_checkpoints/a",
    ):
        (clone.root / litter).parent.mkdir(exist_ok=True)
        (clone.root / litter).touch()
    assert clone.repro() == []


def test_a_stage_that_runs_again_writes_the_same_bytes(clone):
    names = ["weights/no-modulation.safetensors", "weights/no-modulation.json", "train/no-modulation.csv",
             "evaluate/no-modulation.csv"]  # fmt: skip
    before = [clone.read(f"{TINY}/{name}") for name in names]
    clone.run("dvc", "repro", "-f", "-s", "train@no-modulation", "evaluate@no-modulation")
    assert [clone.read(f"{TINY}/{name}") for name in names] == before
    assert clone.repro() == []


def test_own_pictures_run_the_evaluation_only(clone):
    draw(clone.root / "mine", "one two three")
    assert "3 pictures" in clone.run("lmf", "use-images", "mine")
    stale = clone.run("dvc", "status")
    assert "data.dvc" in stale
    assert set(clone.repro("evaluate@no-modulation")) == {
        "baseline@bicubic",
        "evaluate@no-modulation",
    }
    rows = pd.read_csv(clone.root / TINY / "evaluate/bicubic.csv")
    assert set(rows["image"]) == {"one", "two", "three"}
    rows = pd.read_csv(clone.root / TINY / "evaluate/no-modulation.csv")
    assert set(rows["image"]) == {"one", "two", "three"}


def test_profiles_do_not_touch_each_other(clone):
    before = {p: p.read_bytes() for p in (clone.root / TINY).rglob("*.csv")}
    tiny = yaml.safe_load((clone.root / "profiles/tiny.yaml").read_text())
    tiny["train"]["steps"] = 6
    (clone.root / "profiles/other.yaml").write_text(yaml.safe_dump(tiny))
    clone.edit_yaml("params.yaml", profile="other")
    ran = clone.repro("train@edsr-baseline")
    assert "train@edsr-baseline" in ran
    assert json.loads(clone.read("results/other/weights/edsr-baseline.json"))["steps"] == 6
    clone.edit_yaml("params.yaml", profile="tiny")
    ran = clone.repro("train@edsr-baseline", "train@no-modulation")
    assert set(ran) <= {"recipe"}  # the others are from the run cache
    assert {p: p.read_bytes() for p in (clone.root / TINY).rglob("*.csv")} == before


def test_one_more_variant_trains_no_other(clone):
    clone.edit_yaml("params.yaml", variants=[*VARIANTS, "no-position"])
    with (clone.root / "lmf/study/settings/ablations.py").open("a") as file:
        file.write("# one more ablation\n")
    ran = clone.repro(*(f"train@{variant}" for variant in (*VARIANTS, "no-position")))
    assert set(ran) == {"recipe", "train@no-position"}
    clone.edit_yaml("params.yaml", variants=list(VARIANTS))


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_is_resumed(clone, how):
    tiny = yaml.safe_load((clone.root / "profiles/tiny.yaml").read_text())
    tiny["train"] |= {"steps": 150 + how, "save_every": 5}
    (clone.root / "profiles/long.yaml").write_text(yaml.safe_dump(tiny))
    clone.edit_yaml("params.yaml", profile="long")
    work = clone.root / "runs/long/edsr-baseline"
    process = subprocess.Popen(
        ["dvc", "repro", "train@edsr-baseline"],
        cwd=clone.root, env=clone.environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(work.glob("state-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, how)
    process.wait()
    assert list(work.glob("state-*"))
    assert not (clone.root / "results/long/weights/edsr-baseline.safetensors").exists()
    assert "resumed at step" in clone.run("dvc", "repro", "train@edsr-baseline")
    assert json.loads(clone.read("results/long/weights/edsr-baseline.json"))["steps"] == 150 + how
    clone.edit_yaml("params.yaml", profile="tiny")


def test_bad_values_stop_the_graph_with_one_line(clone):
    clone.edit_yaml("params.yaml", profile="tinny")
    message = clone.run("lmf", "train", "edsr-baseline", status=1)
    assert message.strip().startswith("lmf: unknown profile 'tinny', did you mean tiny?")
    assert len(message.strip().splitlines()) == 1
    clone.edit_yaml("params.yaml", profile="tiny", colour="red")
    assert "unknown name colour" in clone.run("lmf", "train", "edsr-baseline", status=1)
