"""Where things are for a test, and for the processes that it starts."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORTABLE = os.pathsep.join([str(Path(__file__).resolve().parent), str(ROOT)])
"""PYTHONPATH of a process that needs these helpers and this copy of `lmf`."""
