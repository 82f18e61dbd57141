"""What can go wrong with the numbers of a training, and what is done about it.

- A loss or gradient that is not finite: the step is skipped and counted; three in a row end the run.
- fp16's gradient alone overflows: the loss scaler skips the step and scales less. That is normal for a
  few steps, but the scale halves each time: after 20 in a row it is below 1, and the run ends.
- A finite loss that explodes, see `EXPLODED`: said and counted.
- At the end, weights or a validation that are not finite: the run fails and leaves no model.
"""

import logging
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from lmf.core.errors import LmfError
from lmf.train.log import Step

log = logging.getLogger(__name__)

NON_FINITE_LIMIT = 3
"""This many skipped steps in a row end a run: it has diverged, or its data are broken."""

OVERFLOW_LIMIT = 20
"""This many overflowing fp16 gradients in a row end a run: from 2^16, the scale has come below 1."""

EXPLODED = 20
"""A loss explodes when it is more than so many times its median over the last `WINDOW` steps.

The median is of losses that had not exploded, and taken as `FLOOR` where it is less: a scale near 1
is easy. Pictures and scales alone make the loss vary several times over, so the factor is large.
"""

WINDOW, FLOOR = 100, 0.01


class DivergedError(LmfError):
    """The loss stayed non-finite, or what was learnt is."""


@dataclass
class Health:
    """Counts of steps that went wrong, and what they are compared with; part of the saved state.

    skipped: loss or gradient not finite. overflowed: fp16's gradient alone, left to the scaler.
    exploded: see `EXPLODED`. losses: the last ones that had not exploded.
    """

    skipped: int = 0
    skipped_in_a_row: int = 0
    overflowed: int = 0
    overflowed_in_a_row: int = 0
    exploded: int = 0
    losses: list[float] = field(default_factory=list)

    def note(self, done: int, taken: Step, pictures: Sequence[str], *, scaled: bool) -> None:
        """Count the step that makes it `done`; scaled: by fp16's loss scaler.

        Raises:
            DivergedError: one too many was not finite.
        """
        if taken.finite:
            self.skipped_in_a_row = self.overflowed_in_a_row = 0
            self._compare(done, taken, pictures)
            return
        where = describe(done, taken, pictures)
        if scaled and math.isfinite(taken.loss):
            self.overflowed += 1
            self.overflowed_in_a_row += 1
            if self.overflowed_in_a_row >= OVERFLOW_LIMIT:
                raise DivergedError(
                    f"{where}; the gradient overflowed {OVERFLOW_LIMIT} times in a row however small "
                    "the loss was scaled: set train.precision to bf16, or lower train.lr"
                )
            return
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= NON_FINITE_LIMIT:
            raise DivergedError(
                f"{where}; {self.skipped_in_a_row} in a row: lower train.lr or check these pictures"
            )
        log.warning("%s; step skipped", where)

    def _compare(self, done: int, taken: Step, pictures: Sequence[str]) -> None:
        usual = max(statistics.median(self.losses), FLOOR) if self.losses else math.inf
        if taken.loss > EXPLODED * usual:
            self.exploded += 1
            log.warning(
                "THE LOSS EXPLODES: %.0f times its running median of %.3g at %s",
                taken.loss / usual, usual, describe(done, taken, pictures),
            )  # fmt: skip
        else:
            self.losses = [*self.losses, taken.loss][-WINDOW:]

    def check_result(
        self, models: Iterable[nn.Module], psnr: float | None, steps: int, where: str
    ) -> None:
        """The last check of a run of `steps`; psnr: of its last validation, None if another made it.

        Raises:
            DivergedError: weights or validation are not finite, or no step moved the weights.
        """
        broken = next((name for model in models for name in _non_finite(model)), None)
        if broken is not None:
            fault = f"weights are not finite ({broken})"
        elif psnr is not None and not math.isfinite(psnr):
            fault = f"validation is {psnr} dB"
        elif self.skipped + self.overflowed >= steps:
            fault = "no step had a finite loss and gradient"
        else:
            return
        raise DivergedError(
            f"{fault} after {where}; {self.skipped + self.overflowed} steps skipped, nothing written: "
            "lower train.lr or check these pictures"
        )


def describe(done: int, taken: Step, pictures: Sequence[str]) -> str:
    """A step for a message: number, loss, gradient norm, learning rate, pictures of its batch."""
    return (
        f"step {done}: loss {taken.loss:.6g}, gradient norm {taken.norm:.4g}, "
        f"learning rate {taken.rate:.3g}, pictures {', '.join(pictures)}"
    )


def _non_finite(model: nn.Module) -> Iterable[str]:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            yield name
