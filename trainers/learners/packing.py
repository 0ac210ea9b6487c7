"""Token sequences packed into rows: several to a row, and what they begin with alike only once.

The same dialogue under other costs differs in a few tokens near its end. Examples with a common beginning
become the branches of one group, which share it; groups share rows. Every token attends to its own branch
and to what its group has in common, at the positions that it had when it was sampled, so that the loss is
the same as one sequence at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch


class Item(NamedTuple):
    """A prompt and the message to be learnt after it, as token ids, and which row of a minibatch that is."""

    prompt: tuple[int, ...]
    message: tuple[int, ...]
    row: int = 0


class Packed(NamedTuple):
    """Rows of tokens with what a model needs to read them as separate sequences.

    Args:
        ids_R_T: the tokens; 0 where there is none.
        positions_R_T: each token's position in its own sequence.
        group_R_T, branch_R_T: which group a token belongs to (-1 for none) and which of its branches (0 for
            what they share).
        from_N, targets_N: positions in the flattened rows that predict a trained token, and that token.
        rows_N: the item's `row` of each trained token.
    """

    ids_R_T: torch.Tensor
    positions_R_T: torch.Tensor
    group_R_T: torch.Tensor
    branch_R_T: torch.Tensor
    from_N: torch.Tensor
    targets_N: torch.Tensor
    rows_N: torch.Tensor

    def mask(self, dtype: torch.dtype) -> torch.Tensor:
        """mask_R_1_T_T to add to the attention scores."""
        order_T = torch.arange(self.ids_R_T.shape[1], device=self.ids_R_T.device)
        same = self.group_R_T[:, :, None] == self.group_R_T[:, None, :]
        branch = self.branch_R_T[:, None, :]
        allowed = same & ((branch == 0) | (branch == self.branch_R_T[:, :, None]))
        allowed &= order_T[:, None] >= order_T[None, :]
        mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
        return mask.masked_fill_(~allowed, torch.finfo(dtype).min)[:, None]

    def to(self, device: torch.device) -> "Packed":
        """The same on another device."""
        return Packed(*(part.to(device) for part in self))


@dataclass
class Group:
    """Items that share what their prompts begin with.

    Args:
        common: tokens that they share, less than the shortest prompt has.
        items: at least one.
        size: tokens of the group in a row, what is shared counted once.
    """

    common: int
    items: list[Item]
    size: int


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning of two sequences."""
    most = min(len(a), len(b))
    if a[:most] == b[:most]:
        return most
    low, high = 0, most
    while high - low > 1:  # a[:low] == b[:low], a[:high] != b[:high]
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _groups(items: Sequence[Item], width: int) -> list[Group]:
    """Items grouped by what their prompts begin with, where sharing it saves tokens."""
    groups: list[Group] = []
    for item in sorted(items):
        length = len(item.prompt) + len(item.message)
        if groups:
            group = groups[-1]
            # the last token of a prompt predicts the first of its message: it stays in the branch
            common = min(group.common, common_prefix(group.items[-1].prompt, item.prompt[:-1]))
            saved = len(group.items) * common - (len(group.items) - 1) * group.common
            if saved > 0 and group.size + length - saved <= width:
                group.common, group.size = common, group.size + length - saved
                group.items.append(item)
                continue
        groups.append(Group(len(item.prompt) - 1, [item], length))
    return groups


def pack(items: Sequence[Item], width: int, most: int) -> list[Packed]:
    """Items in as few rows as first-fit finds, in parts of similar rows.

    Args:
        items: with a non-empty prompt and message each; their order does not matter.
        width: tokens of a row, >= 1; a longer item has a row of its own.
        most: tokens of a part, padding included; a part has at least one row.
    """
    rows: list[tuple[int, list[Group]]] = []
    for group in sorted(_groups(items, width), key=lambda g: -g.size):
        for k, (used, held) in enumerate(rows):
            if used + group.size <= width:
                rows[k] = (used + group.size, [*held, group])
                break
        else:
            rows.append((group.size, [group]))
    rows.sort(key=lambda row: -row[0])
    parts: list[Packed] = []
    start = 0
    while start < len(rows):
        longest = rows[start][0]
        end = start + max(1, most // longest)
        parts.append(tensors([groups for _, groups in rows[start:end]], longest))
        start = end
    return parts


def parted(items: Sequence[Item], unit: int, width: int, most: int) -> list[Packed]:
    """Items packed in parts; what `pack` says, but that every `unit` items in a row stay in one part."""
    if unit == 1:
        return pack(items, width, most)
    parts: list[Packed] = []
    held: list[Item] = []
    used = 0
    for k in range(0, len(items), unit):
        together = items[k : k + unit]
        size = sum(len(item.prompt) + len(item.message) for item in together)
        if held and used + size > most:
            parts += pack(held, width, 1 << 40)
            held, used = [], 0
        held, used = [*held, *together], used + size
    return parts + pack(held, width, 1 << 40)


def tensors(rows: Sequence[Sequence[Group]], width: int) -> Packed:
    """Rows of groups, in the order given.

    Args:
        rows: the groups of each row.
        width: tokens of a row, at least as many as the groups of any of them have.
    """
    ids, positions, numbers, branches = (torch.full((len(rows), width), fill) for fill in (0, 0, -1, 0))
    sources: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for r, groups in enumerate(rows):
        at = 0
        for number, group in enumerate(groups):
            spans = [(0, group.items[0].prompt[: group.common], 0)]
            spans += [
                (b, (*item.prompt[group.common :], *item.message), group.common)
                for b, item in enumerate(group.items, start=1)
            ]
            for branch, tokens, first in spans:
                end = at + len(tokens)
                ids[r, at:end] = torch.tensor(tokens, dtype=torch.long)
                positions[r, at:end] = torch.arange(first, first + len(tokens))
                numbers[r, at:end] = number
                branches[r, at:end] = branch
                if branch:
                    message = group.items[branch - 1].message
                    begin = r * width + end - len(message) - 1
                    sources.extend(range(begin, begin + len(message)))
                    targets.extend(message)
                    owners.extend([group.items[branch - 1].row] * len(message))
                at = end
    return Packed(ids, positions, numbers, branches, *map(torch.tensor, (sources, targets, owners)))
