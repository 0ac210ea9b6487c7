"""`OpenAIAgent`: a language model behind an OpenAI-compatible server plays any player."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from clarify_env.agent import Agent, Decision, Failed, NoMove, Observation
from clarify_env.agents.llm.event_loop import Background
from clarify_env.agents.llm.openai_client import OF_ONE_REQUEST, Answered, ChatServer, Fault
from clarify_env.agents.llm.prompt import Message, Prompt, decision, tags_of
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.errors import ClarifyError, choose, nearest

_STATS = (
    "messages", "format_failures", "format_retries", "unfinished", "refusals", "filtered", "failed",
    "requests", "retries", "prompt_tokens", "sampled_tokens", "thinking_tokens", "without_usage",
)  # fmt: skip


_HOSTED = "https://api.openai.com/v1"


def _regex(tags: Sequence[str]) -> str:
    """What matches a message of one block with one of these tags."""
    return "|".join(f"<{tag}>[^<]+</{tag}>" for tag in tags)


def _grammar(tags: Sequence[str]) -> str:
    """The same in the form of llama.cpp's grammars."""
    blocks = " | ".join(f'"<{tag}>" text "</{tag}>"' for tag in tags)
    return f"root ::= {blocks}\ntext ::= [^<]+"


# How servers are told what a message has to look like, each by fields of its own.
CONSTRAINED: dict[str, Callable[[Sequence[str]], dict[str, Any]]] = {
    "vllm": lambda tags: {"structured_outputs": {"regex": _regex(tags)}},
    "sglang": lambda tags: {"regex": _regex(tags)},
    "llama.cpp": lambda tags: {"grammar": _grammar(tags)},
}


# Ends of a message that leave no move of the model to read, and how they are told.
_NO_MOVE = {
    "refusal": "the model refused",
    "content_filter": "the provider's filter withheld the message",
}


