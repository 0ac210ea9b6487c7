"""A key-value cache with one row per dialogue, each filled from the left.

A token stands at its own position whatever the lengths of the other rows, and what a row has not written yet
is masked. So rows can be added, removed and moved without being computed again.
"""

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from clarify_env.agents.llm.model import LanguageModel

_STRIDE = 32  # widths are multiples of this: sums then run in the same order whatever the neighbours' lengths


Kept = list[tuple[torch.Tensor, torch.Tensor]]  # of each layer the keys_H_T_D and values_H_T_D of a sequence


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer; `owner` says which rows and positions are written."""

    def __init__(self, owner: "KVCache") -> None:
        super().__init__()
        self.owner = owner

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing: `ensure` allocates."""

    def ensure(self, keys: torch.Tensor, values: torch.Tensor, rows: int, width: int) -> None:
        """Make room for so many rows of so many tokens such as these; what was there is kept."""
        old = self.keys
        if old is not None and old.shape[0] >= rows and old.shape[2] >= width:
            return
        have = (0, 0) if old is None else (old.shape[0], old.shape[2])
        for name, like in (("keys", keys), ("values", values)):
            shape = (max(rows, have[0]), like.shape[1], max(width, have[1]), like.shape[3])
            # zeros: what no dialogue has written yet is masked, but must be finite
            grown = torch.zeros(shape, dtype=like.dtype, device=like.device)
            if old is not None:
                grown[: have[0], :, : have[1]] = getattr(self, name)
            setattr(self, name, grown)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new tokens of the rows that are read now; returns what these rows may attend to."""
        owner = self.owner
        self.ensure(key_states, value_states, owner.rows, owner.capacity)
        assert self.keys is not None
        assert self.values is not None
        at, positions, width = owner.at_B, owner.positions_B_T, owner.width
        rows = owner.range_B[:at] if isinstance(at, int) else at
        self.keys[rows[:, None], :, positions] = key_states.transpose(1, 2)
        self.values[rows[:, None], :, positions] = value_states.transpose(1, 2)
        return self.keys[at if at is rows else slice(at), :, :width], (
            self.values[at if at is rows else slice(at), :, :width]
        )

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Width of what is attended to; `KVCache.read` makes the mask."""
        return self.owner.width, 0

    def get_seq_length(self) -> int:
        """Tokens before those that are read now."""
        return self.owner.width

    def get_max_length(self) -> int:
        """No maximum."""
        return -1


class KVCache:
    """The keys and values of all layers and rows, as transformers takes them.

    Args:
        model: whose keys and values they are.
        rows: how many dialogues there is room for, >= 1.
    """

    def __init__(self, model: LanguageModel, rows: int) -> None:
        self.model = model
        self.rows = rows
        self.capacity = 0
        self.width = 0
        self.at_B: torch.Tensor | int = 0
        self.positions_B_T = torch.zeros(0, 0, dtype=torch.long)
        self.range_B = torch.arange(rows, device=model.device)
        self.layers = [_Layer(self) for _ in range(model.layers)]
        self.cache = Cache(layers=list(self.layers))
        self.dtype = next(model.model.parameters()).dtype

    def read(self, ids_B_T: torch.Tensor, ends_B: torch.Tensor, at_B: torch.Tensor | int) -> torch.Tensor:
        """Run the model over new tokens of some rows; returns logits_B_V after the last one.

        Args:
            ids_B_T: the tokens, aligned on the right; -1 for padding.
            ends_B: how many tokens each row holds afterwards.
            at_B: the rows' positions, or n for the first n rows.
        """
        device = self.model.device
        steps = ids_B_T.shape[1]
        self.width = -(-int(ends_B.max()) // _STRIDE) * _STRIDE
        self.capacity = max(self.capacity, self.width + 1)
        positions_B_T = ends_B[:, None] - steps + torch.arange(steps, device=device)
        if steps > 1:  # padding is written beyond what any row attends to
            positions_B_T = positions_B_T.masked_fill(ids_B_T < 0, self.width)
        self.positions_B_T, self.at_B = positions_B_T, at_B
        unseen = torch.arange(self.width, device=device) > positions_B_T[:, :, None]
        mask_B_1_T_W = torch.zeros(unseen.shape, dtype=self.dtype, device=device)
        mask_B_1_T_W = mask_B_1_T_W.masked_fill_(unseen, torch.finfo(self.dtype).min)[:, None]
        logits_B_1_V: torch.Tensor = self.model.model(
            input_ids=ids_B_T.clamp(min=0),
            attention_mask=mask_B_1_T_W,
            position_ids=positions_B_T,
            use_cache=True,
            logits_to_keep=1,
            **{self.model.cache_argument: self.cache},
        ).logits
        return logits_B_1_V[:, -1]

    def move(self, source: int, target: int) -> None:
        """Copy a row over another."""
        for layer in self.layers:
            for kept in (layer.keys, layer.values):
                assert kept is not None
                kept[target] = kept[source]

    def take(self, row: int, length: int) -> Kept:
        """A copy of the keys and values of a row's first tokens."""
        held = [(layer.keys, layer.values) for layer in self.layers]
        return [(keys[row, :, :length].clone(), values[row, :, :length].clone()) for keys, values in held]

    def put(self, row: int, kept: Kept, length: int) -> None:
        """Write the first `length` kept tokens into a row."""
        self.capacity = max(self.capacity, -(-length // _STRIDE) * _STRIDE)
        for layer, (keys_H_T_D, values_H_T_D) in zip(self.layers, kept, strict=True):
            layer.ensure(keys_H_T_D[None], values_H_T_D[None], self.rows, self.capacity)
            assert layer.keys is not None
            assert layer.values is not None
            layer.keys[row, :, :length] = keys_H_T_D[:, :length]
            layer.values[row, :, :length] = values_H_T_D[:, :length]
