"""Settings of a training run: all that its config.json holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from clarify_env.costs import CostGrid
from clarify_env.errors import ClarifyError
from clarify_env.registry import registry
from clarify_env.trainers.algorithms.selection import make_rule
from clarify_env.trainers.run_directory import RunDirectory


@dataclass(frozen=True)
class Settings:
    """Settings of a training run; all of them are in its config.json.

    Args:
        algorithm: registered name, such as "rest" or "ppo"; see `clarify_env.trainers.algorithms`.
        options: of the algorithm.
        agent: "move-scorer", or a language model: "small" for the one in the box, a folder or a hub id.
        env: registered id.
        env_options: options of `make`, such as data_dir.
        user: knobs of the scripted user.
        seed: of everything random.
        iterations: grow and improve steps, >= 1.
        tasks: questions per iteration, >= 1.
        samples: episodes per question, >= 1.
        shared_costs: whether all episodes of a question are played at the same costs; by default each draws
            its own.
        start_share: share of the episodes that the frozen start policy plays, in [0, 1].
        rule: name of the selection rule.
        off_path: of best-continuation: weight of what the best moves do not lead to, in [0, 1].
        rescore: whether every episode counts at all training costs.
        costs: the training grid, levels of each cost by its name; those of the game's own grid where none are
            given.
        players: those that are trained; by default those of the game's cast.
        shared: whether they share their weights.
        updates, batch, rate: of the learner.
        hidden: units of a hidden layer of MoveScorer.
        max_tokens: most tokens of a language model's message.
        lora: rank of the adapters that are trained in place of a language model's weights; 0 for none.
        bf16: whether a language model is trained in bfloat16 arithmetic.
        rows: messages that a language model samples at the same time.
        part: tokens of one pass of its training.
        check_tasks: training questions that an iteration is checked on at the training costs, >= 0.
        check_every: iterations from one check to the next; the last one is always checked.
        parallel: episodes under way at the same time.
    """

    algorithm: str = "rest"
    options: dict[str, Any] = field(default_factory=dict)
    agent: str = "move-scorer"
    env: str = "synthetic-v0"
    env_options: dict[str, Any] = field(default_factory=dict)
    user: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    iterations: int = 4
    tasks: int = 64
    samples: int = 36
    shared_costs: bool = False
    start_share: float = 1 / 3
    rule: str = "best-continuation"
    off_path: float = 1.0
    rescore: bool = True
    costs: dict[str, tuple[float, ...]] = field(default_factory=dict)
    players: tuple[str, ...] = ()
    shared: bool = False
    updates: int = 400
    batch: int = 256
    rate: float = 3e-3
    hidden: int = 64
    max_tokens: int = 96
    lora: int = 0
    bf16: bool = False
    rows: int = 256
    part: int = 8192
    check_tasks: int = 60
    check_every: int = 1
    parallel: int = 256

    def __post_init__(self) -> None:
        counts = ("iterations", "tasks", "samples", "updates", "batch", "hidden", "parallel")
        for name in (*counts, "max_tokens", "rows", "part", "check_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ClarifyError(f"{name}={value!r}: a whole number, at least 1")
        if not 0.0 <= self.start_share <= 1.0:
            raise ClarifyError(f"start_share={self.start_share!r}: a share between 0 and 1")
        make_rule(self.rule)
        levels = CostGrid(
            of=registry[self.env].seen.of, **{**registry[self.env].seen.levels, **self.costs}
        ).levels
        object.__setattr__(self, "costs", levels)

    @property
    def grid(self) -> CostGrid:
        """The costs that training draws from."""
        return CostGrid(of=registry[self.env].seen.of, **self.costs)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Settings":
        """The settings that a run's config.json holds.

        Raises:
            ClarifyError: an entry that is not a setting.
        """
        known = set(cls.__dataclass_fields__)
        unknown = sorted(set(config) - known)
        if unknown:
            raise ClarifyError(f"config.json: unknown setting {unknown[0]!r}")
        values = {name: config[name] for name in known & set(config)}
        if "players" in values:
            values["players"] = tuple(values["players"])
        if "costs" in values:
            values["costs"] = {name: tuple(levels) for name, levels in values["costs"].items()}
        return cls(**values)

    def changed(self, **changes: Any) -> "Settings":
        """The same settings but for these."""
        return replace(self, **changes)

    def to_config(self) -> dict[str, Any]:
        """The settings as JSON data."""
        return asdict(self)


def read_config(run: RunDirectory) -> Settings:
    """The settings of a run directory."""
    try:
        return Settings.from_config(run.config())
    except TypeError as error:
        raise ClarifyError(f"{run.path / 'config.json'}: {error}") from None
