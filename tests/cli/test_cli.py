"""`lmf` does what it is told, or says in one line what is wrong and leaves nothing behind."""

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from places import ROOT

from lmf.checkpoint import save_model
from lmf.cli import main
from lmf.study import doctor, upscaling

UPSCALE = "upscale in.png out.png --scale 2"
COMMANDS = ["fetch", "plan", "train", "evaluate", "report", "upscale", "notebook", "doctor"]


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit status, output, and the files that were not there before."""

    status: int
    out: str
    err: str
    new_files: set[str]


@pytest.fixture
def place(tmp_path, monkeypatch, small_model) -> Path:
    """A study with one trained model and a few pictures, as the current folder."""
    (tmp_path / "profiles").mkdir()
    for name in ("params.yaml", "profiles/quick.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    weights = tmp_path / "results/quick/weights/edsr-baseline.safetensors"
    save_model(small_model("lm-lte"), weights, {})
    Image.effect_noise((14, 9), 99).convert("RGB").save(tmp_path / "in.png")
    Image.new("CMYK", (14, 9)).save(tmp_path / "cmyk.tif")
    (tmp_path / "a.ipynb").write_text('{"cells": []}')
    (tmp_path / "cut.png").write_bytes((tmp_path / "in.png").read_bytes()[:150])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lmf(monkeypatch, capfd, tmp_path):
    """A function that runs `lmf` with some words in this process."""

    def run(*words: str) -> Outcome:
        before = set(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["lmf", *words])
        with pytest.raises(SystemExit) as leave:
            main()
        said = capfd.readouterr()
        new = {p.relative_to(tmp_path).as_posix() for p in {*tmp_path.rglob("*")} - before}
        return Outcome(int(leave.value.code or 0), said.out, said.err, new)

    handler = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("upscal in.png", 2, "No such command 'upscal'. Did you mean 'upscale'? valid: "),
        (f"{UPSCALE} --sclae 3", 2, "valid: --scale, --size, --model, --profile, --device"),
        ("upscale in.png", 2, "Missing argument"),
        ("upscale in.png out.png --scale two", 2, "Invalid value for '--scale'"),
        (f"{UPSCALE} --model rdn --profile quik", 1, "unknown profile 'quik', did you mean quick?"),
        (f"{UPSCALE} --model rdn", 1, "no trained model 'rdn' in profile quick; trained: edsr-b"),
        (f"{UPSCALE} --max-pixels 0", 1, "max_pixels is 0: use at least 1 (--max-pixels)"),
        (f"{UPSCALE} --max-pixels -1", 1, "max_pixels is -1: use at least 1"),
        (
            f"{UPSCALE} --device meta",
            1,
            "unknown device 'meta'; valid: auto, cpu, cuda, cuda:N, mps",
        ),
        (
            "train rdn --benchmark -2",
            2,
            "'--benchmark': Input should be greater than or equal to 1",
        ),
        ("train rnd", 1, "unknown variant 'rnd', did you mean rdn?"),
        ("evaluate bicubc", 1, "unknown model 'bicubc', did you mean bicubic? valid: bicubic"),
        ("evaluate rdn", 1, "rdn is not trained in profile quick: run `lmf train rdn"),
        ("upscale none.png out.png --scale 2", 1, "none.png: no such file"),
        ("upscale cut.png out.png --scale 2", 1, "cut.png: not a readable picture"),
        ("upscale in.png out.png --scale 0.5", 1, "scale is 0.5: use a finite number of at"),
        ("upscale in.png out.png --scale nan", 1, "scale is nan"),
        ("upscale in.png out.png --scale 9999", 1, "is more than 268,435,456 pixels"),
        ("upscale in.png out.png", 1, "give one of --scale and --size"),
        (f"{UPSCALE} --size 28x18", 1, "give one of --scale and --size"),
        ("upscale in.png out.png --size 0x0", 1, "--size 0x0 has no pixels: use at least 1x1"),
        (f"upscale in.png out.png --size {'9' * 5000}x9", 1, "--size '999999999999"),
        (
            "upscale in.png out.png --size 99999999x2",
            1,
            "in.png: 99999999x2 is below its 14x9 in height; pictures are only enlarged",
        ),
        (f"{UPSCALE} --max-memory 1e300", 2, "--max-memory 1e+300: give a number of GB above 0"),
        ("upscale . out.png --scale 2", 1, ". is a folder; name a picture in it"),
        ("upscale in.png profiles --scale 2", 1, "profiles is a folder; name a file"),
        ("upscale cmyk.tif out.png --scale 2", 1, "cmyk.tif: is a CMYK picture; save it as RGB"),
        ("upscale in.png in.png/out.png --scale 2", 1, "in.png/out.png: cannot write here"),
        ("upscale in.png out.xyz --scale 2", 1, "out.xyz: unknown picture format '.xyz'"),
        (f"{UPSCALE} --device cuda:7", 1, "device cuda:7 is not there"),
        ("plan --device tpu", 1, "unknown device 'tpu'; valid: auto, cpu"),
        ("use-images nowhere", 1, "nowhere: no such folder"),
        ("use-images in.png", 1, "in.png is a file; name the folder that holds it"),
        ("notebook run none.ipynb out.ipynb", 1, "none.ipynb: no such notebook"),
        ("notebook run a.ipynb profiles", 1, "profiles is a folder; name a file"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(place, lmf, line, status, said):
    outcome = lmf(*line.split())
    assert (outcome.status, outcome.out, outcome.new_files) == (status, "", set())
    assert outcome.err.startswith("lmf: ")
    assert outcome.err.count("\n") == 1
    assert said in outcome.err


def test_upscale_writes_the_picture_and_says_so(place, lmf):
    outcome = lmf("upscale", "in.png", "new/out.png", "--scale", "2.7", "--kernel", "dense")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.new_files == {"new", "new/out.png"}
    assert outcome.out.startswith("in.png 14x9 -> new/out.png 38x24 with lm-lte-")
    assert outcome.out.endswith("edsr-baseline.safetensors on cpu, dense renderer\n")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, None])
def test_ctrl_c_and_sigterm_exit_130_with_one_line(place, lmf, monkeypatch, interruption):
    def interrupted(*args, **options):
        if interruption:
            raise interruption
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(upscaling.Enhancer, "stream", interrupted)
    outcome = lmf(*UPSCALE.split())
    assert (outcome.status, outcome.new_files) == (130, set())
    assert outcome.err == "lmf: interrupted; run the same command again: it begins anew\n"


@pytest.mark.parametrize(("command", "promise"), [
    ("bench --quick --device cpu", "it begins anew"),
    ("train rdn --device cpu", "what was saved is not done twice"),
])  # fmt: skip
def test_what_an_interrupted_command_promises_is_what_it_keeps(
    place, lmf, monkeypatch, command, promise
):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("lmf.study.bench.run.run_bench", interrupted)
    monkeypatch.setattr("lmf.study.stages.train.train_variant", interrupted)
    outcome = lmf(*command.split())
    said = f"lmf: interrupted; run the same command again: {promise}"
    assert (outcome.status, outcome.err.splitlines()[-1]) == (130, said)
    assert not [name for name in outcome.new_files if name.endswith(".json")]


def test_missing_package_is_named(place, lmf, monkeypatch):
    monkeypatch.setitem(sys.modules, "papermill", None)
    outcome = lmf("notebook", "run", "a.ipynb", "b.ipynb")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert "papermill is not installed; pip install" in outcome.err


@pytest.mark.parametrize(
    ("environment", "line", "said"),
    [
        ({"RANK": "1", "LOCAL_RANK": "1"}, "train rnd", None),
        ({"SLURM_PROCID": "1", "SLURM_LOCALID": "1"}, "train rnd", None),
        ({"RANK": "4", "LOCAL_RANK": "0"}, "train rnd", "lmf: process 4: unknown variant 'rnd'"),
        (
            {"RANK": "1", "LOCAL_RANK": "1"},
            "train rdn --device cuda:7",
            "lmf: process 1: device cu",
        ),
        ({"RANK": "0", "LOCAL_RANK": "0"}, "train rnd", "lmf: unknown variant 'rnd'"),
    ],
)
def test_of_several_processes_one_speaks(place, lmf, monkeypatch, environment, line, said):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    outcome = lmf(*line.split())
    assert outcome.status == 1
    assert outcome.err.startswith(said) if said else outcome.err == ""


@pytest.mark.parametrize(
    ("good", "mark", "status"), [(True, "ok", 0), (None, "--", 0), (False, "FAIL", 1)]
)
def test_doctor_exits_1_if_something_is_missing(lmf, monkeypatch, good, mark, status):
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("thing", good, "looked at")])
    outcome = lmf("doctor")
    assert (outcome.status, outcome.out) == (status, f"{mark:4}  thing: looked at\n")


def test_doctor_finds_nothing_wrong_for_who_only_upscales(tmp_path, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", missing)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=1e9))
    found = {one.subject: one for one in doctor.examine(tmp_path)}
    assert [one.good for one in found.values() if one.good is False] == []
    for name in (*doctor.STUDY_PACKAGES, "profile"):
        assert found[name].good is None
        assert "only for the study" in found[name].text
    (tmp_path / "params.yaml").write_text("profile: none")
    assert {one.subject for one in doctor.examine(tmp_path) if one.good is False} == {
        "disk",
        "profile",
    }


def test_version_is_said(lmf):
    outcome = lmf("--version")
    assert (outcome.status, outcome.out, outcome.err) == (0, f"lmf {version('lmf')}\n", "")


def test_large_pictures_are_read_without_a_warning_and_larger_ones_refused(place, lmf, monkeypatch):
    words = ["upscale", "in.png", "out.png", "--scale", "1", "--kernel", "dense"]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 14 * 9 - 1)
    assert lmf(*words).err == ""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 14 * 9 // 3)
    said = "lmf: in.png has more than 84 pixels, the most that are read; cut it into parts\n"
    assert lmf(*words).err == said


def test_no_command_shows_the_help(lmf):
    assert lmf().err == lmf("--help").out
    for command in COMMANDS:
        assert lmf(command, "--help").status == 0


def test_help_and_import_do_not_wait_for_torch():
    """Both in one fresh interpreter, as its start takes longest."""
    code = (
        "import sys, lmf\nimport lmf.cli\nsys.argv = ['lmf', '--help']\n"
        "try:\n    lmf.cli.main()\nexcept SystemExit as leave:\n    assert not leave.code\n"
        "heavy = {'torch', 'numpy', 'pandas', 'PIL', 'pydantic', 'papermill'} & set(sys.modules)\n"
        "assert not heavy, heavy\nassert lmf.create_model and 'torch' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout
