"""What the tables say, in sentences: which differences are clear, which are not, what is alarming."""

import pandas as pd

from lmf.study.ablations import ABLATIONS
from lmf.study.statistics import FEWEST_FOR_A_TEST, sign_test_floor
from lmf.study.tables import distinct

_ONE_SEED = "One seed: how far a second training would differ is not measured here."

_TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}

_OWN = "custom"  # charts computed from formulas, or whatever the user put in their place


def seeds(spread: pd.DataFrame) -> list[str]:
    """How far chance moves a row, as far as it is known; the intervals know nothing of it.

    spread: of `tables.spread_table`; the set `custom` is left out.
    """
    told = spread[spread["set"] != _OWN]
    if told.empty:
        return [_ONE_SEED]
    sentences = []
    for model, rows in told.groupby("model", sort=False):
        most = rows.loc[rows["spread"].idxmax()]
        sentences.append(
            f"Trained {_TIMES.get(times := most['trainings'], f'{times} times')} with different seeds, "
            f"{model} moves by up to {most['spread']:.2f} dB ({most['set']} ×{most['scale']:g}), "
            f"{rows['spread'].median():.2f} dB in the median of {len(rows)} pairs of set and scale: "
            "smaller differences between models may be chance."
        )
    return sentences


def below_bicubic(gains: pd.DataFrame) -> list[str]:
    """One alarm per model whose mean PSNR is below bicubic's somewhere.

    gains: of `tables.difference_table` against bicubic.
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


def unequal_budgets(table: pd.DataFrame) -> list[str]:
    """An alarm if the models of `tables.encoder_table` were trained for different numbers of steps."""
    steps = table.dropna(subset="steps").drop_duplicates("model")
    if len(distinct(steps["steps"])) < 2:
        return []
    each = ", ".join(f"{row.model} {row.steps:,.0f}" for row in steps.itertuples())
    return [f"Models were trained for different numbers of steps ({each}): compare with care."]


def ablations_left_out(ablation: pd.DataFrame) -> list[str]:
    """One sentence if the study knows ablations that were not run; ablation: of `tables`."""
    left_out = [name for name in ABLATIONS if name not in set(ablation["variant"])]
    if not left_out:
        return []
    each = "; ".join(f"{name} ({ABLATIONS[name].what})" for name in left_out)
    return [f"Not run: {each}. `variants` in params.yaml says which are."]


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
                    else "With so few pictures “the interval excludes 0” says that they agree, not "
                    f"more: even if all {images} do, chance alone does that in "
                    f"{100 * sign_test_floor(images):.3g} % of cases."
                )
            )
    return cautions


def seed_verdict(seed: pd.DataFrame) -> str:
    """What the seed document's figures are worth; seed: of `literature.seed_table`."""
    best = seed.loc[seed["number"].where(seed["quantity"] == "psnr").idxmax()]
    return (
        f"The document that this study started from (“the seed”) prints {best['value']} as its "
        f"best PSNR on {best['set']}. That lies {-best['seed_minus_bicubic']:.0f} dB below plain bicubic "
        f"interpolation at ×4 ({best['bicubic']:.2f} dB), which no working model does: its evaluation was "
        "broken. Its figures stand here as printed; neither their level nor their differences are "
        "evidence for or against a component. It states neither scale, channel and border of its "
        "PSNR nor device, input size and precision of its times."
    )


def tally(differences: pd.DataFrame, against: str) -> list[str]:
    """One sentence: in how many places, set and scale, each model is clearly better or worse.

    The set `custom` is left out, and the sentence says so: by default it holds test charts, which
    must not count like photographs. differences: of `tables.difference_table`. Nothing to say, no
    sentence.
    """
    own = differences["set"] == _OWN
    told = differences[~own & (differences["images"] > 1)]
    if told.empty:
        return []
    counts = []
    for model, rows in told.groupby("model", sort=False):
        better, worse = (rows["difference_low"] > 0).sum(), (rows["difference_high"] < 0).sum()
        verdicts = {"better": better, "worse": worse, "not told apart": len(rows) - better - worse}
        counts.append(f"{model} {', '.join(f'{w} in {n}' for w, n in verdicts.items() if n)}")
    places = len(told.drop_duplicates(["set", "scale"]))
    without = f" ({_OWN} left out)" if own.any() else ""
    return [f"Against {against}, in {places} pairs of set and scale{without}: {'; '.join(counts)}."]


def comparisons(differences: pd.DataFrame, against: str) -> list[str]:
    """One sentence per set: who is clearly better than `against`, who worse, who neither.

    differences: of `tables.difference_table`. Sets of a single picture have no interval and no say.
    """
    sentences = []
    for set_, rows in differences[differences["images"] > 1].groupby("set", sort=False):
        better, worse = rows["difference_low"] > 0, rows["difference_high"] < 0
        scales = rows["scale"].nunique()
        verdicts = {
            "better": _list(rows[better], scales),
            "worse": _list(rows[worse], scales),
            "not told apart (interval includes 0)": _list(rows[~better & ~worse], scales),
        }
        told = "; ".join(f"{verdict}: {names}" for verdict, names in verdicts.items() if names)
        sentences.append(f"Against {against} on {set_} (n = {rows['images'].iloc[0]}) — {told}.")
    return sentences


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