class OpenAIAgent(Agent):
    """Plays through any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, a hosted one.

    The messages of all dialogues are requested together, at most `concurrency` at a time. The seed of a
    request comes from the dialogue's own generator, so that episodes repeat where the server honours seeds.
    What the model does is booked to the player: a refusal, a filtered or an empty message, and one that was
    cut off before its move, are `NoMove`. What the server does is nobody's move: a dialogue whose request
    fails for good gets `Failed` with the reason, and the others go on; after `outage` such dialogues in a
    row the server counts as down, and the run ends with one line.

    The trace of a decision holds the seed, why the message ended (`finish`), what the server counted
    (`prompt_tokens`, `sampled_tokens`, and of these `thinking_tokens`), the model's `thought` where the
    server gives it apart, and the tokens as text with their log-probabilities where it sends them.

    `stats` counts: `messages`, `format_failures` (messages that were no move), `format_retries`, `unfinished`
    (cut off by max_tokens), `refusals`, `filtered`, `failed` dialogues with `failed/KIND`, `requests`,
    `retries` of requests, `faults/KIND` of requests that brought no message, `prompt_tokens`,
    `sampled_tokens` and `thinking_tokens` as the server counts them, and `without_usage`, answers that it did
    not count.

    Args:
        model: the server's name for it.
        base_url: up to and with "/v1"; by default $OPENAI_BASE_URL or OpenAI's own.
        api_key: by default $OPENAI_API_KEY; a server of your own needs none.
        prompt: how a turn is put to the model; by default `RolePrompt()`, which serves every player.
        temperature: of sampling, >= 0; None leaves it to the server.
        max_tokens: most tokens of a message, >= 1.
        concurrency: requests on their way at the same time, >= 1.
        timeout: seconds for one request as a whole, > 0.
        retries: how often a request is sent again that failed in a way that may pass, >= 0.
        longest_wait: the longest `Retry-After` that is waited for, in seconds.
        outage: how many dialogues in a row fail by the server's fault before the run ends, >= 1.
        format_retries: how often a message that is no move is sampled again, >= 0.
        logprobs: whether to ask for log-probabilities.
        fold_system: whether the rules begin the first message of the user from the start; by default only
            once the server has refused a system message.
        constrain: the kind of server, "vllm" (0.12 or newer), "sglang" or "llama.cpp", which writes nothing
            but one block with a tag that the prompt reads; by default messages are free.
        extra: further fields of the request's body, such as {"top_p": 0.9}.
        seed: of the agent's own generator.

    Raises:
        ClarifyError: an argument is out of range, or a hosted server without an API key; later on, the server
            is down.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        prompt: Prompt | None = None,
        *,
        temperature: float | None = 1.0,
        max_tokens: int = 256,
        concurrency: int = 32,
        timeout: float = 60.0,
        retries: int = 4,
        longest_wait: float = 60.0,
        outage: int = 16,
        format_retries: int = 0,
        logprobs: bool = False,
        fold_system: bool = False,
        constrain: str | None = None,
        extra: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        for name, value, least in (
            ("max_tokens", max_tokens, 1),
            ("concurrency", concurrency, 1),
            ("retries", retries, 0),
            ("outage", outage, 1),
            ("format_retries", format_retries, 0),
        ):
            if type(value) is not int or value < least:
                raise ClarifyError(f"OpenAIAgent({name}={value!r}): a whole number, at least {least}")
        if not timeout > 0.0 or not longest_wait >= 0.0 or not (temperature is None or temperature >= 0.0):
            raise ClarifyError(
                f"OpenAIAgent(timeout={timeout!r}, longest_wait={longest_wait!r}, temperature="
                f"{temperature!r}): more than 0, at least 0, and at least 0 or None"
            )
        url = base_url or os.environ.get("OPENAI_BASE_URL") or _HOSTED
        key = api_key or os.environ.get("OPENAI_API_KEY")
        if not key and url == _HOSTED:
            raise ClarifyError(
                "OpenAIAgent: no api_key and no $OPENAI_API_KEY; a server of your own has a base_url"
            )
        if not url.startswith(("http://", "https://")):
            shown = url.rpartition("@")[2]  # without a user and password
            raise ClarifyError(f"OpenAIAgent: base_url {shown!r} does not begin with http:// or https://")
        self.constrain = constrain and CONSTRAINED[choose("constrain", constrain, CONSTRAINED)]
        self.prompt = prompt or RolePrompt()
        self.concurrency = concurrency
        self.max_tokens = max_tokens
        self.outage = outage
        self.format_retries = format_retries
        self.stats = dict.fromkeys(_STATS, 0)
        request: dict[str, Any] = {"max_tokens": max_tokens}
        if temperature is not None:
            request["temperature"] = temperature
        self.server = ChatServer(
            model,
            url,
            key or "none",
            request=request,
            logprobs=logprobs,
            extra=extra or {},
            fold_system=fold_system,
            timeout=timeout,
            retries=retries,
            longest_wait=longest_wait,
            stats=self.stats,
        )
        self._lost = 0  # dialogues that failed since the server's last answer
        self._background = Background(self.server.close)

    def __repr__(self) -> str:
        return f"OpenAIAgent({self.server.model!r}, {self.server.url!r})"

    def check(self) -> None:
        """Check before a long run that the server answers and offers the model.

        Raises:
            ClarifyError: it cannot be reached, denies access, or offers other models.
        """
        asked = f"OpenAIAgent: {self.server.url}, model {self.server.model!r}"
        try:
            offered = self._background.run(self.server.offered())
            if offered is None:  # a server without a list: ask it for a word
                self._background.run(self.server.ask([{"role": "user", "content": "Hello."}], 0))
                return
        except Fault as fault:
            raise ClarifyError(f"{asked}: {fault.words}") from None
        if self.server.model not in offered:
            some = nearest(self.server.model, offered[:20]) if offered else "; it offers none"
            raise ClarifyError(f"{asked}: the server does not offer it{some}")

    def close(self) -> None:
        """Close the connections; this happens by itself when the agent is deleted or Python ends."""
        self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> list[Decision]:
        """One decision per observation, in order, whichever answer comes first."""
        if rngs is None:
            rngs = [self._rng] * len(observations)
        chats = [self.prompt.messages(observation) for observation in observations]
        seeds = [int(rng.integers(2**31)) for rng in rngs]  # drawn in order: rngs may be one and the same
        return self._background.run(self._all(chats, observations, seeds))

    async def _all(
        self, chats: Sequence[list[Message]], observations: Sequence[Observation], seeds: Sequence[int]
    ) -> list[Decision]:
        slots = asyncio.Semaphore(self.concurrency)

        async def one(chat: list[Message], observation: Observation, seed: int) -> Decision:
            async with slots:
                return await self._decide(chat, observation, seed)

        tasks = [asyncio.create_task(one(*each)) for each in zip(chats, observations, seeds, strict=True)]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _decide(self, chat: list[Message], observation: Observation, seed: int) -> Decision:
        """The decision of one dialogue."""
        tags = tags_of(self.prompt, observation) if self.constrain else ()
        form = self.constrain(tags) if self.constrain and tags else {}
        for again in range(self.format_retries + 1):
            own = seed if not again else int(np.random.default_rng((seed, again)).integers(2**31))
            try:
                answered = await self.server.ask(chat, own, form)
            except Fault as fault:
                return Decision(self._failed(fault))
            self._lost = 0
            self.stats["messages"] += not again
            self.stats["format_retries"] += again > 0
            self.stats["unfinished"] += answered.finish == "length"
            self.stats["refusals"] += answered.finish == "refusal"
            self.stats["filtered"] += answered.finish == "content_filter"
            made = self._read(answered, observation, own)
            if not isinstance(made.move, NoMove):
                break
            self.stats["format_failures"] += 1
        return made

    def _failed(self, fault: Fault) -> Failed:
        """The end of a dialogue whose request failed; raises ClarifyError where the server is down."""
        self.stats["failed"] += 1
        key = f"failed/{fault.kind}"
        self.stats[key] = self.stats.get(key, 0) + 1
        self._lost += fault.kind not in OF_ONE_REQUEST
        if self._lost >= self.outage:
            lost, self._lost = self._lost, 0
            raise ClarifyError(f"OpenAIAgent: {fault.words}; {lost} dialogues in a row: the server is down")
        return Failed(fault.words, outside=True)

    def _read(self, answered: Answered, observation: Observation, seed: int) -> Decision:
        """What a message decides."""
        trace: dict[str, Any] = {"seed": seed, "finish": answered.finish, **answered.usage}
        if answered.thought:
            trace["thought"] = answered.thought
        if answered.logprobs is not None:
            trace |= {"tokens": answered.tokens, "logprobs": answered.logprobs}
        if answered.finish in _NO_MOVE:
            return Decision(NoMove(_NO_MOVE[answered.finish]), answered.text, trace)
        made = decision(self.prompt, answered.text, observation, trace)
        if isinstance(made.move, NoMove) and answered.finish == "length":
            return made._replace(move=NoMove(f"cut off after max_tokens={self.max_tokens}, before its move"))
        if isinstance(made.move, NoMove) and not answered.text.strip():
            called = "calls a tool in place of a move" if answered.finish == "tool_calls" else "is empty"
            return made._replace(move=NoMove(f"the message {called}"))
        return made
