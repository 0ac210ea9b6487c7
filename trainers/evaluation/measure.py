"""What players earn and do, by question and costs, and how their episodes end.

Every question is played at all costs, once for each state that the first player cannot tell apart at the
start (such as each of its meanings), and averaged by their chances, so that little but the players' own
randomness is left to chance.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarify_env.agent import Agent
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError
from clarify_env.game import StopReason
from clarify_env.rollout import rollout
from clarify_env.simulate import failed, openings
from clarify_env.storage import row, writing
from clarify_env.trainers.evaluation.parallel import in_order

SCRIPTED = (
    32  # episodes under way at the same time for agents that gain nothing from more: they stay in cache
)


_log = logging.getLogger(__name__)
MANY = 8  # messages that were no moves until that is said
CHUNK = 1024  # episodes that a process plays before it hands them over


_Played = tuple[
    list[float] | None, str | None, dict[str, int], dict[str, Any] | None
]  # measures, why it failed, what `counting` found, what is stored


Watch = Callable[[int], object]  # told how many episodes have been played since the last call


@dataclass(frozen=True)
class Job:
    """What is played: the reset options of one episode, its question, cell and share in their average."""

    options: dict[str, Any]
    question: int
    cell: int
    share: float


def jobs(
    env: GameEnv[Any], questions: Sequence[int], cells: Sequence[Any], player: str, seed: int = 0
) -> list[Job]:
    """Every meaning of every question at every pair of costs, in an order that tells nothing.

    What nature draws besides (the order of the notes) is drawn once per question and costs and is the same
    for all meanings, which the player cannot tell apart. They are shuffled, so that who counts what it has
    seen, or looks at what is asked beside it, knows no more.
    """
    game, listed = env.game, []
    rng = np.random.default_rng((seed, 13))
    for k, question in enumerate(questions):
        for c, costs in enumerate(cells):
            for options, share in openings(game, question, costs, player, rng):
                listed.append(Job(options, k, c, share))
    return [listed[i] for i in rng.permutation(len(listed))]


def measures_of(env: GameEnv[Any], player: str) -> tuple[str, ...]:
    """What is measured of a player in any game: the reward, the game's quantities, the mix of its moves."""
    return ("reward", *env.game.counted, *(kind.kind for kind in env.game.moves[player]))


