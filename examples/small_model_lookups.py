"""Lookups for `small_model.py`: short questions about a made-up question's notes, and what they tell.

python examples/small_model_lookups.py --seed 3    # shows some
"""

import argparse
from typing import NamedTuple

import numpy as np
from small_model_data import PROMPT, cost, label, names, reply

from clarify_env.agents.llm.model import LanguageModel
from clarify_env.costs import FixedCosts
from clarify_env.games.clarification.game import Ask, ClarificationGame, Costs
from clarify_env.games.clarification.optimum import questions
from clarify_env.games.clarification.synthetic import generate_task
from clarify_env.games.clarification.task import Fact, Interpretation, canonical

END = "<|end|><|assistant|>"


class Lookup(NamedTuple):
    """What is said after the notes, as a chat's tokens, and what is learnt after it.

    Args:
        left: numbers, from 0, of the notes that fit what was said.
        notes: those of them that it is about: one to take from, or all, to compare them.
        looks: places in `learnt` of what they tell (a label's facts, an answer, what differs), each with how
            far into the note's answer it is found.
        told: those of these places before which `facts` were said.
        facts: of the user's meaning, or of the note in its label.
        move: whether `said` has a place where the asker's move begins.
    """

    said: list[int]
    learnt: list[int]
    left: list[int]
    notes: list[int]
    looks: list[tuple[int, int]]
    told: list[int]
    facts: tuple[Fact, ...]
    move: bool = True


class Asked(NamedTuple):
    """A made-up question's prompt, and lookups that go on from it.

    Args:
        prompt: tokens, without the last message's end.
        people: the notes, likeliest first, as the prompt lists them.
        costs: those in the prompt, or None where it ends after the notes.
        lookups: at least one.
    """

    prompt: list[int]
    people: tuple[Interpretation, ...]
    costs: Costs | None
    lookups: list[Lookup]


def ask_some(rng, language, count):
    """A question with more than one note, and up to `count` lookups."""
    while True:
        task = generate_task(rng, "task")
        if len(task.interpretations) < 2:
            continue
        known = rng.random() < 0.7
        costs = Costs(cost(rng, 0.005, 0.8), cost(rng, 0.0005, 0.1))
        game = ClarificationGame([task], FixedCosts())
        observation = game.view(game.start(rng, {"task": 0, "costs": costs}), "asker")
        chat = PROMPT.messages(observation)
        if not known:  # the notes alone
            chat[-1] = {**chat[-1], "content": chat[-1]["content"].rsplit("\nQuestion:", 1)[0]}
        prompt = language.prompt_ids(chat)
        prompt = prompt[: len(prompt) - prompt[::-1].index(language.tokenizer.eos_token_id) - 1]
        if asked := list(lookups(rng, language, task, observation, count)):
            return Asked(prompt, canonical(task.interpretations), costs if known else None, asked)


def lookups(rng, language, task, opening, count):
    """Up to `count` lookups among a task's notes: after replies, in a dialogue, in a list, of differences."""

    def ids(text):
        return language.tokenizer(text, add_special_tokens=False)["input_ids"]

    people = canonical(task.interpretations)
    for _ in range(count):
        meant = people[int(rng.integers(len(people)))]
        kind = rng.choice(["said", "asked", "labelled", "listed", "differs"], p=(0.2, 0.3, 0.05, 0.25, 0.2))
        several = kind in ("listed", "differs")
        replies = int(rng.choice(4, p=(0.4, 0.45, 0.15, 0.0) if several else (0.0, 0.5, 0.4, 0.1)))
        facts = tuple(meant.facts[i] for i in rng.permutation(3)[:replies])
        left = [k for k, other in enumerate(people) if all(fact in other.facts for fact in facts)]
        if several and len(left) < 2:
            continue
        if not several and left[0] == 0 and rng.random() < 0.6:
            continue  # or else it would long get by without reading the facts
        answer = ids(people[left[0]].answers[0])
        taken = [(k, k) for k in range(len(answer))], list(range(len(answer)))
        asks = [Ask(f"Which {fact.name}?") for fact in facts]
        turns = [f"{END}{PROMPT.write(a, opening)}<|end|><|user|>{reply(task, a, meant)}" for a in asks]
        before = "".join([*turns, END])
        if kind == "differs" and rng.random() < 0.5:
            learnt = ids(names(questions([people[k] for k in left])) + "<|end|>")
            said = ids("".join([*turns, "\nWhat differs?", END]))
            places = [(k, 0) for k in range(len(learnt))]
            yield Lookup(said, learnt, left, left, places, [len(learnt) - 1], facts, move=False)
        elif kind == "differs":
            useful = questions([people[k] for k in left])
            ask = useful[int(rng.integers(len(useful)))]
            yield Lookup(
                ids(f"{before}<ask>"), ids(f"{ask.text}</ask><|end|>"), left, left, [(1, 0)], [1], facts
            )
        elif kind in ("said", "asked"):
            if kind == "said":
                before = "\n" + " ".join(f"{fact.value.capitalize()}." for fact in facts) + END
            learnt = answer + ids("</answer><|end|>")
            yield Lookup(ids(f"{before}<answer>"), learnt, left, left[:1], *taken, facts, kind == "asked")
        elif kind == "labelled":
            text = f"{END}<enumerate>\n{label(meant._replace(facts=facts))} =>"
            yield Lookup(ids(text), answer + ids("\n"), left, left[:1], *taken, facts, move=False)
        else:
            yield listed(ids, before, facts, people, left, rng)


def listed(ids, before, facts, people, left, rng):
    """The next line of a list of the notes that are left."""
    count = int(rng.integers(2, len(left) + 1))
    at = int(rng.integers(count))
    lines = [f"{label(people[k])} => {people[k].answers[0]}\n" for k in left[:at]]
    note, last = people[left[at]], at == count - 1
    name = ids("otherwise" if last else label(note))
    head, answer = name + ids("=>"), ids(note.answers[0])
    told = [len(head) + k for k in range(len(answer))]
    looks = [*([] if last else [(k, 0) for k in range(len(name))]), *((k, k - len(head)) for k in told)]
    text = f"{before}<enumerate>\n{''.join(lines)}"
    learnt = head + answer + ids("\n")
    return Lookup(ids(text), learnt, left, [left[at]], looks, told, facts if last else note.facts)


def main():
    """Print the notes of one made-up question, and lookups among them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    rng = np.random.default_rng(parser.parse_args().seed)
    language = LanguageModel.load("small", "cpu")
    asked = ask_some(rng, language, 12)
    print(language.tokenizer.decode(asked.prompt))
    for lookup in asked.lookups:
        said, learnt = (language.tokenizer.decode(part) for part in (lookup.said, lookup.learnt))
        print(f"\n... {said}\n  -> {learnt}")


if __name__ == "__main__":
    main()
