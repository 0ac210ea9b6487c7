"""Settings of a training run: all that its config.json holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from clarify_env.costs import CostGrid
from clarify_env.errors import ClarifyError
from clarify_env.registry import registry
from clarify_env.trainers.runs import RunDirectory
from clarify_env.trainers.selection import make_rule


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


# What each kind of agent is best trained with, as far as measured; see docs/algorithms/rest.md.
RECIPES: dict[str, dict[str, Any]] = {
    "move-scorer": {},
    "small": {
        "iterations": 4,
        "tasks": 64,
        "samples": 24,
        "updates": 140,
        "batch": 160,
        "rate": 1.5e-3,
        "off_path": 0.1,
        "check_tasks": 0,
        # many values, so that numbers are read as numbers; none of the unseen ones
        "costs": {
            "turn": (0.006, 0.008, 0.012, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.3, 0.5, 0.6),
            "word": (
                6e-4,
                8e-4,
                1.2e-3,
                1.5e-3,
                2e-3,
                3e-3,
                4e-3,
                8e-3,
                1e-2,
                0.015,
                0.03,
                0.04,
                0.08,
                0.1,
            ),
        },
    },
    "other": {
        "iterations": 3,
        "tasks": 32,
        "samples": 12,
        "updates": 40,
        "batch": 16,
        "rate": 2e-4,
        "lora": 16,
        "parallel": 64,
        "rows": 64,
        "part": 4096,
        "off_path": 0.1,
    },
}


# What the small policies of a game change of that: rules for players that decide after others have moved, or
# in the place of both partners, where the best few episodes would be lucky guesses.
_PARTNERS = {
    "rule": "threshold",
    "costs": {"word": (0.0, 0.002)},
    "iterations": 3,
    "tasks": 40,
    "samples": 24,
    "updates": 200,
    "shared": True,
}
GAME_RECIPES: dict[str, dict[str, Any]] = {
    "csp-v0": {
        "rule": "averaged",
        "iterations": 8,
        "tasks": 48,
        "samples": 16,
        "start_share": 0.0,
        "updates": 80,
        "batch": 128,
        "hidden": 32,
    },
    "pingeval-names-v0": _PARTNERS,
    "pingeval-chess-v0": _PARTNERS,
}

# What an algorithm changes of that: those that follow the gradient learn from their own episodes, which are
# played at the same costs for one question, in many small steps.
_ON_POLICY = {"start_share": 0.0, "shared_costs": True, "samples": 16, "check_every": 6}
ALGORITHM_RECIPES: dict[str, dict[str, Any]] = {
    "rloo": {**_ON_POLICY, "iterations": 60, "batch": 256, "rate": 3e-3},
    "grpo": {**_ON_POLICY, "iterations": 60, "batch": 64, "rate": 1e-3},
    "ppo": {**_ON_POLICY, "iterations": 60, "batch": 64, "rate": 1e-3},
    "distillation": {"iterations": 4},
    "dpo": {"iterations": 4},
}
# Of a language model: smaller steps than a small policy's. Of these only PPO's was measured.
_TOKENS = {**_ON_POLICY, "iterations": 28, "batch": 128, "rate": 3e-4}
LANGUAGE_RECIPES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("rloo", "grpo", "ppo"), _TOKENS),
    **{name: {"iterations": 4, "rate": 5e-4} for name in ("dpo", "distillation")},
}


def recipe(agent: str, algorithm: str = "rest", **given: Any) -> Settings:
    """Settings for this agent, algorithm and game: their own recipe, but for what is given."""
    game = GAME_RECIPES.get(given.get("env", ""), {}) if agent == "move-scorer" else {}
    known = ALGORITHM_RECIPES if agent == "move-scorer" else LANGUAGE_RECIPES
    own = {**RECIPES.get(agent, RECIPES["other"]), **game, **known.get(algorithm, {})}
    return Settings(**{"agent": agent, "algorithm": algorithm, **own, **given})


def read_config(run: RunDirectory) -> Settings:
    """The settings of a run directory."""
    try:
        return Settings.from_config(run.config())
    except TypeError as error:
        raise ClarifyError(f"{run.path / 'config.json'}: {error}") from None
