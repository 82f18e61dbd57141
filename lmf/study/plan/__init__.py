"""`lmf plan`: what a profile will ask of the machine, before anything starts. Nothing is written.

needs    sets, trainings and disk      stages   the stages of dvc.yaml, and what they lack
measure  how fast variants train here  show     all of it as people read it
"""
