"""`TransformersAgent`: a causal language model of Hugging Face transformers plays any player."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from clarify_env.agent import Agent, Decision, NoMove, Observation
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.prompt import Prompt, decision
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.agents.llm.sampler import Completion, Generator
from clarify_env.agents.llm.thoughts import ThoughtLimit
from clarify_env.agents.llm.truncation import fit
from clarify_env.errors import ClarifyError

_log = logging.getLogger(__name__)


_STATS = (
    "messages", "format_failures", "retries", "unfinished", "shortened_prompts",
    "prompt_tokens", "read_tokens", "reused_tokens", "sampled_tokens", "thinking_tokens",
)  # fmt: skip


class TransformersAgent(Agent):
    """Plays by sampling messages from a language model, for any number of dialogues at once.

    A decision's trace holds the sampled token ids, the stop token included, and their log-probabilities
    under the distribution that they were drawn from; of a message cut off by max_tokens also `finish`:
    "length", and of one with a thought `thinking_tokens`, how many tokens that has. `stats` counts messages,
    format failures and tokens.

    Args:
        model: a loaded `LanguageModel`, a folder, a GGUF file, a hub id, or "small" (the default) for the
            model that ships with clarify_env.
        prompt: how a turn is put to the model; by default `RolePrompt()`, which serves every player.
        temperature: of sampling, >= 0; 0 always takes the likeliest token.
        top_p: share of the probability that is drawn from, in (0, 1].
        max_tokens: the most tokens of a message, >= 1.
        max_thinking_tokens: the most tokens of a thought, which is then ended, >= 1; by default any number.
        chat_template_kwargs: options of the chat template, such as {"enable_thinking": False}, for a model
            that is loaded here.
        format_retries: how often a message that is no move is sampled again, >= 0.
        rows: how many messages are sampled at the same time; lower it where memory is short.
        memory: how many tokens' keys and values are kept for later turns, >= 0.
        device, dtype: see `LanguageModel.load`.
        seed: of the agent's own generator.

    Raises:
        ClarifyError: the model cannot be loaded, an argument is out of range, or later on a prompt is too
            long for the model or memory runs out.
    """

    def __init__(
        self,
        model: LanguageModel | str | Path = "small",
        prompt: Prompt | None = None,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_tokens: int = 160,
        max_thinking_tokens: int | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        format_retries: int = 0,
        rows: int = 256,
        memory: int = 100_000,
        device: str | None = None,
        dtype: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if temperature < 0.0 or not 0.0 < top_p <= 1.0:
            raise ClarifyError(f"temperature={temperature!r}, top_p={top_p!r}: at least 0, and in (0, 1]")
        if max_tokens < 1 or format_retries < 0 or memory < 0:
            raise ClarifyError(
                f"max_tokens={max_tokens!r}, format_retries={format_retries!r}, memory={memory!r}: "
                "at least 1, 0 and 0"
            )
        if isinstance(model, LanguageModel):
            if chat_template_kwargs is not None:
                raise ClarifyError(
                    f"chat_template_kwargs={chat_template_kwargs!r}: {model.name} is loaded; "
                    "give them to LanguageModel.load"
                )
            self.model = model
        else:
            self.model = LanguageModel.load(model, device, dtype, chat_template_kwargs)
        if max_tokens >= self.model.context:
            raise ClarifyError(
                f"max_tokens={max_tokens}: {self.model.name} has a context of {self.model.context} tokens"
            )
        if max_thinking_tokens is not None and not 1 <= max_thinking_tokens < max_tokens:
            raise ClarifyError(
                f"max_thinking_tokens={max_thinking_tokens!r}: at least 1, and less than max_tokens="
                f"{max_tokens}"
            )
        self.max_thinking_tokens = max_thinking_tokens
        self._thoughts: ThoughtLimit | None = None
        if max_thinking_tokens is not None:
            self._thoughts = self.model.template.thought_limit(max_thinking_tokens)
        self.prompt = prompt or RolePrompt()
        self.temperature = temperature
        self.top_p = top_p
        self.max_tokens = max_tokens
        self.format_retries = format_retries
        self.generator = Generator(self.model, rows, memory)
        self.stats = dict.fromkeys(_STATS, 0)
        if self.model.rewritten:
            _log.warning(
                "%s: its chat template rewrites earlier turns (%r becomes %r); their keys and values are "
                "read anew each turn",
                self.model.name,
                *self.model.rewritten,
            )

    def with_(self, **changes: Any) -> Self:
        """An agent with the same model and other settings, such as temperature=0.0."""
        given = {
            "prompt": self.prompt,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "max_thinking_tokens": self.max_thinking_tokens,
            "format_retries": self.format_retries,
            "rows": self.generator.rows,
            "memory": self.generator.memory.most,
        }
        return type(self)(changes.pop("model", self.model), **{**given, **changes})

    def prompt_ids(self, observation: Observation) -> list[int]:
        """The tokens that the model reads at this turn; too long a prompt is shortened (see `fit`)."""

        def ids(shown: Observation) -> list[int]:
            return self.model.prompt_ids(self.prompt.messages(shown))

        found = ids(observation)
        limit = self.model.context - self.max_tokens
        if len(found) <= limit:
            return found
        if not self.stats["shortened_prompts"]:
            _log.warning("%s: a prompt of %d tokens is shortened to %d", self.model.name, len(found), limit)
        self.stats["shortened_prompts"] += 1
        return ids(fit(observation, lambda shown: len(ids(shown)), limit, self.model.name))

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> list[Decision]:
        """One decision per observation: the move that the prompt reads, and the message as it came."""
        if rngs is None:
            rngs = [np.random.default_rng(int(n)) for n in self._rng.integers(2**63, size=len(observations))]
        prompts = [self.prompt_ids(observation) for observation in observations]
        sampled = self._sample(prompts, rngs)
        decisions = [self._decision(s, o) for s, o in zip(sampled, observations, strict=True)]
        for _ in range(self.format_retries):
            failed = [k for k, made in enumerate(decisions) if isinstance(made.move, NoMove)]
            if not failed:
                break
            self.stats["retries"] += len(failed)
            again = self._sample([prompts[k] for k in failed], [rngs[k] for k in failed])
            for k, new in zip(failed, again, strict=True):
                decisions[k] = self._decision(new, observations[k])
        self.stats["messages"] += len(observations)
        return decisions

    def _sample(self, prompts: list[list[int]], rngs: Sequence[np.random.Generator]) -> list[Completion]:
        """Messages for these prompts; at temperature 0 equal prompts are answered once."""
        first: dict[tuple[int, ...], int] = {}
        if self.temperature == 0.0:
            which = [first.setdefault(tuple(prompt), len(first)) for prompt in prompts]
            own = [list(prompt) for prompt in first]
            answers = self.generator.sample(own, rngs[: len(own)], self.max_tokens, 0.0, 1.0, self._thoughts)
            sampled = [answers[k] for k in which]
        else:
            sampled = self.generator.sample(
                prompts, rngs, self.max_tokens, self.temperature, self.top_p, self._thoughts
            )
        self.stats["prompt_tokens"] += sum(map(len, prompts))
        self.stats["sampled_tokens"] += sum(len(s.ids) for s in sampled)
        self.stats["read_tokens"] = self.generator.read_tokens
        self.stats["reused_tokens"] = self.generator.reused_tokens
        return sampled

    def _decision(self, sampled: Completion, observation: Observation) -> Decision:
        trace: dict[str, Any] = {"ids": sampled.ids, "logprobs": [round(p, 6) for p in sampled.logprobs]}
        if cut := sampled.ids[-1] not in self.model.stop_ids:
            trace["finish"] = "length"
        if thought := self.model.template.thinking_tokens(sampled.ids):
            trace["thinking_tokens"] = thought
        made = decision(self.prompt, self.model.message(sampled.ids), observation, trace)
        self.stats["thinking_tokens"] += thought
        self.stats["unfinished"] += cut
        self.stats["format_failures"] += isinstance(made.move, NoMove)
        return made
