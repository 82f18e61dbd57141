"""`lmf bench`: what the models cost on this machine, and what they cost on any.

plan       which cases are measured, and how long that may take
subject    one untrained model with an input, and its ways to an image
official   one of them: the original algorithm in the steps of the released code
measure    repetitions within a time limit; seconds by stage
record     what is written: typed, read back by `read_bench`
ratios     what the figures say about each other
run        all of it, in one go
table      the record for a terminal
"""
