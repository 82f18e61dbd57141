"""Intervals have the values that can be worked out by hand."""

import math

import numpy as np
import pytest

from lmf.core.errors import InputError
from lmf.study.statistics import mean_interval, paired_interval, sign_test_floor


@pytest.mark.parametrize(
    ("values", "mean", "low", "high"),
    [
        ([0, 1], 0.5, 0, 1),  # means 0, 1/2, 1 with chances 1/4, 1/2, 1/4
        ([0, 0, 0, 1], 0.25, 0, 1),  # P(mean = 1) = 1 / 256, more than the 0.012 % left out
        ([3, 3, 3, 3, 3], 3, 3, 3),
    ],
)
def test_small_samples_have_the_exact_interval(values, mean, low, high):
    interval = mean_interval(values)
    assert (interval.mean, interval.low, interval.high) == (mean, low, high)
    assert interval.images == len(values)


def test_large_sample_agrees_with_normal_theory():
    values = np.random.default_rng(0).normal(30, 2, 400)
    interval = mean_interval(values)
    half = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(interval.mean - half, abs=0.1 * half)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.1 * half)


def test_intervals_over_five_values_miss_seldom():
    """Percentiles as they are miss the mean of five normal values in 16 % of cases."""
    draws = np.random.default_rng(0).normal(size=(200, 5))
    missed = [interval.low > 0 or interval.high < 0 for interval in map(mean_interval, draws)]
    assert np.mean(missed) < 0.11


def test_few_pictures_decide_only_where_they_agree():
    agreeing, one_against = [0.05, 0.11, 0.02, 0.05, 0.06], [0.05, 0.11, -0.02, 0.05, 0.06]
    assert mean_interval(agreeing).low > 0
    assert mean_interval(one_against).low < 0


def test_equal_values_give_equal_intervals():
    values = np.random.default_rng(1).normal(size=20)
    assert mean_interval(values) == mean_interval(values.copy())


def test_one_picture_has_no_interval_and_no_verdict():
    interval = mean_interval([31.5])
    assert interval.mean == 31.5
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_pairing_removes_the_spread_between_pictures():
    reference = np.array([20.0, 30.0, 40.0, 25.0])
    gain = paired_interval(reference + 0.125, reference)
    assert (gain.low, gain.mean, gain.high) == (0.125, 0.125, 0.125)
    unpaired = mean_interval(reference)
    assert unpaired.high - unpaired.low > 5


@pytest.mark.parametrize("values", [[], [1.0, math.inf], [math.nan]])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(InputError):
        mean_interval(values)


def test_pairs_need_the_same_pictures():
    with pytest.raises(InputError, match="2 and 1"):
        paired_interval([1, 2], [1])


def test_four_pictures_cannot_reach_five_percent():
    assert sign_test_floor(4) == 0.125
    assert sign_test_floor(5) > 0.05 > sign_test_floor(6)
