"""Sets as the stages of a study open them, and where the study is."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from places import ROOT
from small_studies import profile_of, small_study

from lmf.core.errors import DataError
from lmf.study.sets import open_fetched
from lmf.study.settings.local import mirror_of
from lmf.study.settings.params import read_params
from lmf.study.settings.profile import Scoring, read_profile
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.evaluate import evaluate_model


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
