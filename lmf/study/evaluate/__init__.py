"""Evaluation: models x sets x scales -> one row per picture, each with protocol and provenance.

pair      LR and HR of one picture        subject   what is scored, and the facts of its rows
run       all pictures, by one subject    request   `lmf evaluate` for any model and any sets
journal   rows of a run under way         saved     what is kept of the pictures
team      processes that share a run      summary   the means, as `lmf evaluate` prints them
"""
