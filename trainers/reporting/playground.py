"""One dialogue to try a policy on, without the page: what it prefers, playing on, and the account of rewards.

A dialogue is a task, an intent and the moves so far. The rest follows from them and the costs by playing it
again, so that the costs can change at any point and everything is scored under them, exactly.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent, Decision, Failed, NoMove, Observation
from clarify_env.agents import OptimalAsker, ScriptedUser
from clarify_env.codec import decode
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv, read_action
from clarify_env.errors import ClarifyError, Unreadable
from clarify_env.games.clarification.game import ARROW, ClarificationGame, Costs, Enumerate
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.games.clarification.task import Interpretation, Task
from clarify_env.moves import Answer, Move, Pass
from clarify_env.rollout import decide
from clarify_env.text import clean

MOST_MEANINGS = 8


def notes_text(task: Task) -> str:
    """The meanings of a task as lines `meaning => answer | alias`."""
    return "\n".join(f"{m.text} {ARROW} {' | '.join(m.answers)}" for m in task.interpretations)


def read_task(question: str, notes: str, context: str = "") -> Task:
    """The task that a person typed.

    Args:
        question: what the user asks.
        notes: one line `meaning => answer | alias` for each meaning, all equally likely.
        context: what both players see before the question.

    Raises:
        ClarifyError: the question is empty, there are no notes or too many, or a line has another form.
    """
    question, notes, context = map(clean, (question, notes, context))
    if not question.strip():
        raise ClarifyError("the question is empty; type one, or take one from the game")
    lines = [line.strip() for line in notes.splitlines() if line.strip()]
    if not 1 <= len(lines) <= MOST_MEANINGS:
        raise ClarifyError(f"{len(lines)} meanings; give 1 to {MOST_MEANINGS}, a line each")
    meanings = []
    for line in lines:
        text, arrow, rest = line.partition(ARROW)
        answers = tuple(part.strip() for part in rest.split("|") if part.strip())
        if not arrow or not text.strip() or not answers:
            raise ClarifyError(f"{line[:60]!r}: write a meaning as `what is meant {ARROW} answer | alias`")
        meanings.append(Interpretation(text.strip(), answers, 1.0 / len(lines)))
    if len({m.text for m in meanings}) < len(meanings):
        raise ClarifyError("two meanings in the same words; say what tells them apart")
    return Task("typed", question.strip(), tuple(meanings), context=context.strip())


class Candidate(NamedTuple):
    """A move that a policy considers.

    Args:
        action: what the environment is given: a move, or a message that may be none.
        kind: of the move, "unreadable" for a message that is none, "failed" where there was no message.
        text: as a person reads it.
        number: its probability, value or share; see `Preferences.what`.
    """

    action: Any
    kind: str
    text: str
    number: float


class Preferences(NamedTuple):
    """What a policy would do, the preferred move first.

    Args:
        what: what the numbers are: "probability", "value", or "share of n messages".
        candidates: at least one.
    """

    what: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Dialogue:
    """A dialogue so far: actions of whoever was on turn, in order."""

    task: Task
    intent: int = 0
    actions: tuple[Any, ...] = ()

    def then(self, action: Any) -> "Dialogue":
        """The dialogue with one more action."""
        return replace(self, actions=(*self.actions, action))


class DialogueState(NamedTuple):
    """Where a dialogue stands under some costs: the environment, and who is on turn ("" at the end)."""

    env: GameEnv[Any]
    player: str
    observation: Observation


def check_playable(env: GameEnv[Any]) -> None:
    """Raise ClarifyError where the game has other rules than the page shows."""
    if type(env.game) is not ClarificationGame:
        raise ClarifyError(
            f"demo {env.name}: the page is made for an asker and a user with notes, not this game"
        )


@dataclass
class Playground:
    """A policy to try, the game's rules, and a scripted user.

    Args:
        env: the game whose rules and questions are used.
        asker: the policy.
        user: how the scripted user behaves.
        samples: messages that are sampled of a policy that neither scores nor values its moves.
        seed: of everything random.
        partner: the user that was trained together with the asker, in place of the scripted one.
    """

    env: GameEnv[Any]
    asker: Agent
    user: UserModel = field(default_factory=UserModel)
    samples: int = 8
    seed: int = 0
    partner: Agent | None = None

    def __post_init__(self) -> None:
        check_playable(self.env)

    def task(self, number: int) -> Task:
        """A question of the game, drawn by the seed and this number."""
        tasks = self.env.game.tasks
        task: Task = tasks[int(np.random.default_rng((self.seed, 17, number)).integers(len(tasks)))]
        return task

    def at(self, dialogue: Dialogue, costs: Costs) -> DialogueState:
        """Where the dialogue stands when it is played under these costs."""
        game: Any = self.env.game
        order = tuple(range(len(dialogue.task.interpretations)))
        rules = ClarificationGame(
            [dialogue.task], FixedCosts(**costs._asdict()), game.knowledge, game.max_turns, grade=game.grade
        )
        env = self.env.with_game(rules)
        observations, _ = env.reset(self.seed, {"task": 0, "intent": dialogue.intent, "order": order})
        for action in dialogue.actions:
            observations = env.step({_on_turn(observations): action})[0]
        if not env.agents:
            return DialogueState(env, "", {})
        player = _on_turn(observations)
        return DialogueState(env, player, observations[player])

    def preferences(self, point: DialogueState) -> Preferences:
        """What the policy would do at a point where it is on turn."""
        return preferences(self.asker, point.observation, self.samples, self.seed)

    def scripted(self, dialogue: Dialogue, point: DialogueState) -> Move:
        """What the user does at a point where it is on turn: the partner, or the scripted one."""
        rng = np.random.default_rng((self.seed, 19, len(dialogue.actions)))
        if self.partner is None:
            return ScriptedUser(self.user).move(point.observation, rng)
        (decision,) = decide("user", self.partner, [point.observation], [rng])
        move = read_action("user", decision.move, self.env.game.moves["user"], self.env.max_chars)
        if not isinstance(move, Move):
            raise ClarifyError(f"the user could not reply: {move.detail if move else 'it passed'}")
        return move

    def to_the_end(self, dialogue: Dialogue, costs: Costs) -> Dialogue:
        """The dialogue played on by the policy's preferred moves and the scripted user."""
        while (point := self.at(dialogue, costs)).player:
            if point.player == "asker":
                dialogue = dialogue.then(self.preferences(point).candidates[0].action)
            else:
                dialogue = dialogue.then(self.scripted(dialogue, point))
        return dialogue


