"""Samples messages of many dialogues at once, and keeps their keys and values for the next turn.

A row of the batch whose message is complete goes to a dialogue that waits. Keys and values are found again by
token ids: of a prompt that begins like an earlier one, as at the next turn of a dialogue or with the same
rules, only the rest is computed. Where an architecture is not made for that, prompts of the same length are
sampled together through transformers' own caches.
"""

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from clarify_env.agents.llm.kv_cache import Kept, KVCache
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.self_check import caches_trouble, check_causal, rows_trouble
from clarify_env.agents.llm.thoughts import ThoughtLimit
from clarify_env.errors import ClarifyError

_log = logging.getLogger(__name__)


_BLOCK = 16  # prefixes are found by blocks of so many tokens


_CHUNK = 16_384  # tokens read in one forward pass


class Completion(NamedTuple):
    """One sampled message.

    Args:
        ids: its tokens, the stop token included unless the limit of tokens came first.
        logprobs: natural log-probability of each token under the distribution that it was drawn from.
    """

    ids: list[int]
    logprobs: list[float]


@dataclass(slots=True)
class _Row:
    """A dialogue whose message is being sampled."""

    index: int
    prompt: list[int]
    draws: NDArray[np.float64]
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.ids)


class PrefixCache:
    """Keys and values of token sequences, found by a common prefix; drops the least recently used first.

    Args:
        tokens: how many tokens to keep, over all sequences.
    """

    def __init__(self, tokens: int) -> None:
        self.most = tokens
        self.held = 0
        self._kept: OrderedDict[int, tuple[list[int], Kept, list[int]]] = OrderedDict()
        self._found: dict[int, int] = {}  # hash of a prefix of whole blocks: the last sequence that has it
        self._next = 0

    def clear(self) -> None:
        """Forget everything, as after an update of the weights."""
        self._kept.clear()
        self._found.clear()
        self.held = 0

    def longest(self, ids: Sequence[int]) -> tuple[int, Kept | None]:
        """How many first tokens of `ids` are known, and the keys and values of a sequence that has them.

        The last token never counts as known, since its logits are needed.
        """
        hashes = _hashes(ids)
        for count in range(len(hashes), 0, -1):
            key = self._found.get(hashes[count - 1])
            if key is not None and key in self._kept:
                known, kept, _ = self._kept[key]
                common = _common(known, ids[:-1])
                if common >= min(count * _BLOCK, len(ids) - 1):
                    self._kept.move_to_end(key)
                    return common, kept
        return 0, None

    def add(self, ids: list[int], kept: Kept) -> None:
        """Remember the keys and values of a sequence."""
        hashes = _hashes(ids)
        if not hashes or len(ids) > self.most:
            return
        key, self._next = self._next, self._next + 1
        self._kept[key] = (ids, kept, hashes)
        self._found.update(dict.fromkeys(hashes, key))
        self.held += len(ids)
        while self.held > self.most:
            old, (gone, _, marks) = self._kept.popitem(last=False)
            self.held -= len(gone)
            for mark in marks:
                if self._found.get(mark) == old:
                    del self._found[mark]


