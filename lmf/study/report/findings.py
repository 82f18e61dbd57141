"""What the tables say, in sentences: which differences are clear, which are not, what is alarming."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lmf.study.settings.ablations import ABLATIONS
from lmf.study.statistics import FEWEST_FOR_A_TEST, sign_test_floor
from lmf.study.tables.tidy import distinct

_ONE_SEED = (
    "One seed: what is said here is said of these weights. How far a second training would differ is "
    "not measured."
)

_TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}

_OWN = "custom"  # charts computed from formulas, or whatever the user put in their place


def seeds(spread: pd.DataFrame) -> list[str]:
    """How far chance moves a row, as far as it is known; the intervals know nothing of it.

    spread: of `tables.tidy.spread_table`.
    """
    if spread.empty:
        return [_ONE_SEED]
    sentences = []
    for model, rows in spread.groupby("model", sort=False):
        times = rows["trainings"].iloc[0]
        most = ", ".join(f"{row.spread:.2f} dB on {row.set}" for row in _largest(rows).itertuples())
        sentences.append(
            f"Trained {_TIMES.get(times, f'{times} times')} with different seeds, {model} moves by up to "
            f"{most}. What is not more than that counts as “within chance”; so few trainings do not show "
            "how far chance can go."
        )
    return sentences


def chance(spread: pd.DataFrame) -> dict[str, float]:
    """The largest difference (dB) that another seed made on each set, of whatever model and scale."""
    return {row.set: row.spread for row in _largest(spread).itertuples()}


def _largest(spread: pd.DataFrame) -> pd.DataFrame:
    return spread.loc[spread.groupby("set", sort=False)["spread"].idxmax()]


def below_bicubic(gains: pd.DataFrame) -> list[str]:
    """One alarm per model whose mean PSNR is below bicubic's somewhere.

    gains: of `tables.tidy.difference_table` against bicubic.
    """
    alarms = []
    for model, rows in gains[gains["difference"] < 0].groupby("model", sort=False):
        places = ", ".join(
            f"{row.set} ×{row.scale:g} ({row.difference:+.2f} dB)" for row in rows.itertuples()
        )
        alarms.append(f"{model} lies below bicubic interpolation: {places}.")
    return alarms


def protocol_mismatch(published: pd.DataFrame) -> list[str]:
    """One alarm per set whose bicubic row misses the literature: then no other row counts.

    published: of `literature.published_table`.
    """
    alarms = []
    for set_, rows in published[published["verdict"] == "MISMATCH"].groupby("set", sort=False):
        figures = ", ".join(
            f"×{row.scale:g} {row.ours:.2f} dB, published {row.published:.2f} dB"
            for row in rows.itertuples()
        )
        alarms.append(
            f"Our bicubic on {set_} is not the literature's ({figures}): the protocols differ, and no "
            "row of this set may be compared with published ones."
        )
    return alarms


def unchecked(sets: Sequence[str], table: pd.DataFrame) -> list[str]:
    """One sentence per set whose bicubic no published figure can check; sets: `unchecked_sets`."""
    sentences = []
    for set_ in sets:
        sources = " and ".join(distinct(table.loc[table["set"] == set_, "lr_source"]))
        sentences.append(
            f"Our bicubic on {set_} is not checked: no published one has the same protocol and LR "
            f"pictures ({sources} here). No model is judged on it."
        )
    return sentences


def unequal_budgets(cards: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One alarm each if models were trained for other numbers of steps, or on other pictures.

    cards: of the weights, by model.
    """
    budgets = {
        "for different numbers of steps": {m: f"{card['steps']:,}" for m, card in cards.items()},
        "on different pictures": {m: card["data"]["tree_sha256"][:12] for m, card in cards.items()},
    }
    return [
        f"Models were trained {how} ({', '.join(f'{m} {value}' for m, value in each.items())}): compare "
        "with care."
        for how, each in budgets.items()
        if len(set(each.values())) > 1
    ]


def ablations_left_out(ablation: pd.DataFrame) -> list[str]:
    """One sentence if the study knows ablations that were not run; ablation: of `tables.tidy`."""
    left_out = [name for name in ABLATIONS if name not in set(ablation["variant"])]
    if not left_out:
        return []
    each = "; ".join(f"{name} ({ABLATIONS[name].what})" for name in left_out)
    return [f"Not run: {each}. The list of variants in params.yaml says which are."]


