"""The `lmf` command: thin; every stage of dvc.yaml is one of its commands."""

from lmf.cli.commands import app
from lmf.cli.entry import main

__all__ = ["app", "main"]
