"""What a benchmark leaves: figures, what was left out and why, and where all of it was taken."""

import json
from dataclasses import dataclass
from pathlib import Path

from lmf.core.config import Config, parse, plain
from lmf.core.errors import DataError
from lmf.core.files import write_json
from lmf.metrics.machine import Ceilings
from lmf.study.bench.plan import Case, Precision, Skipped


@dataclass(frozen=True)
class Spread(Config):
    """Seconds: quartiles over the runs, and the best of them."""

    median: float
    q25: float
    q75: float
    best: float


@dataclass(frozen=True)
class Seconds(Config):
    """Seconds by stage, as named in `deploy.macs`; `decoder` is all but the encoder.

    latent is None for the original decoders. render is what remains of the decoder.
    """

    total: Spread
    encoder: Spread
    head: Spread
    latent: Spread | None
    render: Spread
    decoder: Spread


@dataclass(frozen=True)
class Count(Config):
    """Multiply-adds by the definition: every HR pixel and each of its neighbours.

    Positions that our renderer evaluates beside these are no use to anyone and count nothing.
    """

    encoder: int
    head: int
    latent: int
    render: int

    @property
    def decoder(self) -> int:
        """All but the encoder."""
        return self.head + self.latent + self.render

    @property
    def total(self) -> int:
        """All of it."""
        return self.encoder + self.decoder


@dataclass(frozen=True)
class Check(Config):
    """The same count two ways, for a small input (h, w) at the row's scale.

    formula: by the definition. gather: counted by torch in the original algorithm, must be equal.
    dense: counted by torch in our renderer, with the positions that nothing reads.
    """

    input: tuple[int, int]
    formula: int
    gather: int
    dense: int


@dataclass(frozen=True)
class Share(Config):
    """Of the machine's matrix-product rate: operations per second.

    They are those of the definition, or those executed where these are fewer: our renderer computes
    LTE's phase once per LR pixel, and C convolves by Winograd's way with a quarter of the products.
    """

    total: float
    decoder: float
    render: float


@dataclass(frozen=True)
class Row(Config):
    """One case. queries: share of the HR pixels that were timed; `render` is scaled up from these.

    parameters: of the model. decoder_parameters: of all but its encoder.
    modulation: numbers that the latent MLP writes per LR pixel; 0 for the original decoders.
    runs: of the decoder.
    """

    case: Case
    parameters: int
    decoder_parameters: int
    modulation: int
    macs: Count
    check: Check
    seconds: Seconds
    share: Share
    runs: int
    queries: float


@dataclass(frozen=True)
class Memory(Config):
    """Peak memory of one case in bytes, above its weights and its input; see `metrics.memory`."""

    case: Case
    peak: int


@dataclass(frozen=True)
class Ratio(Config):
    """What two figures say about each other. goal: what the renderer is held to, if anything."""

    name: str
    case: Case
    value: float
    goal: str | None


@dataclass(frozen=True)
class Provenance(Config):
    """Where, by what and how the figures were taken; see `bench.plan.Plan`."""

    device: str
    cpu: str
    threads: int
    torch: str
    lmf: str
    float32_matmul: str
    cudnn_tf32: bool
    precision: Precision
    seed: int
    runs: int
    limit: float
    weights: str
    spend: float | None = None

    @property
    def cuda(self) -> bool:
        """Whether `device` names an NVIDIA GPU, as it does where there was one."""
        return self.device.partition(":")[0] not in ("cpu", "mps")

    @property
    def tf32(self) -> bool:
        """Whether convolutions took float32 as TF32."""
        return self.cuda and self.cudnn_tf32 and self.precision == "fp32"


@dataclass(frozen=True)
class Bench(Config):
    """A whole benchmark."""

    provenance: Provenance
    ceilings: Ceilings
    rows: tuple[Row, ...]
    memory: tuple[Memory, ...]
    skipped: tuple[Skipped, ...]
    ratios: tuple[Ratio, ...]

    def peak(self, case: Case) -> int | None:
        """Peak memory of a case, if it was measured."""
        return next((one.peak for one in self.memory if one.case == case), None)


def write_bench(path: Path, bench: Bench) -> None:
    """Write as JSON, whole or not at all."""
    write_json(path, plain(bench))


def read_bench(path: Path) -> Bench:
    """The inverse of `write_bench`; DataError where there is no such file, ConfigError if it is another."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; write it with `lmf bench --out {path}`") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); measure again with `lmf bench`") from error
    if not isinstance(raw, dict):
        raise DataError(f"{path}: not a benchmark; measure again with `lmf bench`")
    return parse(Bench, raw, str(path))
