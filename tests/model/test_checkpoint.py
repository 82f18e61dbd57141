"""Weights come back exactly as they were, or not at all and with a reason."""

from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from saved_weights import FACTS, refusal, rewrite_card, rewrite_tensors

from lmf.architecture import MODELS, least_parameters
from lmf.checkpoint import load_model, read_card, read_cmsr, save_model, write_cmsr
from lmf.core.config import plain
from lmf.core.errors import CheckpointError, ResourceError
from lmf.core.files import sha256


@pytest.fixture
def model(small_model):
    return small_model("lm-lte", cross_scale=True)


@pytest.fixture
def saved(model, tmp_path) -> Path:
    path = tmp_path / "weights" / "small.safetensors"
    save_model(model, path, FACTS)
    return path


def test_round_trip_is_exact(model, saved):
    loaded = load_model(str(saved))
    assert loaded.config == model.config
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    image = torch.rand(1, 3, 6, 5)
    with torch.no_grad():
        assert torch.equal(loaded(image, scale=2.7), model(image, scale=2.7))


def test_saving_twice_gives_equal_bytes(model, saved):
    first = saved.read_bytes(), saved.with_suffix(".json").read_bytes()
    save_model(model, saved, FACTS)
    assert (saved.read_bytes(), saved.with_suffix(".json").read_bytes()) == first
    assert sorted(p.name for p in saved.parent.iterdir()) == ["small.json", "small.safetensors"]


def test_card_says_what_the_weights_are(model, saved):
    assert read_card(saved) == FACTS | {
        "architecture": plain(model.config),
        "parameters": sum(p.numel() for p in model.parameters()),
        "sha256": sha256(saved),
        "torch": torch.__version__,
        "lmf": version("lmf"),
    }


def test_missing_files_are_named(saved):
    assert "nothing.safetensors: no such weights file" in refusal(
        saved.with_name("nothing.safetensors")
    )
    said = "small: no such weights file; small.safetensors is there, give the suffix, too"
    assert said in refusal(saved.with_suffix(""))
    saved.with_suffix(".json").unlink()
    assert "small.json: no such card" in refusal(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"sha256 architecture"', "\xff"])
def test_card_that_is_none_is_refused(saved, text):
    saved.with_suffix(".json").write_bytes(text.encode("latin-1"))
    assert refusal(saved).startswith(f"{saved.with_suffix('.json')}: ")


@pytest.mark.parametrize("name", ["architecture", "sha256"])
def test_card_that_lacks_an_entry_is_refused(saved, name):
    rewrite_card(saved, **{name: None})
    assert f"the card names no {name}" in refusal(saved)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("encoder.head.0.weight"), "missing parameter encoder.head.0.weight;"),
        (lambda t: [t.pop(name) for name in list(t)[:3]], "and 2 more"),
        (lambda t: t.update(surplus=torch.zeros(1)), "unexpected parameter surplus;"),
        (
            lambda t: t.update({"encoder.head.0.bias": torch.zeros(9)}),
            "misshapen parameter encoder.head.0.bias;",
        ),
        (
            lambda t: t.update({"encoder.head.0.bias": t["encoder.head.0.bias"].int()}),
            "non-float parameter encoder.head.0.bias;",
        ),
        (
            lambda t: t.update({"encoder.head.0.bias": t["encoder.head.0.bias"].cfloat()}),
            "non-float parameter encoder.head.0.bias;",
        ),
    ],
)
def test_tensors_of_another_model_are_named(saved, change, said):
    rewrite_tensors(saved, change)
    assert said in refusal(saved)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_not_finite_are_named(saved, value):
    rewrite_tensors(saved, lambda tensors: tensors["encoder.head.0.weight"][2, 1].fill_(value))
    assert "parameter encoder.head.0.weight holds NaN or infinite values" in refusal(saved)


