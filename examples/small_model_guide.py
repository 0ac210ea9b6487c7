"""The guide for `small_model.py`: what the model is to gather and compare inside, while it learns lookups.

Left to itself, a model of this size takes hours to find that it must gather a note's facts at its answer and
compare them with the facts said, and never finds which facts differ between notes: nothing is gained by one
half of the work without the other. The guide asks for each half. Linear maps must read from a layer what a
later one needs, and some heads are made to look where it is. The guide's weight falls to nothing before
training ends, and it adds nothing to the model that is saved.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from small_model_lookups import Asked
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from clarify_env.games.clarification.synthetic import ATTRIBUTES
from clarify_env.trainers.learners.packing import Group, Item, Packed, tensors

VALUES = [value.lower() for values in ATTRIBUTES.values() for value in values]


class Read(NamedTuple):
    """What a linear map must read from what enters a layer: so many numbers, all of them 0 or 1 or not."""

    layer: int
    size: int
    binary: bool
    weight: float


class Look(NamedTuple):
    """Where a layer's head must look."""

    layer: int
    head: int
    weight: float


READS = {
    "facts": Read(
        2, len(VALUES), True, len(VALUES) / 3
    ),  # of a note, all along its answer; said, all along one
    "cost": Read(2, 1, False, 2.0),  # the logarithm of a cost, at its last digit
    "costs": Read(3, 2, False, 2.0),  # of both, where a move begins
    "differs": Read(3, len(ATTRIBUTES), True, 3.0),  # among the notes left
}
LOOKS = {
    "others": Look(0, 1, 1.0),  # from a value in the notes to earlier, other values of its attribute
    "changed": Look(1, 1, 1.0),  # from where it is said what differs to values that had such a look
    "taken": Look(2, 0, 0.3),  # to the note that something is taken from, at the same word of its answer
    "left": Look(2, 1, 1.5),  # to all notes left, where it is said what differs
    "turn": Look(2, 0, 0.3),  # to the last digit of a question's cost, where a move begins
    "word": Look(2, 1, 0.3),
}


class Rows(NamedTuple):
    """A row of packed tokens per question, and where in them the guide reads and looks.

    Args:
        reads: by name of READS: places_N_2 (row, column), and what is to be read there, values_N_K.
        looks: by name of LOOKS: places_N_3 (row, column, column to look at), and share_N_1 of the look.
    """

    packed: Packed
    reads: dict[str, tuple[torch.Tensor, torch.Tensor]]
    looks: dict[str, tuple[torch.Tensor, torch.Tensor]]


def guide_of(width):
    """The linear maps."""
    return torch.nn.ModuleDict({name: torch.nn.Linear(width, read.size) for name, read in READS.items()})


def rows_of(language, several: Sequence[Asked]):
    """The rows of some questions with their lookups."""
    groups = []
    for asked in several:
        items = [Item((*asked.prompt, *lookup.said), tuple(lookup.learnt)) for lookup in asked.lookups]
        own = sum(len(lookup.said) + len(lookup.learnt) for lookup in asked.lookups)
        groups.append(Group(len(asked.prompt), items, len(asked.prompt) + own))
    width = max(group.size for group in groups)
    packed = tensors([[group] for group in groups], width)
    predicts = iter(packed.from_N.tolist())
    reads, looks = {name: [] for name in READS}, {name: [] for name in LOOKS}
    arrow = language.tokenizer("=>", add_special_tokens=False)["input_ids"][-2:]
    values, turn = _values(language), language.tokenizer.convert_tokens_to_ids("<|assistant|>")
    for r, asked in enumerate(several):
        answers = [k for k in range(2, len(asked.prompt)) if asked.prompt[k - 2 : k] == arrow]
        for start, note in zip(answers, asked.people, strict=True):
            length = len(language.tokenizer(note.answers[0], add_special_tokens=False)["input_ids"])
            reads["facts"] += [((r, start + k), _hot(note.facts)) for k in range(length)]
        others = _others(asked.prompt, values)
        for k, earlier in others.items():
            looks["others"] += _evenly(r, k, earlier or [0])
        changed = [k for k, earlier in others.items() if earlier] or [0]
        digits, logs = _costs(language, asked)
        reads["cost"] += [((r, k), [log]) for k, log in zip(digits, logs, strict=True)]
        for lookup in asked.lookups:
            columns = [next(predicts) % width for _ in lookup.learnt]
            reads["facts"] += [((r, columns[k]), _hot(lookup.facts)) for k in lookup.told]
            for k, far in ((columns[place], far) for place, far in lookup.looks):
                if len(lookup.notes) == 1:
                    looks["taken"] += _evenly(r, k, [answers[lookup.notes[0]] + far])
                    continue
                looks["changed"] += _evenly(r, k, changed)
                looks["left"] += _evenly(r, k, [answers[note] for note in lookup.notes])
                reads["differs"].append(((r, k), _differs([asked.people[note] for note in lookup.notes])))
            if lookup.move and asked.costs:
                begins = columns[0] - lookup.said[::-1].index(turn)
                reads["costs"].append(((r, begins), logs))
                looks["turn"] += _evenly(r, begins, digits[:1])
                looks["word"] += _evenly(r, begins, digits[1:])
    return Rows(
        packed,
        {name: _tensors(held, 2, READS[name].size) for name, held in reads.items()},
        {name: _tensors(held, 3, 1) for name, held in looks.items()},
    )


