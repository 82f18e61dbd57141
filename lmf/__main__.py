"""`python -m lmf`."""

from lmf.cli import main

main()
