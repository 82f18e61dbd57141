"""The learning log on TensorBoard and DVCLive, where they are installed."""

import csv
import json
import math
import sys

import pytest
from small_studies import small_study, train_small

from lmf.core.errors import ConfigError
from lmf.train import board

ROWS = [
    {"step": 2, "loss": 0.5, "psnr_val": None},
    {"step": 4, "loss": 0.25, "psnr_val": 30.5},
]
# Both bring libraries along that warn of each other.
pytestmark = pytest.mark.filterwarnings("ignore")


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = loader.EventAccumulator(str(folder))
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in names}


def lives(folder) -> dict[str, list[tuple[int, float]]]:
    found = {}
    for path in (folder / "plots" / "metrics").glob("*.tsv"):
        with path.open() as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        found[path.stem] = [(int(row["step"]), float(row[path.stem])) for row in rows]
    return found


def test_tensorboard_has_the_rows(tmp_path):
    pytest.importorskip("tensorboard")
    write = board.tensorboard(tmp_path)
    for row in ROWS:
        write(row)
    assert scalars(tmp_path) == {"loss": [(2, 0.5), (4, 0.25)], "psnr_val": [(4, 30.5)]}


def test_tensorboard_hides_what_a_resumed_run_takes_again(tmp_path):
    pytest.importorskip("tensorboard")
    for loss, steps in ((1.0, (2, 4, 6)), (0.5, (4, 6, 8))):
        write = board.tensorboard(tmp_path)
        for step in steps:
            write({"step": step, "loss": loss})
    assert scalars(tmp_path)["loss"] == [(2, 1.0), (4, 0.5), (6, 0.5), (8, 0.5)]


def test_dvclive_has_the_rows_and_a_summary_that_is_json(tmp_path, monkeypatch):
    pytest.importorskip("dvclive")
    monkeypatch.chdir(tmp_path)
    write = board.dvclive(tmp_path / "live")
    for row in [*ROWS, {"step": 6, "loss": math.nan, "psnr_val": None}]:
        write(row)
    assert lives(tmp_path / "live") == {"loss": [(2, 0.5), (4, 0.25)], "psnr_val": [(4, 30.5)]}
    text = (tmp_path / "live" / "metrics.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["loss"] == 0.25
    assert {path.name for path in tmp_path.iterdir()} == {"live"}


def test_dvclive_drops_what_a_resumed_run_takes_again(tmp_path, monkeypatch):
    pytest.importorskip("dvclive")
    monkeypatch.chdir(tmp_path)
    for loss, steps in ((1.0, (2, 4, 6)), (0.5, (4, 6, 8))):
        write = board.dvclive(tmp_path / "live")
        for step in steps:
            write({"step": step, "loss": loss})
    assert lives(tmp_path / "live")["loss"] == [(2, 1.0), (4, 0.5), (6, 0.5), (8, 0.5)]


def test_both_see_a_training(tmp_path, monkeypatch):
    pytest.importorskip("dvclive")
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    writers = board.tensorboard(tmp_path / "tb"), board.dvclive(tmp_path / "live")
    train_small(small_study(tmp_path / "study"), on_row=board.all_of(*writers))
    steps = [step for step, _ in scalars(tmp_path / "tb")["loss"]]
    assert steps == [step for step, _ in lives(tmp_path / "live")["loss"]] == [3, 6, 9, 12]


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "tensorboard"), ("dvclive", "dvclive")]
)
def test_nothing_is_opened_before_the_first_row(tmp_path, name, module):
    """Rows come to the first process alone, so that the others leave no files."""
    pytest.importorskip(module)
    getattr(board, name)(tmp_path / "board")
    assert not (tmp_path / "board").exists()


@pytest.mark.parametrize(
    ("name", "module", "what"),
    [
        ("tensorboard", "torch.utils.tensorboard", "TensorBoard"),
        ("dvclive", "dvclive", "DVCLive"),
    ],
)
def test_a_board_that_is_not_installed_is_named(tmp_path, monkeypatch, name, module, what):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ConfigError, match=rf"{what} is not installed: pip install -e '\.\[boards\]'"
    ):
        getattr(board, name)(tmp_path)
