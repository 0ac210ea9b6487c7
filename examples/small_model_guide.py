"""Lookups for `small_model.py`: which note fits the facts said, taught with a guide inside the model.

Left to itself, a model of this size takes hours to find that it must gather a note's facts at its answer and
compare them with the facts said: nothing is gained by one half without the other. The guide asks for each
half. One linear map must read from the middle layer which facts belong to a note's answer, and the same map
which facts were said, where an answer begins; there the first head must look at the answer that fits. The
guide's weight falls to nothing before training ends, and it adds nothing to the model that is saved.

    python examples/small_model_guide.py --seed 3    # shows some lookups
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from small_model_data import PROMPT, cost, label, names, reply
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from clarify_env.agents.belief import canonical
from clarify_env.agents.language import LanguageModel
from clarify_env.clarification import ClarificationGame
from clarify_env.costs import Costs, FixedCosts
from clarify_env.moves import Ask
from clarify_env.optimum import questions
from clarify_env.synthetic import ATTRIBUTES, generate_task
from clarify_env.trainers.packing import Group, Item, Packed, tensors

VALUES = [value.lower() for values in ATTRIBUTES.values() for value in values]
LAYER = 2  # what enters it is read by the map; its first head is guided


class Lookup(NamedTuple):
    """What is said after the notes, as a chat's tokens, and what is learnt after it.

    Args:
        notes: numbers, from 0, of the notes that it is about: one to take from, or all that are compared.
        looks: places in `learnt` of what they tell: a label's facts, the start of an answer, what differs.
        facts: for the last of them, 1.0 for each of VALUES that was said before.
    """

    said: list[int]
    learnt: list[int]
    notes: list[int]
    looks: list[int]
    facts: list[float]


def hot(facts):
    """A 1.0 for each of VALUES that is among the facts."""
    return [float(value in {fact.value for fact in facts}) for value in VALUES]


END = "<|end|><|assistant|>"


def lookups(rng, language, task, opening, count):
    """Up to `count` lookups among a task's notes: after replies, in a dialogue, or in a list."""

    def ids(text):
        return language.tokenizer(text, add_special_tokens=False)["input_ids"]

    people = canonical(task.interpretations)
    for _ in range(count):
        meant = people[int(rng.integers(len(people)))]
        kind = rng.choice(["said", "asked", "labelled", "listed", "differs"], p=(0.2, 0.3, 0.05, 0.25, 0.2))
        few = kind in ("listed", "differs")
        many = int(rng.choice(4, p=(0.6, 0.4, 0.0, 0.0) if few else (0.0, 0.7, 0.25, 0.05)))
        facts = [meant.facts[i] for i in rng.permutation(3)[:many]]
        fitting = [k for k, other in enumerate(people) if all(fact in other.facts for fact in facts)]
        if few and len(fitting) < 2:
            continue
        if not few and fitting[0] == 0 and rng.random() < 0.6:
            continue  # or else it would long get by without reading the facts
        answer = people[fitting[0]].answers[0]
        asks = [Ask(f"Which {fact.name}?") for fact in facts]
        turns = [f"{END}{PROMPT.write(a, opening)}<|end|><|user|>{reply(task, a, meant)}" for a in asks]
        before = "".join([*turns, END])
        if kind == "differs":
            useful = questions([people[k] for k in fitting])
            text = "".join([*turns, "\nWhat differs?", END])
            if rng.random() < 0.5:
                learnt = [*ids(names(useful)), *ids("<|end|>")]
                yield Lookup(ids(text), learnt, fitting, list(range(len(learnt))), hot(facts))
            else:
                ask = useful[int(rng.integers(len(useful)))]
                learnt = ids(f"{ask.text}</ask><|end|>")
                yield Lookup(ids(f"{before}<ask>"), learnt, fitting, [1], hot(facts))
            continue
        if kind == "said":
            before = "\n" + " ".join(f"{fact.value.capitalize()}." for fact in facts) + END
        if kind in ("said", "asked"):
            learnt = ids(answer) + ids("</answer><|end|>")
            yield Lookup(ids(f"{before}<answer>"), learnt, fitting[:1], [0], hot(facts))
        elif kind == "labelled":
            text = f"{END}<enumerate>\n{label(meant._replace(facts=tuple(facts)))} =>"
            yield Lookup(ids(text), [*ids(answer), *ids("\n")], fitting[:1], [0], hot(facts))
        else:
            listed = int(rng.integers(2, len(fitting) + 1))
            at = int(rng.integers(listed))
            lines = [f"{label(people[k])} => {people[k].answers[0]}\n" for k in fitting[:at]]
            note, last = people[fitting[at]], at == listed - 1
            name = ids("otherwise" if last else label(note))
            learnt = name + ids("=>") + ids(note.answers[0]) + ids("\n")
            looks = [*([] if last else range(len(name))), len(name) + len(ids("=>"))]
            text = f"{before}<enumerate>\n{''.join(lines)}"
            yield Lookup(ids(text), learnt, [fitting[at]], looks, hot(facts if last else note.facts))