def _on_turn(observations: dict[str, dict[str, Any]]) -> str:
    return next(player for player, seen in observations.items() if not seen["action_mask"][0])


def typed(point: DialogueState, text: str) -> Move:
    """The user's move that a person typed: a reply, or the answer that it takes away.

    For a list of options a number takes that option; for a single answer nothing typed takes it as it is.
    """
    ((kind,),) = point.env.game.legal(point.env.game_state).values()
    message = point.observation["transcript"][-1].move
    text = clean(text).strip()
    if isinstance(message, Enumerate) and text.isdecimal() and 1 <= int(text) <= len(message.options):
        text = message.options[int(text) - 1][1]
    elif isinstance(message, Answer) and not text:
        text = message.text
    move: Move = kind.from_data(text)
    return move


def preferences(asker: Agent, observation: Observation, samples: int = 8, seed: int = 0) -> Preferences:
    """What an asker would do: probabilities of its candidates, values of its moves, or shares of samples.

    Args:
        asker: with `scores` as `MoveScorer`, an `OptimalAsker`, or any other agent, which is sampled.
        observation: of the asker on turn.
        samples: messages to draw of the last, >= 1.
        seed: of their generators.
    """
    if hasattr(asker, "scores"):
        ((moves, logprob_M),) = asker.scores([observation])
        chances = np.exp(np.round(logprob_M.numpy(), 12)).tolist()
        return _ranked("probability", [_candidate(m, p) for m, p in zip(moves, chances, strict=True)])
    if isinstance(asker, OptimalAsker):
        best = asker.move(observation, np.random.default_rng(seed))
        valued = sorted(asker.values(observation), key=lambda pair: pair[0] != best)
        return _ranked("value", [_candidate(move, value) for move, value in valued])
    rngs = [np.random.default_rng((seed, k)) for k in range(samples)]
    decisions = decide("asker", asker, [observation] * samples, rngs)
    read = [_read(decision) for decision in decisions]
    counts = Counter((c.kind, c.text) for c in read)
    first = {(c.kind, c.text): c for c in reversed(read)}
    shares = [first[key]._replace(number=n / samples) for key, n in counts.items()]
    return _ranked(f"share of {samples} messages", shares)


def _ranked(what: str, candidates: Sequence[Candidate]) -> Preferences:
    return Preferences(what, tuple(sorted(candidates, key=lambda c: -round(c.number, 12))))


def _candidate(move: Move, number: float) -> Candidate:
    return Candidate(move, move.kind, move.text, number)


def _read(decision: Decision) -> Candidate:
    """The candidate that a decision is."""
    action = decision.move
    if isinstance(action, NoMove):
        return Candidate(decision, "unreadable", decision.message or "", 0.0)
    if isinstance(action, Failed):
        return Candidate(action, "failed", action.reason, 0.0)
    if isinstance(action, str):
        try:
            move = decode(action, ClarificationGame.moves["asker"])
        except Unreadable:
            return Candidate(action, "unreadable", action, 0.0)
        return Candidate(action, move.kind, move.text, 0.0)
    return _candidate(Pass() if action is None else action, 0.0)
