"""Official checkpoints of LIIF, LTE, LM-LIIF and LM-LTE: what they say, hold and are named like.

A file is {"model": {"name": family, "args": {...}, "sd": state dict}}; the official training writes
"optimizer" and "epoch" beside "model".
"""

from lmf.official.read import read_official

__all__ = ["read_official"]
