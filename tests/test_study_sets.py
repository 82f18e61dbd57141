"""Sets as the stages of a study open them."""

import pytest

from lmf.core.errors import DataError
from lmf.study.local import mirror_of
from lmf.study.sets import open_fetched
from lmf.study.workspace import Workspace


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


def test_a_variable_names_the_mirror_before_the_file_does(tmp_path, monkeypatch):
    assert mirror_of(tmp_path) is None
    (tmp_path / "local.yaml").write_text("mirror: /from/file")
    assert str(mirror_of(tmp_path)) == "/from/file"
    monkeypatch.setenv("LMF_MIRROR", "/from/variable")
    assert str(mirror_of(tmp_path)) == "/from/variable"