def measure(
    env: GameEnv[Any],
    agents: Mapping[str, Agent],
    questions: Sequence[int],
    cells: Sequence[Any],
    seed: int = 0,
    player: str = "asker",
    batch: int = 256,
    watch: Watch | None = None,
    store: Path | None = None,
    failures: Counter[str] | None = None,
    counts: Counter[str] | None = None,
    processes: int = 1,
    listed: Sequence[Job] | None = None,
    lost_N_C: Floats | None = None,
) -> Floats:
    """Averages by question and costs, measured_N_C_M, in the order of `measures_of`.

    Episodes that failed are left out, and the shares of the others in their average grow to 1; where all of
    a question failed at some costs, its averages there are NaN (see `average` and `complete`). What was left
    out is told in `lost_N_C`.

    Args:
        env: the game; its own costs do not matter.
        agents: the players.
        questions: positions of N tasks.
        cells: C costs.
        seed: of the players' own randomness and of the order of the notes.
        player: whose moves are counted as the move mix.
        batch: episodes under way at the same time.
        watch: told after each episode, for a progress bar.
        store: file that every episode is written to.
        failures: told how many episodes failed, by their reason.
        counts: told how the episodes ended and what language models counted (see `counting`).
        processes: that share the episodes; they change no number, but an agent's own statistics stay in them.
        listed: what `jobs` gives for these questions, cells, player and seed, where it is at hand.
        lost_N_C: zeros, which are filled with the share of the episodes that failed.
    """
    every = jobs(env, questions, cells, player, seed) if listed is None else listed
    names = measures_of(env, player)
    result = np.zeros((len(questions), len(cells), len(names)))
    lost_N_C = np.zeros((len(questions), len(cells))) if lost_N_C is None else lost_N_C

    def play(first: int, count: int) -> Iterator[_Played]:
        options = lambda i: every[i].options  # noqa: E731
        found: Counter[str] = Counter()
        episodes = rollout(env, agents, count, seed, batch=batch, first=first, options=options)
        for episode in counting(episodes, agents, found):
            lost = episode.detail if failed(episode) else None
            means = None if lost else _counts(episode, player, names)
            yield means, lost, dict(found), row(episode) if store else None
            found.clear()

    def chunk(k: int) -> list[_Played]:
        return list(play(k * CHUNK, min(CHUNK, len(every) - k * CHUNK)))

    played: Iterator[_Played]
    if processes > 1:
        played = chain.from_iterable(in_order(chunk, -(-len(every) // CHUNK), processes))
    else:
        played = play(0, len(every))
    with writing(store) if store else nullcontext() as add:
        for job, (means, lost, found, stored) in zip(every, played, strict=True):
            if add and stored:
                add(stored)
            if counts is not None:
                counts.update(found)
            if means is None:
                lost_N_C[job.question, job.cell] += job.share
                if failures is not None:
                    failures[lost or ""] += 1
            else:
                result[job.question, job.cell] += job.share * np.array(means)
            if watch:
                watch(1)
    if lost_N_C.any():
        played_N_C = 1.0 - lost_N_C
        played_N_C[played_N_C < 1e-9] = np.nan
        result /= played_N_C[:, :, None]
    return result


_BOOKED = (StopReason.ILLEGAL, StopReason.UNREADABLE, StopReason.FAILED)  # whose detail begins with a player

# What is reported of an agent's `stats`, those that it has.
_REPORTED = """messages format_failures unfinished refusals filtered shortened_prompts failed prompt_tokens
    sampled_tokens thinking_tokens""".split()

# Why a message ended that was no move, where that is told; any other word of a server's is not.
_CUT = ("length", "refusal", "content_filter", "tool_calls")


def end_of(episode: Episode) -> str:
    """How an episode ended, such as "selected" or "asker/unreadable_message/length".

    An end that one player caused begins with its name. Of a message that was no move it is added why the
    message ended, where that was not its regular end: "length", "refusal", "content_filter", "tool_calls".
    """
    stop = episode.stop or "going on"
    if stop not in _BOOKED:
        return stop
    player = episode.detail.split(maxsplit=1)[0].rstrip(":")
    trace = dict(episode.steps[-1].traces).get(player) if stop == StopReason.UNREADABLE else None
    finish = trace.get("finish") if isinstance(trace, dict) else None
    return f"{player}/{stop}/{finish}" if finish in _CUT else f"{player}/{stop}"


def counting(
    episodes: Iterable[Episode], agents: Mapping[str, Agent], counts: Counter[str]
) -> Iterator[Episode]:
    """The episodes as they come, while `counts` grows.

    Args:
        episodes: that these agents play as they are asked for, such as of `rollout`.
        agents: the players; a model that plays several is counted once, as "asker+user".
        counts: of each way to end as "end/END" (see `end_of`), and what each language model has counted
            as "PLAYER/COUNT", such as "asker/format_failures".
    """
    names: dict[int, list[str]] = {}
    for player, agent in agents.items():
        if "messages" in getattr(agent, "stats", ()):  # what every language model counts, and nobody else
            names.setdefault(id(agent), []).append(player)
    models = [("+".join(players), agents[players[0]]) for players in names.values()]

    def counted() -> Counter[str]:
        stats = [(who, getattr(model, "stats")) for who, model in models]  # noqa: B009  # no part of Agent
        return Counter({f"{who}/{key}": own[key] for who, own in stats for key in _REPORTED if key in own})

    before = counted()
    for episode in episodes:
        now = counted()
        counts[f"end/{end_of(episode)}"] += 1
        for name, count in now.items():
            counts[name] += count - before[name]  # a count of 0 is told too
        before = now
        yield episode


class Heard:
    """Counts the messages of each player, and those that were no moves.

    Says so once for a player, as soon as they are many: a model that writes no moves learns nothing.
    """

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.unreadable: Counter[str] = Counter()
        self.such_as: dict[str, list[str]] = {}

    def hear(self, episode: Episode) -> None:
        """Count an episode."""
        for step in episode.steps:
            self.messages.update(player for player, _ in step.moves)
        if episode.stop != StopReason.UNREADABLE:
            return
        player = episode.detail.partition(":")[0]
        self.messages[player] += 1
        self.unreadable[player] += 1
        kept = self.such_as.setdefault(player, [])
        if len(kept) < 3:
            kept.append(dict(episode.steps[-1].messages).get(player, episode.detail))
        count = self.unreadable[player]
        if count == MANY and 2 * count >= self.messages[player]:
            _log.warning("%s", self.told(player))

    def told(self, player: str) -> str:
        """How many of a player's messages were no moves, with three of them, and what helps; "" for none."""
        if not self.unreadable[player]:
            return ""
        shown = ", ".join(repr(text if len(text) <= 80 else f"{text[:79]}…") for text in self.such_as[player])
        return (
            f"{self.unreadable[player]} of {self.messages[player]} messages of the {player} were no moves, "
            f"such as {shown}; worked dialogues in the prompt (examples=3) or a warm start "
            "(warm_start='optimal') teach the form"
        )

    def shares(self) -> dict[str, float]:
        """The share of each player's messages that were no moves."""
        return {player: self.unreadable[player] / count for player, count in self.messages.items()}


def nested(counts: Mapping[str, int]) -> dict[str, Any]:
    """What `counting` found as the summary holds it: `ends`, the commonest first, and `models` by player."""
    ends = {name.removeprefix("end/"): n for name, n in counts.items() if name.startswith("end/")}
    models: dict[str, dict[str, int]] = {}
    for name, count in counts.items():
        player, _, what = name.partition("/")
        if player != "end":
            models.setdefault(player, {})[what] = count
    return {"ends": dict(Counter(ends).most_common()), "models": models}


def failed_as_zero(reward_N_C: Floats, lost_N_C: Floats) -> Floats:
    """reward_N_C with every episode that failed as a 0; takes what `measure` gives and fills."""
    found: Floats = np.nan_to_num(reward_N_C) * (1.0 - lost_N_C)
    return found


def complete(*measured_N_C_M: Floats) -> NDArray[np.bool_]:
    """complete_N: whether a question was measured at all costs in all of these, so that it can be compared.

    Raises:
        ClarifyError: no question was.
    """
    whole_N = np.all([np.isfinite(m[:, :, 0]).all(axis=1) for m in measured_N_C_M], axis=0)
    if not whole_N.any():
        raise ClarifyError(
            f"none of {len(whole_N)} questions was played at all costs: too many episodes failed; their "
            "reasons are in the stored episodes (detail)"
        )
    return np.asarray(whole_N)


def average(measured_N_C_M: Floats) -> Floats:
    """mean_C_M over the questions that were measured at each of the costs; NaN where none was."""
    whole_N_C = np.asarray(np.isfinite(measured_N_C_M).all(axis=2))
    count_C = np.where(whole_N_C.any(axis=0), whole_N_C.sum(axis=0), np.nan)
    mean_C_M: Floats = np.where(whole_N_C[:, :, None], measured_N_C_M, 0.0).sum(axis=0) / count_C[:, None]
    return mean_C_M


def _counts(episode: Episode, player: str, names: tuple[str, ...]) -> list[float]:
    kinds = [move.kind for move in episode.moves(player)]
    counted = episode.quantities
    mix = [kinds.count(kind) / max(1, len(kinds)) for kind in names[1 + len(counted) :]]
    return [episode.reward, *counted.values(), *mix]


def pick_questions(env: GameEnv[Any], count: int | None, seed: int = 0) -> list[int]:
    """Positions of `count` tasks drawn without repetition, in order; all of them for None."""
    total = len(env.game.tasks)
    if count is None or count >= total:
        return list(range(total))
    if count < 1:
        raise ClarifyError(f"tasks={count!r}: at least 1 question has to be evaluated")
    return sorted(np.random.default_rng((seed, 7)).permutation(total)[:count].tolist())
