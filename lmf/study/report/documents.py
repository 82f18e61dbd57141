"""encoders.md, encoders.tex, ablation.md, ablation.tex: whole documents, one table per set."""

from lmf.study.literature import BICUBIC_TOLERANCE_DB
from lmf.study.report.page import Page
from lmf.study.settings.profile import BICUBIC
from lmf.study.tables import layout

INTERVALS = "Brackets: 95 % bootstrap intervals over pictures (expanded percentile); differences are paired."
COST = (
    "MACs: 10^9 multiply-adds for one 320×180 input at ×4. Time per image: see timing.md. "
    "The same numbers with more digits and the weights' sha256: encoders.csv."
)

FAMILIES = (
    "Encoders of one family side by side, not equal models: ours are those that the profile names under "
    "`encoders`, trained for its number of steps. “meets” and “MISMATCH” judge our bicubic, which must "
    f"agree to {BICUBIC_TOLERANCE_DB} dB before anything else counts."
)


def encoders_markdown(page: Page) -> str:
    """The encoder comparison, what it says, and published and the seed's figures beside it."""
    parts = [f"# Encoder comparison, profile {page.profile}", *_bold(page.alarms)]
    for set_ in page.sets:
        parts += [
            layout.set_caption(page.encoders, set_),
            layout.to_markdown(layout.encoder_layout(page.encoders, set_)),
        ]
    parts += [
        _brackets(page),
        COST,
        *page.in_full[BICUBIC],
        *page.in_full[page.base],
        *page.cautions,
    ]
    if len(page.spread):
        parts += ["## Under other seeds", layout.to_markdown(layout.spread_layout(page.spread))]
    parts.append("## Beside the literature")
    if len(page.published):
        parts.append(layout.to_markdown(layout.published_layout(page.published)))
        parts.append(FAMILIES)
    else:
        parts.append(
            "No published figure has the same set, scale, protocol and LR source as a row above. "
            "index.html lists published figures of other sets as context."
        )
    parts += [
        *page.unchecked,
        "## Beside the document that this study started from",
        page.seed_verdict,
        layout.to_markdown(layout.seed_layout(page.seed)),
    ]
    return _join(parts)


def ablation_markdown(page: Page) -> str:
    """The ablation of the base encoder, and what it says."""
    parts = [f"# Ablation of {page.base}, profile {page.profile}", *_bold(page.alarms)]
    for set_ in page.sets if len(page.ablation) else []:
        parts += [
            layout.set_caption(page.encoders, set_),
            layout.to_markdown(layout.ablation_layout(page.ablation, set_)),
        ]
    findings = page.in_full[f"the full {page.base}"]
    return _join([*parts, _brackets(page), *findings, *page.left_out, *page.cautions])


def encoders_latex(page: Page) -> str:
    """The encoder comparison for LaTeX with booktabs; labels are tab:encoders-<set>."""
    return "\n".join(
        layout.to_latex(
            layout.encoder_lines(page.encoders, set_),
            f"Encoder comparison: {layout.set_caption(page.encoders, set_)}. {_brackets(page)}",
            f"tab:encoders-{set_}",
        )
        for set_ in page.sets
    )


def ablation_latex(page: Page) -> str:
    """The ablation for LaTeX with booktabs; labels are tab:ablation-<set>."""
    return "\n".join(
        layout.to_latex(
            layout.ablation_lines(page.ablation, set_),
            f"Ablation of {page.base}: {layout.set_caption(page.encoders, set_)}. {_brackets(page)}",
            f"tab:ablation-{set_}",
        )
        for set_ in (page.sets if len(page.ablation) else [])
    )


def _brackets(page: Page) -> str:
    """What the intervals say, and what they do not."""
    return " ".join([INTERVALS, *page.seeds])


def _bold(sentences: list[str]) -> list[str]:
    return [f"**{sentence}**" for sentence in sentences]


def _join(parts: list[str]) -> str:
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
