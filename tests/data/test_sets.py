"""The catalogue, and opening and verifying sets that are in place."""

import re
from pathlib import Path

import pytest
from small_sets import COUNT, HR, LAID_OUT, NOWHERE, X2, entry_at, picture, put

from lmf.core.errors import ConfigError, DataError
from lmf.data.catalog import CATALOGUE, data_set
from lmf.data.entries import Bundled
from lmf.data.fetch import fetch_set
from lmf.data.sets import open_set, verify

ARCHIVES = [archive for entry in CATALOGUE.values() for archive in entry.archives]
SETS = "photos-train photos-test bsds400 set5 set14 b100 urban100 manga109 div2k-train div2k-valid"


def test_the_catalogue_holds_the_study_sets():
    assert set(CATALOGUE) == set(SETS.split())
    assert all(name == entry.name for name, entry in CATALOGUE.items())


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_every_set_says_its_terms_and_source(entry):
    assert entry.licence
    assert entry.citation
    assert entry.sources
    assert entry.images


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.name)
def test_archives_are_complete(archive):
    assert all(url.startswith("https://") for url in (archive.url, *archive.mirrors))
    assert all(url.endswith("/" + archive.name) for url in archive.mirrors)
    assert archive.sha256 is None or re.fullmatch("[0-9a-f]{64}", archive.sha256)
    assert all(re.fullmatch(r"HR|LR_bicubic/X\d", member.to) for member in archive.members)


def test_no_photo_is_in_training_and_test():
    train, test = (data_set(name).sources[0] for name in ("photos-train", "photos-test"))
    assert isinstance(train, Bundled)
    assert isinstance(test, Bundled)
    assert not {Path(name).stem for name in train.files} & {Path(name).stem for name in test.files}


def test_bsds400_never_takes_the_validation_pictures():
    (archive,) = data_set("bsds400").archives
    assert [Path(member.folder).name for member in archive.members] == ["train", "test"]


def test_an_unknown_name_lists_the_valid_ones():
    with pytest.raises(ConfigError, match=r"set55.*set5, set14"):
        data_set("set55")


@pytest.fixture
def placed(tmp_path):
    put(tmp_path / "mirror" / "some", LAID_OUT)
    fetch_set(entry_at(NOWHERE), tmp_path, tmp_path / "mirror")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: (s / "HR/2.png").write_bytes(HR["3.png"]), r"HR/2\.png"),
        (lambda s: (s / "LR_bicubic/X2/2x2.png").unlink(), r"LR_bicubic/X2/2x2\.png"),
        (lambda s: (s / "HR/more.png").write_bytes(b""), r"HR/more\.png"),
        (lambda s: (s / "HR/1.png").rename(s / "HR/one.png"), r"HR/1\.png, HR/one\.png"),
    ],
    ids=["changed", "removed", "added", "renamed"],
)
def test_a_change_is_named_and_never_overwritten(change, named, placed):
    change(placed / "some")
    for again in (
        lambda: verify("some", placed),
        lambda: fetch_set(entry_at(NOWHERE), placed, placed / "mirror"),
    ):
        with pytest.raises(DataError, match=named + " changed, missing or added"):
            again()


def test_other_files_in_a_set_do_not_matter(placed):
    for name in ("HR/.DS_Store", "HR/notes.txt", "README.md"):
        (placed / "some" / name).write_text("not a picture")
    assert verify("some", placed).images == COUNT


def test_a_damaged_record_is_named(placed):
    (placed / "some" / "record.json").write_text("{")
    with pytest.raises(DataError, match=r"record\.json is damaged"):
        verify("some", placed)


def test_a_missing_set_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"set5 is missing: run `lmf fetch set5`"):
        open_set("set5", tmp_path)


def test_an_incomplete_set_is_refused(tmp_path):
    put(tmp_path / "set5", {"HR/0.png": HR["0.png"]})
    with pytest.raises(DataError, match="1 HR pictures instead of 5"):
        open_set("set5", tmp_path)


def test_lr_pictures_must_pair_up_with_hr(tmp_path):
    put(tmp_path / "custom", LAID_OUT | {"LR_bicubic/X2/9x2.png": X2["0x2.png"]})
    with pytest.raises(DataError, match="look for 9x2"):
        open_set("custom", tmp_path)


@pytest.mark.parametrize("layout", [{}, {"HR": True}], ids=["flat", "HR"])
@pytest.mark.parametrize("name", ["custom", "holiday"])
def test_an_own_folder_needs_no_catalogue(layout, name, tmp_path):
    folder = tmp_path / name / ("HR" if layout else ".")
    put(folder, {"b.PNG": HR["0.png"], "a.png": HR["1.png"], "README.md": b"hello"})
    assert [path.name for path in open_set(name, tmp_path).hr] == ["a.png", "b.PNG"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a/", "../a", "{root}/a"])
def test_a_path_is_no_name_of_a_set(name, tmp_path):
    for folder in ("a", "data/a", "data/a/b"):
        put(tmp_path / folder, HR)
    with pytest.raises(ConfigError, match=r"is no name: put or link the folder .* as .*data/NAME"):
        open_set(name.format(root=tmp_path), tmp_path / "data")


def test_unreadable_pictures_in_an_own_folder_are_all_named(tmp_path):
    put(tmp_path / "custom", HR | {"x.png": b"words", "y.jpg": b"", "README.md": b"hello"})
    with pytest.raises(DataError, match=r"cannot be read: x\.png, y\.jpg; remove"):
        open_set("custom", tmp_path)


def test_pictures_of_one_name_are_refused(tmp_path):
    put(tmp_path / "custom", {"a.png": picture(0), "a.PNG": picture(1)})
    with pytest.raises(DataError, match=r"a\.PNG and a\.png have one name"):
        open_set("custom", tmp_path)


@pytest.mark.parametrize("files", [{}, {"README.md": b"hello"}])
def test_an_own_folder_without_pictures_is_refused(files, tmp_path):
    (tmp_path / "custom").mkdir()
    put(tmp_path / "custom", files)
    with pytest.raises(DataError, match="holds no pictures"):
        open_set("custom", tmp_path)


def test_a_missing_own_folder_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"custom is missing: `dvc repro data\.dvc` brings it"):
        open_set("custom", tmp_path)
