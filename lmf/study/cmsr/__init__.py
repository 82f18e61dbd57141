"""CMSR tables of a model: measured on pictures (`build`), and what they cost and save (`check`)."""