class Rows(NamedTuple):
    """A row of packed tokens per task, and where in them the guide looks.

    Args:
        notes_M_2, facts_M_V: row and column of the first token of each note's answer, and the note's facts.
        looks_K_4: head, row, column where something is predicted, column of the answer of a note to look at.
        share_K: how much of the look that note is to get.
        said_N_2, facts_N_V: row and column of each lookup's last one, and the facts said before.
    """

    packed: Packed
    notes_M_2: torch.Tensor
    facts_M_V: torch.Tensor
    looks_K_4: torch.Tensor
    share_K: torch.Tensor
    said_N_2: torch.Tensor
    facts_N_V: torch.Tensor


def rows_of(rng, language, tasks, count):
    """So many tasks with more than one note, each with up to `count` lookups."""
    equals, greater = language.tokenizer("=>", add_special_tokens=False)["input_ids"][-2:]
    rows = []
    while len(rows) < tasks:
        task = generate_task(rng, "task")
        if len(task.interpretations) < 2:
            continue
        costs = Costs(cost(rng, 0.005, 0.8), cost(rng, 0.0005, 0.1))
        game = ClarificationGame([task], FixedCosts())
        observation = game.view(game.start(rng, {"task": 0, "costs": costs}), "asker")
        chat = PROMPT.messages(observation)
        if rng.random() < 0.5:  # the notes alone
            chat[-1] = {**chat[-1], "content": chat[-1]["content"].rsplit("\nQuestion:", 1)[0]}
        base = language.prompt_ids(chat)
        base = base[: len(base) - base[::-1].index(language.tokenizer.eos_token_id) - 1]
        starts = [k for k in range(2, len(base)) if base[k - 2 : k] == [equals, greater]]
        if asked := list(lookups(rng, language, task, observation, count)):
            rows.append((base, starts, canonical(task.interpretations), asked))
    return _packed(rows)


def _packed(rows: Sequence) -> Rows:
    groups, notes, facts, looks, share, said, said_facts = ([] for _ in range(7))
    for base, _, _, asked in rows:
        items = [Item((*base, *lookup.said), tuple(lookup.learnt)) for lookup in asked]
        own = sum(len(lookup.said) + len(lookup.learnt) for lookup in asked)
        groups.append(Group(len(base), items, len(base) + own))
    width = max(group.size for group in groups)
    packed = tensors([[group] for group in groups], width)
    predicts = iter(packed.from_N.tolist())
    for r, (_, starts, people, asked) in enumerate(rows):
        notes += [(r, start) for start in starts]
        facts += [hot(person.facts) for person in people]
        for lookup in asked:
            columns = [next(predicts) % width for _ in lookup.learnt]
            head = int(len(lookup.notes) > 1)
            looks += [(head, r, columns[k], starts[note]) for k in lookup.looks for note in lookup.notes]
            share += [1.0 / len(lookup.notes)] * (len(lookup.looks) * len(lookup.notes))
            said.append((r, columns[lookup.looks[-1]]))
            said_facts.append(lookup.facts)
    return Rows(packed, *(torch.tensor(part) for part in (notes, facts, looks, share, said, said_facts)))


def lookup_loss(model, guide, rows):
    """Mean negative log-likelihood of what is learnt, the guide's loss, and the share right where it looks.

    Args:
        model: with eager attention, so that it returns the attention weights.
        guide: linear map from the model's width to VALUES.
        rows: of `rows_of`.
    """
    packed = rows.packed
    out = model.model(
        input_ids=packed.ids_R_T,
        attention_mask=packed.mask(torch.float32),
        position_ids=packed.positions_R_T,
        use_cache=False,
        output_hidden_states=True,
        output_attentions=True,
    )
    logits = model.lm_head(out.last_hidden_state.flatten(0, 1)[packed.from_N])
    middle = out.hidden_states[LAYER]
    scale = len(VALUES) / 3
    guided = sum(
        scale * binary_cross_entropy_with_logits(guide(middle[at[:, 0], at[:, 1]]), facts)
        for at, facts in ((rows.notes_M_2, rows.facts_M_V), (rows.said_N_2, rows.facts_N_V))
    )
    head, row, source, target = rows.looks_K_4.T
    looked = out.attentions[LAYER][row, head, source, target]
    guided = guided - 0.3 * (rows.share_K * (looked + 1e-6).log()).sum() / rows.share_K.sum()
    right = logits.argmax(-1) == packed.targets_N
    places = row * packed.ids_R_T.shape[1] + source
    found, compared = (right[torch.isin(packed.from_N, places[head == h])].float().mean() for h in (0, 1))
    return cross_entropy(logits, packed.targets_N), guided, found, compared


def main():
    """Print the notes of one made-up question, and lookups among them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    rng = np.random.default_rng(parser.parse_args().seed)
    language = LanguageModel.load("small", "cpu")
    rows = rows_of(rng, language, 1, 12)
    ids, branches = rows.packed.ids_R_T[0], rows.packed.branch_R_T[0]
    for branch in range(int(branches.max()) + 1):
        print(language.tokenizer.decode(ids[branches == branch]), end="\n\n")


if __name__ == "__main__":
    main()