def _hashes(ids: Sequence[int]) -> list[int]:
    """A hash of each prefix of whole blocks."""
    chain, hashes = 0, []
    for start in range(0, len(ids) - _BLOCK + 1, _BLOCK):
        chain = hash((chain, *ids[start : start + _BLOCK]))
        hashes.append(chain)
    return hashes


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common prefix."""
    most = min(len(a), len(b))
    differ = np.flatnonzero(np.array(a[:most]) != np.array(b[:most]))
    return int(differ[0]) if len(differ) else most


class Generator:
    """Samples messages from a language model.

    Args:
        model: the model.
        rows: messages sampled at the same time, >= 1.
        memory: tokens whose keys and values are kept between calls, >= 0.
    """

    def __init__(self, model: LanguageModel, rows: int = 256, memory: int = 100_000) -> None:
        if not isinstance(rows, int) or rows < 1:
            raise ClarifyError(f"rows={rows!r}: at least 1 dialogue is sampled at a time")
        self.model = model
        self.rows = rows
        self.memory = PrefixCache(memory)
        self.slow = self._slow()
        self.read_tokens = 0  # prompt tokens that went through the model
        self.reused_tokens = 0  # prompt tokens whose keys and values were known

    def _slow(self) -> str:
        """Why rows and memory are not used for this model, or "" where they are."""
        if self.model.slow is None:
            check_causal(self.model)
            self.model.slow = rows_trouble(self.model)
            if self.model.slow:
                _log.warning(
                    "%s: is sampled through transformers' own caches, which is slower, since rows that share "
                    "a batch do not suit it (%s)",
                    self.model.name,
                    self.model.slow,
                )
        return self.model.slow

    @torch.inference_mode()
    def sample(
        self,
        prompts: Sequence[list[int]],
        rngs: Sequence[np.random.Generator],
        limit: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        thoughts: ThoughtLimit | None = None,
    ) -> list[Completion]:
        """A message for each prompt, in order.

        Args:
            prompts: token ids.
            rngs: one generator per prompt; each gives `limit` draws whatever is sampled.
            limit: most tokens of a message, >= 1.
            temperature: of the softmax, >= 0; 0 takes the likeliest token.
            top_p: the likeliest tokens that together reach this probability are drawn from, in (0, 1].
            thoughts: ends those that grow too long.

        Raises:
            ClarifyError: out of memory, with the setting to lower.
        """
        longest = max(map(len, prompts), default=0) + limit
        how = self._plain if self.slow or longest > self.model.window else self._sample
        try:
            return how(prompts, rngs, limit, temperature, top_p, thoughts)
        except torch.OutOfMemoryError:
            self.memory.clear()
            raise ClarifyError(
                f"{self.model.name}: out of memory on {self.model.device} with rows={self.rows}, "
                f"memory={self.memory.most}; lower rows, then memory"
            ) from None

    def _sample(
        self,
        prompts: Sequence[list[int]],
        rngs: Sequence[np.random.Generator],
        limit: int,
        temperature: float,
        top_p: float,
        thoughts: ThoughtLimit | None,
    ) -> list[Completion]:
        done: list[Completion | None] = [None] * len(prompts)
        waiting = [
            _Row(i, prompt, rng.random(limit))
            for i, (prompt, rng) in enumerate(zip(prompts, rngs, strict=True))
        ]
        waiting.reverse()
        cache = KVCache(self.model, min(self.rows, len(prompts)))
        active: list[_Row] = []
        logits_B_V = torch.zeros(0)
        while waiting or active:
            room = cache.rows - len(active)
            if waiting and (not active or room >= max(1, cache.rows // 8)):
                new = [waiting.pop() for _ in range(min(room, len(waiting)))]
                first = self._prefill(cache, len(active), new)
                logits_B_V = torch.cat([logits_B_V, first]) if active else first
                active += new
            tokens, logprobs = _draw(
                logits_B_V, [row.draws[len(row.ids)] for row in active], temperature, top_p
            )
            tokens, logprobs = _ended(thoughts, [row.ids for row in active], tokens, logprobs)
            for row, token, logprob in zip(active, tokens, logprobs, strict=True):
                row.ids.append(token)
                row.logprobs.append(logprob)
            at = 0
            while at < len(active):
                row = active[at]
                if row.ids[-1] not in self.model.stop_ids and len(row.ids) < limit:
                    at += 1
                    continue
                done[row.index] = Completion(row.ids, row.logprobs)
                if self.memory.most:
                    self.memory.add([*row.prompt, *row.ids[:-1]], cache.take(at, row.length - 1))
                last = active.pop()
                if last is not row:
                    cache.move(len(active), at)
                    active[at] = last
            if active:
                device = self.model.device
                ids_B_1 = torch.tensor([[row.ids[-1]] for row in active], device=device)
                ends_B = torch.tensor([row.length for row in active], device=device)
                logits_B_V = cache.read(ids_B_1, ends_B, len(active))
        return [sampled for sampled in done if sampled is not None]

    def _plain(
        self,
        prompts: Sequence[list[int]],
        rngs: Sequence[np.random.Generator],
        limit: int,
        temperature: float,
        top_p: float,
        thoughts: ThoughtLimit | None,
    ) -> list[Completion]:
        """By transformers' own generation, which knows each architecture; prompts of one length together.

        Where even its caches are wrong, everything is read anew for each token.
        """
        groups: dict[int, list[int]] = defaultdict(list)
        for k, prompt in enumerate(prompts):
            groups[len(prompt)].append(k)
        draws_N_T = [rng.random(limit) for rng in rngs]
        done: dict[int, Completion] = {}
        if self.model.uncached is None:
            self.model.uncached = caches_trouble(self.model)
        settings = GenerationConfig(
            max_new_tokens=limit,
            use_cache=not self.model.uncached,
            do_sample=False,
            eos_token_id=sorted(self.model.stop_ids),
            pad_token_id=self.model.stop,
        )
        for length, listed in groups.items():
            for at in range(0, len(listed), self.rows):
                part = listed[at : at + self.rows]
                ids_B_T = torch.tensor([prompts[k] for k in part], device=self.model.device)
                drawing = _Drawing(
                    length, np.array([draws_N_T[k] for k in part]), temperature, top_p, thoughts
                )
                found_B_T = self.model.model.generate(
                    ids_B_T,
                    attention_mask=torch.ones_like(ids_B_T),
                    generation_config=settings,
                    logits_processor=LogitsProcessorList([drawing]),
                )
                self.read_tokens += ids_B_T.numel()
                for b, k in enumerate(part):
                    ids = found_B_T[b, length:].tolist()
                    ends = [t for t, token in enumerate(ids) if token in self.model.stop_ids]
                    count = ends[0] + 1 if ends else len(ids)
                    done[k] = Completion(ids[:count], [step[b] for step in drawing.logprobs[:count]])
        return [done[k] for k in range(len(prompts))]

    def _prefill(self, cache: KVCache, first: int, rows: Sequence[_Row]) -> torch.Tensor:
        """Read prompts into the rows from `first` on; returns logits_B_V after each."""
        device = self.model.device
        self._share([row.prompt for row in rows])
        starts = []
        for at, row in enumerate(rows, start=first):
            known, kept = self.memory.longest(row.prompt) if self.memory.most else (0, None)
            if kept is not None:
                cache.put(at, kept, known)
            starts.append(known)
            self.reused_tokens += known
        news = [len(row.prompt) - start for row, start in zip(rows, starts, strict=True)]
        result: list[torch.Tensor | None] = [None] * len(rows)
        for part in _parts(news):
            steps = max(news[k] for k in part)
            ids = [[-1] * (steps - news[k]) + rows[k].prompt[starts[k] :] for k in part]
            ends_B = torch.tensor([len(rows[k].prompt) for k in part], device=device)
            at_B = torch.tensor([first + k for k in part], device=device)
            logits_P_V = cache.read(torch.tensor(ids, device=device), ends_B, at_B)
            self.read_tokens += sum(news[k] for k in part)
            for k, logits_V in zip(part, logits_P_V, strict=True):
                result[k] = logits_V
        return torch.stack([logits_V for logits_V in result if logits_V is not None])

    def _share(self, prompts: Sequence[list[int]]) -> None:
        """Read the common beginning of these prompts once, where that is worth a forward pass."""
        if not self.memory.most or len(prompts) < 4:
            return
        common = min(_common(prompts[0], prompt) for prompt in prompts) // _BLOCK * _BLOCK
        if common < 2 * _BLOCK or self.memory.longest(prompts[0][: common + 1])[0] >= common:
            return
        cache = KVCache(self.model, 1)
        ids_1_T = torch.tensor([prompts[0][:common]], device=self.model.device)
        cache.read(ids_1_T, torch.tensor([common], device=self.model.device), 1)
        self.read_tokens += common
        self.memory.add(prompts[0][:common], cache.take(0, common))


def _parts(news: Sequence[int]) -> list[list[int]]:
    """Rows grouped by similar numbers of new tokens, each group small enough for one forward pass."""
    parts: list[list[int]] = []
    for k in sorted(range(len(news)), key=news.__getitem__):
        most = news[k]
        part = parts[-1] if parts else []
        if part and most * (len(part) + 1) <= _CHUNK and most <= 1.25 * news[part[0]] + 8:
            part.append(k)
        else:
            parts.append([k])
    return parts


class _Drawing(LogitsProcessor):  # type: ignore[misc]
    """Draws each token as `_draw` does, and leaves transformers no other to choose.

    Args:
        begin: tokens of a prompt.
        draws_B_T: the draws of each message.
        temperature, top_p, thoughts: as of `Generator.sample`.
    """

    def __init__(
        self,
        begin: int,
        draws_B_T: NDArray[np.float64],
        temperature: float,
        top_p: float,
        thoughts: ThoughtLimit | None,
    ) -> None:
        self.begin, self.draws_B_T = begin, draws_B_T
        self.temperature, self.top_p, self.thoughts = temperature, top_p, thoughts
        self.logprobs: list[list[float]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        draws = self.draws_B_T[:, input_ids.shape[1] - self.begin].tolist()
        tokens, logprobs = _draw(scores, draws, self.temperature, self.top_p)
        if self.thoughts:
            written = input_ids[:, self.begin :].tolist()
            tokens, logprobs = _ended(self.thoughts, written, tokens, logprobs)
        self.logprobs.append(logprobs)
        at_B_1 = torch.tensor(tokens, device=scores.device)[:, None]
        return torch.full_like(scores, -torch.inf).scatter(-1, at_B_1, 0.0)


def _ended(
    thoughts: ThoughtLimit | None, rows: Sequence[list[int]], tokens: list[int], logprobs: list[float]
) -> tuple[list[int], list[float]]:
    """The next tokens and their log-probabilities, but where a thought has to end: there that is certain."""
    if thoughts is None:
        return tokens, logprobs
    forced = [thoughts.forced(ids) for ids in rows]
    return (
        [token if must is None else must for token, must in zip(tokens, forced, strict=True)],
        [p if must is None else 0.0 for p, must in zip(logprobs, forced, strict=True)],
    )


def _draw(
    logits_B_V: torch.Tensor, draws: Sequence[float], temperature: float, top_p: float
) -> tuple[list[int], list[float]]:
    """One token per row with its log-probability, by inverting the distribution function at `draws`."""
    if temperature == 0.0:
        tokens_B = logits_B_V.argmax(-1)
        return tokens_B.tolist(), [0.0] * len(tokens_B)
    logprobs_B_V = torch.log_softmax(logits_B_V.double() / temperature, dim=-1)
    if top_p < 1.0:
        ranked_B_V, order_B_V = logprobs_B_V.sort(dim=-1, descending=True, stable=True)
        before_B_V = ranked_B_V.exp().cumsum(-1) - ranked_B_V.exp()
        cut_B_V = torch.zeros_like(before_B_V, dtype=torch.bool).scatter(-1, order_B_V, before_B_V >= top_p)
        logprobs_B_V = torch.log_softmax(logprobs_B_V.masked_fill(cut_B_V, -torch.inf), dim=-1)
    below_B_V = logprobs_B_V.exp().cumsum(-1)
    points_B_1 = torch.tensor(draws, dtype=below_B_V.dtype, device=below_B_V.device)[:, None]
    points_B_1 = points_B_1 * below_B_V[:, -1:]
    tokens_B = torch.searchsorted(below_B_V, points_B_1, right=True).clamp(max=logits_B_V.shape[-1] - 1)
    return tokens_B[:, 0].tolist(), logprobs_B_V.gather(-1, tokens_B)[:, 0].tolist()
