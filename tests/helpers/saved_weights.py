"""What the tests of checkpoints share: facts of a card, and ways to spoil weights and card."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from lmf.checkpoint import load_model
from lmf.core.errors import CheckpointError
from lmf.core.files import sha256

FACTS = {"name": "small", "profile": "quick", "steps": 7, "seed": 3, "licence": "Apache-2.0"}


def rewrite_card(path: Path, **changes) -> None:
    card = json.loads(path.with_suffix(".json").read_text()) | changes
    card = {name: value for name, value in card.items() if value is not None}
    path.with_suffix(".json").write_text(json.dumps(card))


def rewrite_tensors(path: Path, change) -> None:
    """Change the tensors and make the card agree, so that only the names and shapes are wrong."""
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    rewrite_card(path, sha256=sha256(path))


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)