def few_pictures(table: pd.DataFrame) -> list[str]:
    """A caution per set that is too small for a 5 % test; `images` is the number of its pictures."""
    cautions = []
    for images, rows in table.groupby("images"):
        if images < FEWEST_FOR_A_TEST:
            sets = " and ".join(dict.fromkeys(rows["set"]))
            cautions.append(
                f"n = {images} on {sets}. "
                + (
                    "One picture has no interval and shows nothing about others."
                    if images == 1
                    else "With so few pictures an interval that excludes 0 shows only that all of them agree "
                    f"in sign: where all {images} do, chance alone does that in "
                    f"{100 * sign_test_floor(images):.3g} % of cases."
                )
            )
    return cautions


def seed_verdict(seed: pd.DataFrame) -> str:
    """What the seed document's figures are worth; seed: of `literature.seed_table`."""
    best = seed.loc[seed["number"].where(seed["quantity"] == "psnr").idxmax()]
    return (
        f"The document that this study started from prints {best['value']} as its "
        f"best PSNR on {best['set']}. That lies {-best['seed_minus_bicubic']:.0f} dB below plain bicubic "
        f"interpolation at ×4 ({best['bicubic']:.2f} dB), which no working model does: its evaluation was "
        "broken. Its figures stand here as printed; neither their level nor their differences are "
        "evidence for or against a component. It states neither scale, channel and border of its "
        "PSNR nor device, input size and precision of its times."
    )


def tally(differences: pd.DataFrame, against: str, moved: Mapping[str, float]) -> list[str]:
    """One sentence: in how many places, set and scale, each model is clearly better or worse.

    The set `custom` is left out, and the sentence says so: by default it holds test charts, which
    must not count like photographs. differences: of `tables.tidy.difference_table`. moved: see `chance`.
    Nothing to say, no sentence.
    """
    own = differences["set"] == _OWN
    told = differences[~own & (differences["images"] > 1)]
    if told.empty:
        return []
    counts = []
    for model, rows in told.groupby("model", sort=False):
        verdicts = {name: int(of.sum()) for name, of in _verdicts(rows, moved).items()}
        counts.append(f"{model} {', '.join(f'{v} in {n}' for v, n in verdicts.items() if n)}")
    places = len(told.drop_duplicates(["set", "scale"]))
    without = f" ({_OWN} left out)" if own.any() else ""
    return [f"Against {against}, in {places} pairs of set and scale{without}: {'; '.join(counts)}."]


def comparisons(differences: pd.DataFrame, against: str, moved: Mapping[str, float]) -> list[str]:
    """One sentence per set: who is clearly better than `against`, who worse, who neither.

    differences: of `tables.tidy.difference_table`. moved: see `chance`. Sets of a single picture have no
    interval and no say.
    """
    sentences = []
    for set_, rows in differences[differences["images"] > 1].groupby("set", sort=False):
        scales = rows["scale"].nunique()
        verdicts = {name: _list(rows[of], scales) for name, of in _verdicts(rows, moved).items()}
        told = "; ".join(f"{verdict}: {names}" for verdict, names in verdicts.items() if names)
        sentences.append(f"Against {against} on {set_} (n = {rows['images'].iloc[0]}) — {told}.")
    return sentences


def clear(differences: pd.DataFrame, moved: Mapping[str, float]) -> pd.Series:
    """Which rows say better or worse, in the words of `comparisons`."""
    verdicts = _verdicts(differences, moved)
    return verdicts["better"] | verdicts["worse"]


def _verdicts(rows: pd.DataFrame, moved: Mapping[str, float]) -> dict[str, pd.Series]:
    """Which rows are clear, which another seed could have made, and which pictures disagree about."""
    better, worse = rows["difference_low"] > 0, rows["difference_high"] < 0
    small = rows["difference"].abs() <= rows["set"].map(moved).fillna(0.0)
    return {
        "better": better & ~small,
        "worse": worse & ~small,
        "within chance": (better | worse) & small,
        "not told apart": ~better & ~worse,
    }


def _list(rows: pd.DataFrame, scales: int) -> str:
    """Models, each with its scales (of so many) and the range of its differences."""
    return ", ".join(
        f"{model} at {_places(group['scale'], scales)} ({_range(group['difference'])} dB)"
        for model, group in rows.groupby("model", sort=False)
    )


def _places(values: pd.Series, of: int) -> str:
    if len(values) == of > 1:
        return "every scale"
    return " and ".join(", ".join(f"×{scale:g}" for scale in values).rsplit(", ", 1))


def _range(values: pd.Series) -> str:
    low, high = f"{values.min():+.2f}", f"{values.max():+.2f}"
    return low if low == high else f"{low} to {high}"
