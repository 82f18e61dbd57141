"""What a study is: params.yaml and profiles/, read and checked, and where its files are.

params     the study's switch            profile    what one run of it is
ablations  the parts that are left out   repeats    the same training under another seed
workspace  where a profile's files are   local      what is true of one machine only
"""
