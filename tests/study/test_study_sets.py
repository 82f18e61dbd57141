"""Sets as the stages of a study open them, and where the study is."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from places import ROOT
from small_studies import profile_of, small_study

from lmf.core.errors import DataError
from lmf.data.progress import QUIET
from lmf.study.custom import use_images
from lmf.study.doctor import examine
from lmf.study.sets import open_fetched
from lmf.study.settings.local import mirror_of
from lmf.study.settings.params import read_params
from lmf.study.settings.profile import Scoring, read_profile
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.evaluate import evaluate_model
from lmf.study.stages.fetch import fetch_sets


def test_pictures_are_fetched_again_where_only_their_record_is(tmp_path, capfd):
    """As in the workspace of a queued experiment: DVC brings records, and no pictures."""
    place = Workspace("small", tmp_path)
    with pytest.raises(DataError, match="photos-test is missing: run `lmf fetch photos-test`"):
        open_fetched("photos-test", place)
    place.record("photos-test").parent.mkdir(parents=True)
    place.record("photos-test").write_text("{}")
    names = [path.name for path in open_fetched("photos-test", place).hr]
    assert names == ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"]
    assert "fetching them again" in capfd.readouterr().err
    open_fetched("photos-test", place)
    assert "fetching" not in capfd.readouterr().err
    place.record("photos-test").write_text("{")
    with pytest.raises(
        DataError, match=r"photos-test\.json is damaged .*: run `dvc repro`, or `lmf f"
    ):
        open_fetched("photos-test", place)
    place.record("photos-test").write_text('{"tree_sha256": "0"}')
    with pytest.raises(
        DataError, match=r"photos-test: not the pictures that .*photos-test\.json rec"
    ):
        open_fetched("photos-test", place)


def test_commands_work_on_the_study_from_any_folder_within_it(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    for name in ("params.yaml", "dvc.yaml", "data.dvc"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    fetch_sets(["photos-test"], "quick", None, False, QUIET)
    assert (tmp_path / "data/photos-test/HR").is_dir()
    assert (tmp_path / "data/records/quick/photos-test.json").is_file()
    assert "data.dvc now imports" in use_images(ROOT / "samples")
    assert str(ROOT / "samples") in (tmp_path / "data.dvc").read_text()
    assert {one.subject: one.good for one in examine()}["profile"]
    assert list((tmp_path / "deep").rglob("*")) == [tmp_path / "deep" / "er"]


def test_the_study_is_found_from_any_folder_within_it(tmp_path, monkeypatch):
    for folder in ("", "notebooks/paper", "lmf/study"):  # Jupyter starts in the notebook's own
        monkeypatch.chdir(ROOT / folder)
        assert Workspace("quick").root.resolve() == ROOT
        assert read_profile("quick").scales
        assert read_params().profile
    monkeypatch.chdir(ROOT)
    assert str(Workspace("quick").results) == "results/quick"
    monkeypatch.chdir(tmp_path)
    assert Workspace("quick").root == Path()


def test_means_are_written_for_dvc_metrics(tmp_path):
    place = small_study(tmp_path)
    profile = replace(profile_of(place), test_sets={"own": Scoring()}, crops=())
    rows = evaluate_model(profile, "bicubic", place, torch.device("cpu"))
    means = json.loads(place.means("bicubic").read_text())
    of_2 = rows[rows["scale"] == 2]
    assert means["own"]["x2"] == {name: round(of_2[name].mean(), 4) for name in ("psnr", "ssim")}
    assert list(means["own"]) == [f"x{scale:g}" for scale in profile.scales]


def test_a_variable_names_the_mirror_before_the_file_does(tmp_path, monkeypatch):
    assert mirror_of(tmp_path) is None
    (tmp_path / "local.yaml").write_text("mirror: /from/file")
    assert str(mirror_of(tmp_path)) == "/from/file"
    monkeypatch.setenv("LMF_MIRROR", "/from/variable")
    assert str(mirror_of(tmp_path)) == "/from/variable"
