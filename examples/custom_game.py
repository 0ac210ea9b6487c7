"""A game of your own in one file: twenty questions over a list of animals, with a price for every question.

The guesser asks yes/no questions about properties; the keeper holds the animal. Moves, costs and private
information are all there is to it: the environment, rollout, storage and checks come with the package.

    python examples/custom_game.py
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium.spaces import Box

import clarify_env
from clarify_env import Agent, Answer, Ask, Game, GameEnv, Reply, Stop, StopReason, Term, Turn
from clarify_env.costs import Costs, checked
from clarify_env.spaces import Records, UnicodeText
from clarify_env.testing import check_env

ANIMALS = {
    "eagle": {"flies", "feathers", "hunts"},
    "penguin": {"feathers", "swims"},
    "bat": {"flies", "fur"},
    "otter": {"swims", "fur", "hunts"},
    "salmon": {"swims", "scales"},
}


class State(NamedTuple):
    """The animal, the costs, and what was said."""

    animal: str
    costs: Costs
    history: tuple[Turn, ...] = ()
    asks: int = 0
    right: float = 0.0
    stop: Stop | None = None


class Guess(Game[State]):
    """The guesser asks at a price, then names the animal."""

    players = ("guesser", "keeper")
    moves: ClassVar = {"guesser": (Ask, Answer), "keeper": (Reply,)}
    terms: ClassVar = {"right": Term("right"), "turn_cost": Term("asks", "turn")}
    options = ("task", "costs")

    def __init__(self, costs):
        self.costs, self.tasks, self.max_turns = costs, tuple(ANIMALS), 8

    def start(self, rng, options):
        """Draw an animal and the costs."""
        at, sampled = int(rng.integers(len(self.tasks))), self.costs.sample(rng)
        task = options.get("task", self.tasks[at])
        animal = self.tasks[task] if isinstance(task, int) else task
        return State(animal, checked(Costs(*options.get("costs", sampled))))

    def legal(self, state):
        """The keeper replies to a question; else the guesser is on turn."""
        if state.stop:
            return {}
        asked = state.history and isinstance(state.history[-1].move, Ask)
        return {"keeper": (Reply,)} if asked else {"guesser": (Ask, Answer)}

    def apply(self, state, moves):
        """Questions cost a turn; an answer ends the game."""
        ((player, move),) = moves.items()
        state = state._replace(history=(*state.history, Turn(player, move)))
        if isinstance(move, Ask):
            state = state._replace(asks=state.asks + 1)
            stop = Stop(StopReason.MAX_TURNS) if state.asks >= self.max_turns else None
            return state._replace(stop=stop), (("turn_cost", 1),)
        if isinstance(move, Answer):
            right = float(move.text.strip().lower() == state.animal)
            return state._replace(right=right, stop=Stop(StopReason.SELECTED)), (("right", right),)
        return state, ()

    def stopped(self, state, stop):
        """Ended by a move that is none."""
        return state._replace(stop=stop)

    def observe(self, state, player):
        """Only the keeper sees the animal."""
        seen: dict[str, Any] = {"costs": np.array(state.costs), "transcript": state.history}
        return {**seen, "animal": state.animal} if player == "keeper" else seen

    def spaces(self, player):
        """The spaces of `observe`."""
        spaces: dict[str, Any] = {"costs": Box(0.0, np.inf, (2,), np.float64), "transcript": Records(Turn)}
        return {**spaces, "animal": UnicodeText()} if player == "keeper" else spaces

    def quantities(self, state):
        """What was counted."""
        return {"right": state.right, "asks": state.asks}

    def setup(self, state):
        """For the record."""
        return {"task": state.animal}

    def alternatives(self, state, player):
        """The guesser cannot tell the animals apart."""
        if player == "keeper":
            return [(state, 1.0)]
        return [(state._replace(animal=animal), 1.0 / len(ANIMALS)) for animal in ANIMALS]


class Keeper(Agent):
    """Says yes if the question names a property of its animal."""

    def move(self, observation, rng):
        asked = observation["transcript"][-1].move.text.lower()
        return Reply("yes" if any(word in asked for word in ANIMALS[observation["animal"]]) else "no")


class Halver(Agent):
    """Asks for a property that divides what is left best, until one animal is left."""

    def move(self, observation, rng):
        left, turns = set(ANIMALS), observation["transcript"]
        for ask, reply in zip(turns[::2], turns[1::2], strict=True):
            left = {a for a in left if (ask.move.text in ANIMALS[a]) == (reply.move.text == "yes")}
        if len(left) == 1:
            return Answer(left.pop())
        words = sorted(set().union(*ANIMALS.values()))
        return Ask(min(words, key=lambda w: abs(2 * sum(w in ANIMALS[a] for a in left) - len(left))))


if __name__ == "__main__":
    clarify_env.register("animals-v0", lambda costs: GameEnv(Guess(costs), "animals-v0"))
    env = clarify_env.make("animals-v0", turn_cost=0.1)
    check_env(env)
    episodes = list(clarify_env.rollout(env, {"guesser": Halver(), "keeper": Keeper()}, 200, seed=0))
    print(f"mean reward {sum(episode.reward for episode in episodes) / 200:.3f}")
