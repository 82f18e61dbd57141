"""VGG-19's weights come from a file or an address, and only those that are meant."""

import hashlib
from dataclasses import replace

import pytest
import torch
from misbehaving_server import Reply, Server
from small_sets import HASTE
from small_studies import small_study, train_small

from lmf.core.errors import CheckpointError, ConfigError, DataError
from lmf.study.settings.ablations import ABLATIONS
from lmf.train.config import VGG_URL, PerceptualConfig
from lmf.train.perceptual import Vgg19Features
from lmf.train.vgg import bring_weights, check_weights

BODY = bytes(range(256)) * 8000
DIGEST = hashlib.sha256(BODY).hexdigest()
NAME = f"vgg-{DIGEST[:8]}.pth"


@pytest.fixture
def server():
    with Server(files={f"/{NAME}": BODY, "/vgg.pth": BODY}) as running:
        yield running


def bring(server, folder, name=NAME, **options):
    config = PerceptualConfig(0.1, f"{server.url}/{name}", **options)
    return bring_weights(config, folder, transfer=HASTE)


def test_an_address_is_downloaded_once_and_its_digest_told(server, tmp_path):
    for _ in range(2):
        found = bring(server, tmp_path)
        assert found.weights == str(tmp_path / NAME)
        assert found.sha256 == DIGEST
    assert (tmp_path / NAME).read_bytes() == BODY
    assert len(server.seen) == 1


def test_the_published_address_is_torchvisions():
    assert VGG_URL == "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"x" * len(BODY)),
        Reply(body=b"<!doctype html><p>Sign in"),
        Reply(status=404),
    ],
    ids=["other bytes", "web page", "not there"],
)
def test_what_else_an_address_serves_is_refused(server, tmp_path, reply):
    server.plan[f"/{NAME}"] = [reply] * 9
    with pytest.raises(DataError, match=rf"{NAME} \(.+could not be downloaded: http"):
        bring(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_was_cut_is_gone_on_with(server, tmp_path):
    server.plan[f"/{NAME}"] = [Reply(share=0.6)]
    assert bring(server, tmp_path).sha256 == DIGEST
    assert server.seen[-1][1].startswith("bytes=")


def test_an_address_without_a_checksum_is_refused(server, tmp_path):
    with pytest.raises(ConfigError, match=r"say perceptual\.sha256 of it, or use https"):
        bring(server, tmp_path, "vgg.pth")
    assert server.seen == []
    assert bring(server, tmp_path, "vgg.pth", sha256=DIGEST[:12]).sha256 == DIGEST


def test_a_file_that_is_not_there_or_not_the_published_is_refused(tmp_path):
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    config = PerceptualConfig(0.1, str(path))
    with pytest.raises(CheckpointError, match=r"no VGG-19 weights; bring them there from https"):
        bring_weights(config, tmp_path)
    torch.save({"features.0.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="is not the published"):
        bring_weights(config, tmp_path)


@pytest.mark.parametrize("name", ["vgg-00000000.pth", "vgg.safetensors"])
def test_a_file_with_another_digest_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(BODY)
    config = PerceptualConfig(0.1, str(tmp_path / name), sha256="0" * 64)
    with pytest.raises(
        CheckpointError, match=rf"{name}: its SHA-256 {DIGEST} is not the published"
    ):
        check_weights(config)


def test_a_file_of_which_nothing_is_known_is_refused(tmp_path):
    (tmp_path / "vgg.pth").write_bytes(BODY)
    with pytest.raises(CheckpointError, match=r"say perceptual\.sha256 of it"):
        check_weights(PerceptualConfig(0.1, str(tmp_path / "vgg.pth")))


@pytest.mark.parametrize("digest", ["dcbb", "DCBB9E9D", "dcbb9e9g", ""])
def test_what_is_no_digest_is_refused(digest):
    with pytest.raises(ConfigError, match="use 8 to 64 hexadecimal digits"):
        PerceptualConfig(0.1, sha256=digest)


@pytest.fixture
def published(tmp_path):
    """A folder with weights under torchvision's names, named by their digest; it and the digest."""
    torch.manual_seed(0)
    path = tmp_path / "vgg.pth"
    torch.save(Vgg19Features((16,)).state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(tmp_path / f"vgg19-{digest[:8]}.pth"), digest


def test_a_training_takes_them_from_an_address_and_its_card_says_which(tmp_path, published):
    path, digest = published
    dense = {"queries": None, "patch": 16, "scales": [1, 2], "steps": 4}
    with Server(files={f"/{path.name}": path.read_bytes()}) as server:
        term = {"weight": 0.1, "weights": f"{server.url}/{path.name}", "layers": [2]}
        place = small_study(tmp_path / "study", **dense, perceptual=term)
        card = train_small(place)
    assert card["train"]["perceptual"]["sha256"] == digest
    assert (place.data / path.name).is_file()


def test_the_ablation_takes_them_for_its_loss(tmp_path, published, monkeypatch):
    path, digest = published
    place = small_study(tmp_path / "study", patch=16, scales=[1, 2], steps=4)
    known = ABLATIONS["perceptual"]
    term = known.train["perceptual"] | {"layers": [2]}
    with Server(files={f"/{path.name}": path.read_bytes()}) as server:
        term |= {"weights": f"{server.url}/{path.name}"}
        served = replace(known, train={**known.train, "perceptual": term})
        monkeypatch.setitem(ABLATIONS, "perceptual", served)
        card = train_small(place, "perceptual")
    assert card["train"]["perceptual"]["sha256"] == digest
    assert card["train"]["queries"] is None
    full, changed = train_small(place, "edsr-baseline"), ("train", "name", "sha256", "metrics")
    assert {k: v for k, v in card.items() if k not in changed} == {
        k: v for k, v in full.items() if k not in changed
    }
    assert full["train"]["perceptual"] is None