def test_weights_beyond_single_precision_are_named(saved):
    """Finite in the file, infinite in the model."""
    name = "encoder.head.0.bias"
    rewrite_tensors(saved, lambda t: t.update({name: torch.full_like(t[name].double(), 1e300)}))
    assert f"parameter {name} holds NaN or infinite values" in refusal(saved)


def test_weights_under_the_card_of_another_architecture_are_refused(small_model, saved):
    rewrite_card(saved, architecture=plain(small_model("lm-liif").config))
    assert "the file belongs to another model" in refusal(saved)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": 3}, "unknown name heads, did you mean head"),
        ({"encoder": "edsr-tiny"}, "unknown encoder 'edsr-tiny'"),
        ({"depth": "8"}, "depth is '8'"),
    ],
)
def test_card_of_an_unknown_architecture_is_refused(model, saved, change, said):
    rewrite_card(saved, architecture=plain(model.config) | change)
    message = refusal(saved)
    assert message.startswith(str(saved.with_suffix(".json")))
    assert said in message


@pytest.mark.parametrize(
    "change",
    [
        {"width": 10**9},
        {"depth": 10**6},
        {"hidden": [10**9]},
        {"hidden": [10**5, 10**5]},
        {"fourier": 10**8},
    ],
)
def test_card_of_a_far_larger_architecture_asks_for_no_memory(model, saved, change):
    rewrite_card(saved, architecture=plain(model.config) | change)
    assert "and its architecture at least " in refusal(saved)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("cross_scale", [True, False])
def test_least_parameters_are_fewer_than_there_are(small_model, name, cross_scale):
    for options in ({"hidden": []}, {"hidden": [7, 90]}, {}):
        found = small_model(name, cross_scale=cross_scale, **options)
        count = sum(p.numel() for p in found.parameters())
        assert count / 10 < least_parameters(found.config) + 84_152 < count


@pytest.mark.parametrize("tables", [5, "x8", [], False])
def test_card_whose_cmsr_tables_are_none_is_named(saved, tables):
    rewrite_card(saved, cmsr=tables)
    for use in (lambda: read_cmsr(saved, 8), lambda: write_cmsr(saved, [])):
        with pytest.raises(CheckpointError, match=r"small\.json: its cmsr holds no tables; remove"):
            use()


def test_unwritable_place_is_one_clear_line(model, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot write here"):
        save_model(model, tmp_path / "file" / "small.safetensors", FACTS)
    (tmp_path / "small.safetensors").mkdir()
    with pytest.raises(ResourceError, match=r"small\.safetensors is a folder; name a file"):
        save_model(model, tmp_path / "small.safetensors", FACTS)


@pytest.mark.parametrize("room", [0, 1, 8])
def test_a_full_disk_leaves_the_old_pair(model, small_disk, room):
    """Room, in pages of 4 KB beside the old pair, for nothing, for the card, for half the weights."""
    disk = small_disk(4096)
    path = disk / "small.safetensors"
    card = save_model(model, path, FACTS)
    weights = path.read_bytes()
    assert len(weights) > 8 * 4096
    small_disk(4 * (sum(-(-p.stat().st_size // 4096) for p in disk.iterdir()) + room))
    with pytest.raises(ResourceError, match=r"small.* writing failed \(No space"):
        save_model(model, path, FACTS | {"steps": 8})
    assert path.read_bytes() == weights
    assert read_card(path) == card
    assert len(list(disk.iterdir())) == 2


def test_half_takes_half_the_space_and_loads_as_single_precision(model, saved):
    size = saved.stat().st_size
    save_model(model, saved, FACTS, half=True)
    assert saved.stat().st_size < 0.6 * size
    loaded = load_model(saved)
    for name, tensor in model.state_dict().items():
        assert loaded.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(loaded.state_dict()[name], tensor.half().float(), rtol=0, atol=0)


def test_a_released_name_is_enough(model, saved, monkeypatch):
    monkeypatch.setattr("lmf.checkpoint.RELEASED", saved.parent)
    assert load_model("small").config == model.config
    assert "released: small" in refusal(Path("smal"))
