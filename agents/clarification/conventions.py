"""Ways in which a user may tell what it means, and in which an asker may read that: pure rules.

The scripted user says the value that is asked for. A user that is trained may tell all that it means at once,
or speak in a code: it names another value of the same domain, so many places on. No code is better than
another, so that pairs which are trained together may settle on any; those who were not do not understand it.
What is common to all is the order of a domain, which `ClarificationGame(domains="own")` takes away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from clarify_env.agents.clarification.scripted import belief
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.games.clarification.game import Ask, Reply
from clarify_env.games.clarification.scripted_user import (
    TRUTHFUL,
    Said,
    UserModel,
    added,
    asked_fact,
    stated,
)
from clarify_env.games.clarification.task import Fact

SHIFTS = 4  # how many codes there are, the plain value (0 places on) among them
_RARE = 1e-6  # chance of a reply that a code has no use for: it tells nothing


def coded(fact: Fact, shift: int) -> str:
    """The reply that stands for the fact's value in the code of this shift, such as "Chemist."."""
    value = fact.domain[(fact.domain.index(fact.value) + shift) % len(fact.domain)]
    return stated(value)


def tellings(ask: str, question: str, intent: str, facts: Sequence[Fact], said: Said = ()) -> dict[str, str]:
    """What a user may reply to `ask`, by the way of telling: "0" to "3" for the codes, and "all".

    "0" is the truthful reply of the scripted user; the others need a fact that is asked for. "all" is what
    the meaning adds to the question. A text that two ways lead to stands under the first.
    """
    ways = {"0": TRUTHFUL.replies(ask, question, intent, facts, said)[0][0]}
    fact = asked_fact(ask, facts)
    if fact is not None:
        ways |= {str(shift): coded(fact, shift) for shift in range(1, min(SHIFTS, len(fact.domain)))}
    whole = added(intent, question)
    return ways if whole in ways.values() else {**ways, "all": whole}


@dataclass(frozen=True, slots=True)
class Coded(UserModel):
    """How an asker reads one who tells all, or speaks in the code of one shift.

    Args:
        shift: places that a value is moved on, in [0, `SHIFTS`).
    """

    shift: int = 0

    def replies(
        self, ask: str, question: str, intent: str, facts: Sequence[Fact], said: Said = ()
    ) -> list[tuple[str, float]]:
        """What such a user may reply, with probabilities that add up to 1; see `UserModel.replies`."""
        ways = tellings(ask, question, intent, facts, said)
        spoken = [ways.get(str(self.shift), ways["0"]), *([ways["all"]] if "all" in ways else [])]
        fact = asked_fact(ask, facts)
        rest = [coded(fact, k) for k in range(len(fact.domain))] if fact is not None else []
        rest = [text for text in rest if text not in spoken]
        share = (1.0 - _RARE * len(rest)) / len(spoken)
        return [*((text, share) for text in spoken), *((text, _RARE) for text in rest)]


READINGS = tuple(Coded(shift=shift) for shift in range(SHIFTS))


def intelligibility(env: GameEnv[Any], episodes: Iterable[Episode]) -> float:
    """How often the scripted reader knows what is meant from a user's replies, in [0, 1].

    The reader believes of each reply what Bayes' rule says of the scripted user's (`scripted.belief`). It
    counts as much as that would have told, had the scripted user replied to the same questions: 1 is as well
    understood as the scripted user, 0 no better than without a reply.

    Args:
        env: the game that was played, with notes whose facts are known.
        episodes: of any asker with the user; those without a question that tells something are left out.

    Raises:
        ClarifyError: there is none with such a question.
    """
    got, without, most, count = 0.0, 0.0, 0.0, 0
    for episode in episodes:
        task = env.game.task(episode.setup["task"])
        notes, meant = task.interpretations, task.interpretations[episode.setup["intent"]]
        turns = [Turn(player, move) for step in episode.steps for player, move in step.moves]
        said = [turn for turn in turns if isinstance(turn.move, (Ask, Reply))]
        plain = []
        for turn in said:
            if isinstance(turn.move, Ask):
                asked = turn.move.text
            else:
                own = TRUTHFUL.replies(asked, task.question, meant.text, meant.facts)[0][0]
                turn = turn._replace(move=Reply(own))
            plain.append(turn)
        before, after, best = (
            float(belief(task.question, notes, tuple(turns))[episode.setup["intent"]])
            for turns in ((), said, plain)
        )
        if said and best > before + 1e-9:
            got, without, most, count = got + after, without + before, most + best, count + 1
    if not count:
        raise ClarifyError("intelligibility: no episode has a question that tells something")
    return (got - without) / (most - without)
