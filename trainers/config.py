"""The configuration of a training run, and what each agent, algorithm and game is best trained with.

It is what config.json holds, and what the options of the command are made of.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from clarify_env.agents.roster import roster_of
from clarify_env.costs import CostGrid
from clarify_env.errors import ClarifyError, choose, nearest
from clarify_env.registry import registry
from clarify_env.trainers.run_directory import RunDirectory, run_named


def setting(default: Any, about: str, *, low: float | None = None, high: float | None = None) -> Any:
    """A field of a configuration.

    Args:
        default: its value, or a function that makes it.
        about: what it is, as the command's help shows it.
        low, high: the range of a number, ends included; a float's `low` of 0 is left out, but for a share.
    """
    made = {"default_factory": default} if callable(default) else {"default": default}
    return field(**made, metadata={"about": about, "low": low, "high": high})


class Checked:
    """Base of the parts of a configuration: numbers out of range are refused."""

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # the subclasses are dataclasses
            if one.metadata:
                value = getattr(self, one.name)
                check(one, value)
                if isinstance(value, (dict, list)):  # as it comes back from JSON
                    object.__setattr__(self, one.name, _tuples(value))


def check(one: "Field[Any]", value: Any) -> None:
    """Raises ClarifyError where a field cannot have this value."""
    low, high = one.metadata["low"], one.metadata["high"]
    optional = one.default is None and value is None
    if one.type in (int, int | None):
        if not optional and (not isinstance(value, int) or isinstance(value, bool) or value < low):
            raise ClarifyError(f"{one.name}={value!r}: a whole number, at least {low}")
    elif one.type is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if high is not None and not (number and low <= value <= high):
            raise ClarifyError(f"{one.name}={value!r}: a share between {low} and {high}")
        if high is None and not (number and value > low):
            raise ClarifyError(f"{one.name}={value!r}: a number above {low}")
    elif one.type is bool and not isinstance(value, bool):
        raise ClarifyError(f"{one.name}={value!r}: true or false")


@dataclass(frozen=True)
class RolloutConfig(Checked):
    """What is played in an iteration."""

    tasks: int = setting(64, "Questions per iteration.", low=1)
    group_size: int = setting(36, "Episodes per question.", low=1)
    costs: dict[str, tuple[float, ...]] = setting(
        dict, "Levels of one cost in training, as turn=0.02,0.1; once a cost. Default: the game's own grid."
    )
    shared_costs: bool = setting(False, "All episodes of a question have the same costs.")
    start_share: float = setting(
        1 / 3, "Share of the episodes that the frozen start policy plays.", low=0, high=1
    )
    pool: tuple[str, ...] = setting(
        (),
        "Partners for a share of the questions, with commas: past (earlier checkpoints of the run), agents "
        "of the game such as scripted, or run:DIR.",
    )
    pool_share: float = setting(0.5, "Share of the questions played with one of the pool.", low=0, high=1)
    knobs: dict[str, float] = setting(dict, "Of the scripted players, as noise=0.1; once a knob.")
    parallel: int = setting(256, "Episodes under way at the same time.", low=1)


@dataclass(frozen=True)
class PolicyConfig(Checked):
    """What is trained."""

    agent: str = setting(
        "move-scorer", "move-scorer (the game's small policy), small (a language model), a folder or hub id."
    )
    players: tuple[str, ...] = setting((), "That are trained, with commas. Default: the game's own choice.")
    shared: bool = setting(False, "The trained players share their weights.")
    hidden: int = setting(64, "Units of a hidden layer of a small policy.", low=1)
    candidates: str = setting(
        "", "Moves that a small policy chooses among, such as plain, where a game has several sets."
    )
    warm_start: str = setting(
        "",
        "Agent that is imitated before the first iteration, by its name, such as optimal.",
    )
    warm_start_episodes: int = setting(512, "Episodes of that agent.", low=1)
    examples: int = setting(
        0, "Worked dialogues of the scripted players in a language model's prompt, for each role.", low=0
    )
    temperature: float = setting(1.0, "Of a language model's sampling in training.", low=0)
    device: str = setting("", "Of a language model, such as cuda:1; default: a GPU where there is one.")
    chat_template_kwargs: dict[str, Any] = setting(
        dict, "Of a language model's chat template, as enable_thinking=false; once an option."
    )
    max_completion_length: int = setting(96, "Most tokens of a language model's message.", low=1)
    lora: int = setting(0, "Rank of a language model's adapters; 0 trains all its weights.", low=0)
    bf16: bool = setting(False, "Train a language model in bfloat16 arithmetic.")
    rows: int = setting(256, "Messages that a language model samples at the same time.", low=1)


@dataclass(frozen=True)
class AlgorithmConfig(Checked):
    """What it learns from that, and how."""

    name: str = setting("rest", "rest, ppo, grpo, rloo, dpo, distillation, or one of your own.")
    options: dict[str, Any] = setting(dict, "Of the algorithm, as clip_range=0.1; once an option.")
    learning_rate: float = setting(3e-3, "At the start of an iteration's updates.", low=0)
    decay: float = setting(0.0, "Share of that rate which is gone by the end of the run.", low=0, high=1)
    gradient_steps: int = setting(400, "Per iteration, of those algorithms that take a fixed number.", low=1)
    batch_size: int = setting(256, "Examples of a gradient step.", low=1)
    microbatch_tokens: int = setting(8192, "Tokens of one pass of a language model's training.", low=1)


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """What is measured during the run and at its end."""

    eval_tasks: int | None = setting(None, "Held-out questions of the evaluation at the end.", low=1)
    eval_train_tasks: int = setting(60, "Training questions of the one after an iteration.", low=0)
    eval_every: int = setting(1, "Iterations from one to the next; the last has one always.", low=1)


PARTS = {
    "rollout": RolloutConfig,
    "policy": PolicyConfig,
    "algorithm": AlgorithmConfig,
    "evaluation": EvaluationConfig,
}


@dataclass(frozen=True)
class Config(Checked):
    """Configuration of a training run.

    Args:
        env: registered id, or "module:function".
        env_options: options of `make`, such as data_dir.
        seed: of everything random.
        iterations: rounds of playing and learning, >= 1.
        rollout, policy, algorithm, evaluation: the parts.
    """

    env: str = setting("synthetic-v0", "Registered environment, or module:function of yours.")
    env_options: dict[str, Any] = setting(dict, "Of the environment, as knowledge=document; once an option.")
    seed: int = setting(0, "Of everything random.", low=0)
    iterations: int = setting(4, "Rounds of playing and learning.", low=1)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    algorithm: AlgorithmConfig = field(default_factory=AlgorithmConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        seen = registry[self.env].seen
        grid = CostGrid(of=seen.of, **{**seen.levels, **self.rollout.costs})
        object.__setattr__(self, "rollout", replace(self.rollout, costs=grid.levels))

    @property
    def grid(self) -> CostGrid:
        """The costs that training draws from."""
        return CostGrid(of=registry[self.env].seen.of, **self.rollout.costs)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Config":
        """The configuration that a run's config.json holds.

        Raises:
            ClarifyError: an entry that is not of it.
        """
        values = dict(data)
        for name, kind in PARTS.items():
            part = values.get(name, {})
            if not isinstance(part, dict):
                raise ClarifyError(f"config.json: {name}={part!r:.60}: not the settings of {name}")
            _known(part, kind, f"{name}.")
            values[name] = kind(**part)
        _known(values, cls, "")
        return cls(**values)

    def changed(self, **changes: Any) -> "Config":
        """The same configuration but for these settings, which are given by their own names alone.

        Args:
            changes: such as seed=1, group_size=24 or algorithm="ppo".

        Raises:
            ClarifyError: no such setting, or a value out of range.
        """
        own: dict[str, dict[str, Any]] = {name: {} for name in ("", *PARTS)}
        for name, value in changes.items():
            if name not in SETTINGS:
                raise ClarifyError(f"unknown setting {name!r}{nearest(name, SETTINGS)}")
            part, key = SETTINGS[name]
            own[part][key] = value
        if own[""].get("env", self.env) != self.env:
            own["rollout"].setdefault("costs", {})  # another game has a grid of its own
        parts = {name: replace(getattr(self, name), **own[name]) for name in PARTS if own[name]}
        return replace(self, **own[""], **parts)

    def flat(self) -> Iterator[tuple[str, Any]]:
        """Every setting by its own name."""
        for name, (part, key) in SETTINGS.items():
            yield name, getattr(getattr(self, part) if part else self, key)

    def to_json(self) -> dict[str, Any]:
        """The configuration as JSON data, part by part."""
        return asdict(self)


# Every setting by its own name: the part that it stands in, and its name there.
SETTINGS: dict[str, tuple[str, str]] = {
    **{one.name: ("", one.name) for one in fields(Config) if one.name not in PARTS},
    **{
        "algorithm" if one.name == "name" else one.name: (part, one.name)
        for part, kind in PARTS.items()
        for one in fields(kind)
    },
}


def _known(given: Mapping[str, Any], kind: type[Any], prefix: str) -> None:
    for name in given:
        choose("setting in config.json", prefix + name, [prefix + one.name for one in fields(kind)])


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    if isinstance(value, dict):
        return {key: _tuples(held) for key, held in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def read_config(run: RunDirectory) -> Config:
    """The configuration of a run directory."""
    try:
        return Config.from_json(run.config())
    except TypeError as error:
        raise ClarifyError(f"{run.path / 'config.json'}: {error}") from None


def trained_by(name: str) -> tuple[str, ...]:
    """The players that the run of this name was told to train, "run:DIR" or DIR; () for the usual ones."""
    run = run_named(name)
    return read_config(run).policy.players if run else ()


def shown_name(config: Config) -> str:
    """What a run is called in tables: its agent, and what it learnt by."""
    rule = config.algorithm.options.get("rule", "best-continuation")
    how = rule if config.algorithm.name == "rest" else config.algorithm.name
    return f"{Path(config.policy.agent).name} ({how})"


BEST = "best-continuation"  # the usual rule
SMALL_POLICY = "move-scorer"  # the agent that is a game's small policy
# What each kind of agent is best trained with; see docs/algorithms/rest.md.
AGENTS: dict[str, dict[str, Any]] = {
    SMALL_POLICY: {"env": "synthetic-v1", "eval_tasks": 500},
    "small": {
        "env": "synthetic-v0",  # of the other games' notes it knows no word
        "group_size": 24,
        "gradient_steps": 140,
        "batch_size": 160,
        "learning_rate": 1.5e-3,
        "eval_tasks": 100,
        "eval_train_tasks": 0,
        # many values, so that numbers are read as numbers; none of the unseen ones
        "costs": {
            "turn": (0.006, 0.008, 0.012, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.3, 0.5, 0.6),
            "word": (6e-4, 8e-4, 1.2e-3, 1.5e-3, 2e-3, 3e-3, 4e-3, 8e-3, 1e-2, 0.015, 0.03, 0.04, 0.08, 0.1),
        },
    },
    "other": {
        "env": Config.env,
        "iterations": 3,
        "tasks": 32,
        "group_size": 12,
        "gradient_steps": 40,
        "batch_size": 16,
        "learning_rate": 2e-4,
        "lora": 16,
        "parallel": 64,
        "rows": 64,
        "microbatch_tokens": 4096,
        "eval_tasks": 100,
    },
}
# What an algorithm changes of that: those that follow the gradient learn from their own episodes, which are
# played at the same costs for one question, in many small steps.
_ON_POLICY = {"start_share": 0.0, "shared_costs": True, "group_size": 16, "eval_every": 6}
ALGORITHM_RECIPES: dict[str, dict[str, Any]] = {
    "rloo": {**_ON_POLICY, "iterations": 60, "batch_size": 256, "learning_rate": 3e-3},
    "grpo": {**_ON_POLICY, "iterations": 60, "batch_size": 64, "learning_rate": 1e-3},
    "ppo": {**_ON_POLICY, "iterations": 60, "batch_size": 64, "learning_rate": 1e-3},
    **{name: {"iterations": 4} for name in ("dpo", "distillation")},
}
# The same for a language model: smaller steps than a small policy's. Of these only PPO's was measured.
_TOKENS = {**_ON_POLICY, "iterations": 28, "batch_size": 128, "learning_rate": 3e-4}
TOKEN_ALGORITHMS: dict[str, dict[str, Any]] = {
    "rest": {"options": {"off_path": 0.1, "by_gain": 1.0}},
    **dict.fromkeys(("rloo", "grpo", "ppo"), _TOKENS),
    **{name: {"iterations": 4, "learning_rate": 5e-4} for name in ("dpo", "distillation")},
}
# Settings that say nothing to the one kind of agent, or to the other.
ONLY_SMALL = ("hidden", "candidates")
ONLY_TOKENS = (
    "examples",
    "temperature",
    "device",
    "chat_template_kwargs",
    "max_completion_length",
    "lora",
    "bf16",
    "rows",
    "microbatch_tokens",
)


def recipe(agent: str = SMALL_POLICY, algorithm: str | None = None, **given: Any) -> Config:
    """The configuration for this agent, algorithm and game: their own recipe, but for what is given.

    Args:
        agent: what is trained, as `PolicyConfig.agent`.
        algorithm: by which, its registered name; by default the best that is known for the game's small
            policies, and rest for language models.
        given: settings by their own names, such as seed=1 or learning_rate=1e-3; `options` are
            added to those of the recipe.

    Raises:
        ClarifyError: a setting that does not exist, is out of range, or has no effect on this agent.
    """
    without_effect(agent, given)
    own = dict(AGENTS.get(agent, AGENTS["other"]))
    spec = registry[given.get("env", own["env"])]
    roster = roster_of(spec.family) if spec.family else None
    players = given.get("players") or (roster.trained if roster else ())
    if given.get("shared") and len(players) == 1:
        raise ClarifyError(f"shared=True: with whom? only {players[0]} is trained; give players=...")
    together = roster is not None and not set(players) <= set(roster.trained)
    if agent == SMALL_POLICY:
        algorithm = algorithm or (roster.algorithm if roster else "rest")
        own |= roster.recipe if roster else {}
        own |= roster.together if roster and together else {}
        own |= ALGORITHM_RECIPES.get(algorithm, {})
        own |= roster.recipes.get(algorithm, {}) if roster else {}
    else:
        algorithm = algorithm or "rest"
        if roster and together and agent == "small":
            # it can write as an asker alone, until it has imitated the others
            own["warm_start"] = list(roster.teams)[-1]
        own |= TOKEN_ALGORITHMS.get(algorithm, {})
    own["costs"] = {name: levels for name, levels in own.get("costs", {}).items() if name in spec.seen.levels}
    options = dict(own.get("options", {}))
    if given.get("options", {}).get("rule", BEST) != BEST:
        options = {k: v for k, v in options.items() if k not in ("off_path", "by_gain")}  # of the usual rule
    options |= given.get("options", {})
    return Config().changed(**{**own, **given, "agent": agent, "algorithm": algorithm, "options": options})


def usual_game(agent: str) -> str:
    """The environment of a run that names none."""
    game: str = AGENTS.get(agent, AGENTS["other"])["env"]
    return game


def without_effect(agent: str, given: Mapping[str, Any]) -> None:
    """Raises ClarifyError where a setting that is given says nothing to this agent."""
    for name in ONLY_TOKENS if agent == SMALL_POLICY else ONLY_SMALL:
        if name in given:
            other = "a language model" if agent == SMALL_POLICY else f"a small policy ({SMALL_POLICY})"
            raise ClarifyError(
                f"{name}={given[name]!r}: has no effect on {agent}, only on {other}; leave it out"
            )
