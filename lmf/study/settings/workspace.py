"""Where a profile's files are. Everything under results/ is made by stages, never by hand."""

from dataclasses import dataclass, field
from pathlib import Path


def repository() -> Path:
    """The study around the working directory, which Jupyter sets to the notebook's own folder."""
    for folder in (Path(), *Path.cwd().parents):
        if (folder / "dvc.yaml").is_file() and (folder / "profiles").is_dir():
            return folder
    return Path()


@dataclass(frozen=True)
class Workspace:
    """Paths of one profile, relative to `root`, by default the repository."""

    profile: str
    root: Path = field(default_factory=repository)

    @property
    def data(self) -> Path:
        """Pictures, shared by all profiles."""
        return self.root / "data"

    @property
    def results(self) -> Path:
        """What stages produce."""
        return self.root / "results" / self.profile

    @property
    def reports(self) -> Path:
        """What people read."""
        return self.root / "reports" / self.profile

    def record(self, name: str) -> Path:
        """Record of a data set as this profile saw it."""
        return self.data / "records" / self.profile / f"{name}.json"

    def run(self, variant: str) -> Path:
        """Work in progress of a training or an evaluation; removed when it is done."""
        return self.root / "runs" / self.profile / variant

    def recipe(self, variant: str) -> Path:
        """What decides a training."""
        return self.results / "recipes" / f"{variant}.json"

    def weights(self, variant: str) -> Path:
        """Trained weights; the card lies beside them."""
        return self.results / "weights" / f"{variant}.safetensors"

    def card(self, variant: str) -> Path:
        """What is known of the weights."""
        return self.weights(variant).with_suffix(".json")

    def curve(self, variant: str) -> Path:
        """Training log."""
        return self.results / "train" / f"{variant}.csv"

    def speed(self, variant: str) -> Path:
        """How fast the training was, row by row; nothing hashes it."""
        return self.results / "timing" / f"train-{variant}.csv"

    def wall_time(self, variant: str) -> Path:
        """Seconds that the training took; nothing hashes it."""
        return self.results / "timing" / f"train-{variant}.json"

    def validation(self, variant: str) -> Path:
        """The first validation picture as enlarged in the course of the training."""
        return self.results / "validation" / variant

    def rows(self, model: str) -> Path:
        """Evaluation, one row per picture and scale."""
        return self.results / "evaluate" / f"{model}.csv"

    def means(self, model: str) -> Path:
        """Evaluation, means per set and scale, as `dvc metrics` reads them."""
        return self.results / "metrics" / f"{model}.json"

    def crops(self, model: str) -> Path:
        """Details of enlarged pictures."""
        return self.results / "crops" / model

    def timing(self, model: str) -> Path:
        """Latency; differs from run to run, so nothing hashes it."""
        return self.results / "timing" / f"{model}.json"

    @property
    def ablation(self) -> Path:
        """Differences of the ablations to the full model."""
        return self.results / "ablation.csv"

    @property
    def costs(self) -> Path:
        """Parameters and multiply-adds of the models; equal wherever they are counted."""
        return self.results / "efficiency.csv"