def _tensors(held, columns, size):
    places = torch.tensor([place for place, _ in held], dtype=torch.long).reshape(-1, columns)
    return places, torch.tensor([value for _, value in held], dtype=torch.float32).reshape(-1, size)


def _costs(language, asked):
    """Places of the last digits of both costs, and their logarithms; nothing where the prompt has none."""
    if asked.costs is None:
        return [], []
    comma = language.tokenizer(",", add_special_tokens=False)["input_ids"][-1]
    turn = len(asked.prompt) - 2 - asked.prompt[::-1].index(comma)
    return [turn, len(asked.prompt) - 2], [float(np.log10(cost) + 1.7) for cost in asked.costs]


def _evenly(row, source, targets):
    return [((row, source, target), 1.0 / len(targets)) for target in targets]


def _hot(facts):
    """A 1.0 for each of VALUES that is among the facts."""
    return [float(value in {fact.value for fact in facts}) for value in VALUES]


def _differs(people):
    """A 1.0 for each attribute that is not the same for all of them."""
    return [
        float(len({fact.value for fact in column}) > 1)
        for column in zip(*(p.facts for p in people), strict=True)
    ]


def _values(language):
    """Attribute and value of each token that is a whole value."""
    values = {}
    for name, several in ATTRIBUTES.items():
        for value in several:
            for text in (value.lower(), value.capitalize()):
                ids = language.tokenizer(text, add_special_tokens=False)["input_ids"]
                if len(ids) == 1:
                    values[ids[0]] = (name, value.lower())
    return values


def _others(prompt, values):
    """For each place of a value: earlier places of its attribute's other values."""
    known = {k: values[token] for k, token in enumerate(prompt) if token in values}
    return {
        k: [j for j, (other, unlike) in known.items() if j < k and other == name and unlike != value]
        for k, (name, value) in known.items()
    }


def lookup_loss(model, guide, rows):
    """Mean negative log-likelihood of what is learnt, the guide's loss, and shares of it that are right.

    Args:
        model: with eager attention, so that it returns the attention weights.
        guide: of `guide_of`.
        rows: of `rows_of`.

    Returns:
        The two losses, and two shares: of what is taken from a note, of what is said to differ.
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
    guided, width = logits.new_zeros(()), packed.ids_R_T.shape[1]
    for name, read in READS.items():
        places, values = rows.reads[name]
        if len(places):
            said = guide[name](out.hidden_states[read.layer][places[:, 0], places[:, 1]])
            loss = binary_cross_entropy_with_logits if read.binary else mse_loss
            guided = guided + read.weight * loss(said, values)
    right = {}
    for name, look in LOOKS.items():
        (row, source, target), share = rows.looks[name][0].T, rows.looks[name][1][:, 0]
        if len(row):
            looked = out.attentions[look.layer][row, look.head, source, target]
            guided = guided - look.weight * (share * ((looked + 1e-6) / share).log()).sum() / share.sum()
        found = torch.isin(packed.from_N, row * width + source)
        right[name] = (logits.argmax(-1) == packed.targets_N)[found].float().mean()
    return cross_entropy(logits, packed.targets_N), guided, right["taken"], right["left"]
