"""Intervals for means over images.

A test set is a sample of pictures: an interval says how far its mean would move with other pictures
of that kind. Two models are compared picture by picture, because pictures differ from each other
by far more than models do.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, norm, t

from lmf.core.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 9999
SEED = 0
"""Fixed: equal values give equal intervals, to the last bit, on one version of NumPy and SciPy."""

FEWEST_FOR_A_TEST = 6
"""From here on n pictures that all agree have a two-sided sign-test p of 2 / 2^n below 5 %."""


@dataclass(frozen=True)
class Interval:
    """A mean over `images` pictures with its 95 % interval; low and high are NaN for one picture."""

    mean: float
    low: float
    high: float
    images: int


def mean_interval(values: ArrayLike) -> Interval:
    """Mean and expanded percentile bootstrap interval of one number per picture, (n,).

    The percentile interval (Efron 1979) is too narrow for few values: of 95 % intervals over four,
    one in five misses. Its percentiles are taken as far out as Student's t and the sample's own
    variance ask for (Hesterberg 2015, The American Statistician 69, 371-386). Over four or five
    values it reaches from about the lowest to about the highest, and excludes 0 where these agree.

    Raises:
        InputError: no value, or one that is not finite.
    """
    sample = _sample(values)
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, float("nan"), float("nan"), 1)
    interval = bootstrap(
        (sample,),
        np.mean,
        confidence_level=_expanded(sample.size),
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(mean, float(interval.low), float(interval.high), sample.size)


def _expanded(n: int) -> float:
    """Confidence level at which the percentiles of n values are taken for `CONFIDENCE`."""
    quantile = t.ppf((1 - CONFIDENCE) / 2, n - 1)
    return float(1 - 2 * norm.cdf(np.sqrt(n / (n - 1)) * quantile))


def paired_interval(values: ArrayLike, reference: ArrayLike) -> Interval:
    """`mean_interval` of values - reference; both (n,), the same pictures in the same order.

    Raises:
        InputError: unequal lengths, no value, or one that is not finite.
    """
    sample, base = _sample(values), _sample(reference)
    if sample.size != base.size:
        raise InputError(
            f"a paired difference needs the same pictures: {sample.size} and {base.size}"
        )
    return mean_interval(sample - base)


def sign_test_floor(images: int) -> float:
    """Smallest two-sided p that a sign test over `images` pictures can reach, 2 / 2^n."""
    return min(1.0, 2.0 ** (1 - images))


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    sample = np.asarray(values, dtype=np.float64).ravel()
    if not sample.size:
        raise InputError("no pictures to average over")
    if not np.isfinite(sample).all():
        raise InputError(f"a mean needs finite numbers, got {sample[~np.isfinite(sample)][0]}")
    return sample
