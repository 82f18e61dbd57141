"""What `lmf evaluate` prints: means per set and scale, bicubic first, published figures beside them."""

import pandas as pd

from lmf.architecture import ModelConfig
from lmf.metrics.protocol import protocol_named
from lmf.study.literature import PUBLISHED_ENCODERS, read_published
from lmf.study.settings.profile import BICUBIC
from lmf.study.tables.layout import method_name, number, to_markdown

METHODS = {"liif": "LIIF", "lte": "LTE"}
"""Published kin of a model, by its head: no table of LM-LIIF or LM-LTE is at hand."""
OTHER_LR = (
    "* from other LR files than these rows: MATLAB's bicubic and Pillow's differ at the border"
)
_NAMES = {ours: theirs for theirs, ours in reversed(PUBLISHED_ENCODERS.items())}
"""Published name of an encoder: the first where there are several."""


def summary(rows: pd.DataFrame, config: ModelConfig | None) -> str:
    """A heading and a Markdown table per protocol; config: of the model that is not a baseline."""
    published = read_published()
    parts = []
    for protocol, group in rows.groupby("protocol", sort=False):
        parts += [
            f"{protocol}: {protocol_named(str(protocol)).description}",
            to_markdown(_table(group, published[published["same_as"] == protocol], config)),
        ]
    text = "\n".join(parts)
    return f"{text}\n{OTHER_LR}" if "*" in text else text


def _table(rows: pd.DataFrame, published: pd.DataFrame, config: ModelConfig | None) -> pd.DataFrame:
    lines = []
    order = rows.groupby(["set", "scale"], sort=False).ngroup()
    keys = ["set", "scale", "lr_source", "model"]
    for (set_, scale, lr, model), group in rows.iloc[order.argsort(kind="stable")].groupby(
        keys, sort=False
    ):
        line = {"set": f"{set_} ×{scale:g}", "LR": lr, "model": model, "images": f"{len(group)}"}
        there = published[(published["set"] == set_) & (published["scale"] == scale)]
        kin, mark = _kin(there[there["lr_source"] == lr], model, config), ""
        if kin.empty:
            kin, mark = _kin(there, model, config), "*"
        for metric, digits in (("PSNR", 2), ("SSIM", 4)):
            ours = group[metric.lower()].mean()
            theirs = kin.loc[kin["metric"] == metric, "value"].mean()
            line[metric] = number(ours, digits)
            line[f"{metric} published"] = number(theirs, digits) + mark * bool(theirs > 0)
            line[f"{metric} difference"] = number(ours - theirs, digits, "+")
        names = {method_name(row.method, row.encoder) for row in kin.itertuples()}
        lines.append(line | {"published method": "".join(names)})
    return pd.DataFrame(lines)


def _kin(published: pd.DataFrame, model: str, config: ModelConfig | None) -> pd.DataFrame:
    """The published figures that a model's stand beside: none for a family that published none."""
    if config is None:
        return published[published["method"].str.lower() == model]
    method, encoder = METHODS.get(config.head), _NAMES.get(config.encoder)
    if model == BICUBIC:
        method, encoder = "Bicubic", "-"
    return published[(published["method"] == method) & (published["encoder"] == encoder)]
