"""A game of your own: guess the animal that only the keeper knows, at a price for every question.

The rest comes with the package: `python examples/custom_game.py`; `train_own_game.py` trains on it.
"""

from typing import ClassVar, NamedTuple

import numpy as np
from gymnasium.spaces import Box

import clarify_env
from clarify_env import Agent, Game, GameEnv, Stop, StopReason, Term, Turn
from clarify_env.games.clarification import Answer, Ask, Costs, Reply
from clarify_env.spaces import Records, UnicodeText
from clarify_env.testing.env_checks import check_env

ANIMALS = {"eagle": {"flies", "hunts"}, "bat": {"flies"}, "otter": {"swims", "hunts"}, "salmon": {"swims"}}
WORDS = ("flies", "hunts", "swims")


class State(NamedTuple):
    animal: str
    costs: Costs
    history: tuple[Turn, ...] = ()
    asks: int = 0
    right: float = 0.0
    stop: Stop | None = None


class Guess(Game[State]):
    """The guesser asks at a price, then names the animal; see `clarify_env.Game` for its methods."""

    family = "animals"  # by which `examples/train_own_game.py` says who plays it
    players = ("guesser", "keeper")
    moves: ClassVar = {"guesser": (Ask, Answer), "keeper": (Reply,)}
    terms: ClassVar = {"right": Term("right"), "turn_cost": Term("asks", "turn")}
    options = ("task", "costs")
    counted, opening, costs_type = ("right", "asks"), ("guesser",), Costs

    def __init__(self, costs):
        self.costs, self.tasks, self.max_turns = costs, tuple(ANIMALS), 8

    def start(self, rng, options):
        drawn, costs = rng.integers(len(self.tasks)), self.costs.sample(rng)
        task = options.get("task", drawn)  # a position, or the name that `setup` gave
        task = task if task in ANIMALS else self.tasks[task]
        return State(task, options.get("costs", costs))

    def legal(self, state):
        if state.stop:
            return {}
        asked = state.history and isinstance(state.history[-1].move, Ask)
        return {"keeper": (Reply,)} if asked else {"guesser": (Ask, Answer)}

    def apply(self, state, moves):
        ((player, move),) = moves.items()
        state = state._replace(history=(*state.history, Turn(player, move)))
        if isinstance(move, Ask):
            stop = Stop(StopReason.MAX_TURNS) if state.asks + 1 == self.max_turns else None
            return state._replace(asks=state.asks + 1, stop=stop), (("turn_cost", 1),)
        if isinstance(move, Answer):
            right = float(move.text.strip().lower() == state.animal)
            return state._replace(right=right, stop=Stop(StopReason.SELECTED)), (("right", right),)
        return state, ()

    def stopped(self, state, stop):
        return state._replace(stop=stop)

    def observe(self, state, player):
        seen = {"costs": np.array(state.costs), "transcript": state.history}
        return {**seen, "animal": state.animal} if player == "keeper" else seen

    def spaces(self, player):
        spaces = {"costs": Box(0.0, np.inf, (2,), np.float64), "transcript": Records(Turn)}
        return {**spaces, "animal": UnicodeText()} if player == "keeper" else spaces

    def quantities(self, state):
        return {"right": state.right, "asks": state.asks}

    def setup(self, state):
        return {"task": state.animal}

    def alternatives(self, state, player):
        kept = [state.animal] if player == "keeper" else ANIMALS
        return [(state._replace(animal=animal), 1.0 / len(kept)) for animal in kept]

    def plant(self, state):
        return state._replace(animal="planted animal"), {"guesser": ["planted animal"]}


class Keeper(Agent):
    """Says yes if the question names a property of its animal."""

    def move(self, observation, rng):
        asked = observation["transcript"][-1].move.text.lower()
        return Reply("yes" if any(word in asked for word in ANIMALS[observation["animal"]]) else "no")


class Halver(Agent):
    """Asks for the property that divides best what is left, until one animal is left."""

    def move(self, observation, rng):
        left, turns = list(ANIMALS), observation["transcript"]
        for ask, reply in zip(turns[::2], turns[1::2], strict=True):
            left = [a for a in left if (ask.move.text in ANIMALS[a]) == (reply.move.text == "yes")]
        best = min(WORDS, key=lambda word: abs(2 * sum(word in ANIMALS[a] for a in left) - len(left)))
        return Answer(left[0]) if len(left) == 1 else Ask(best)


def main() -> None:
    clarify_env.register(
        "animals-v0", lambda costs: GameEnv(Guess(costs), "animals-v0"), costs=Costs(turn=0.1, word=0.01)
    )
    env = clarify_env.make("animals-v0", turn_cost=0.1)
    print("checked:", ", ".join(check_env(env)))
    episodes = list(clarify_env.rollout(env, {"guesser": Halver(), "keeper": Keeper()}, 200))
    print(f"mean reward {sum(episode.reward for episode in episodes) / len(episodes):.3f}")


if __name__ == "__main__":
    main()
