"""A client for one OpenAI-compatible server that retries requests, counts them, and names every failure.

It speaks HTTP by itself: the `openai` package would retry uncounted, take an error inside a 200 for an
answer, and read a body of any size.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import httpx

from clarify_env.agents.llm.prompt import Message, fold_system
from clarify_env.errors import ClarifyError
from clarify_env.text import clean

_log = logging.getLogger(__name__)


LARGEST = 16 * 2**20  # bytes of an answer that are read; more is a fault


_LEFT_OUT = {
    "seed": "episodes do not repeat there",
    "logprobs": "traces hold no log-probabilities",
    "max_tokens": "max_completion_tokens is sent in its place",
    "system message": "the rules begin the first message of the user",
}


# How servers and their chat templates say that they take no system message.
_NO_SYSTEM = re.compile(
    r"(?i)system (role|message|prompt|instruction)|\brole\b.{0,60}\bsystem\b|developer instruction"
    r"|only user and assistant roles|roles must alternate"
)


# What other servers call the ends of a message; "interrupted" is the provider's doing, not the model's.
_FINISHES = {
    "length": "max_tokens max_output_tokens model_length",
    "content_filter": "content_filtered safety prohibited_content blocklist recitation sensitive",
    "tool_calls": "function_call tool_use",
    "stop": "end_turn stop_sequence eos eos_token",
    "interrupted": "error abort network_error insufficient_system_resource",
}
_FINISH = {word: finish for finish, words in _FINISHES.items() for word in words.split()}


# Codes of errors by which the request's own content was filtered.
_FILTERED = ("content_filter", "content_policy_violation", "data_inspection_failed")


# Faults that lie in one request; all others are the server's, and the next request would meet them too.
OF_ONE_REQUEST = ("rejected", "prompt_filtered", "too_large")


class Answered(NamedTuple):
    """A message of the model.

    Args:
        text: what the model wrote, or its refusal; "" where there is nothing.
        finish: why the message ended: "stop", "length", "content_filter", "tool_calls", "refusal", or the
            server's own word.
        thought: what the server gives apart as the model's reasoning.
        tokens: the tokens as text, or None where no log-probabilities came with them.
        logprobs: natural log-probabilities of the tokens, or None.
        usage: `prompt_tokens`, `sampled_tokens` and of these `thinking_tokens`; what the server counted.
    """

    text: str
    finish: str
    thought: str
    tokens: list[str] | None
    logprobs: list[float] | None
    usage: dict[str, int]


class Fault(Exception):
    """A request that brought no message.

    Args:
        kind: under which it is counted.
        words: what happened, in words that are the same for all faults of a kind.
        again: whether the request may be sent again.
        wait: seconds that the server asks to wait before that, or None.
        said: the server's own words, which may name the field that it rejects.
    """

    def __init__(
        self, kind: str, words: str, again: bool = False, wait: float | None = None, said: str = ""
    ) -> None:
        super().__init__(words)
        self.kind, self.words, self.again, self.wait, self.said = kind, words, again, wait, said


def read_answer(data: Mapping[str, Any]) -> Answered:
    """The message in the body of an answer; raises `Fault` where there is none."""
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Fault("no_choices", "an answer without choices", True)
    choice = choices[0]
    if not isinstance(choice, dict):
        raise Fault("wrong_shape", "an answer without a message", True)
    finish = _finish(choice.get("finish_reason"))
    if finish == "interrupted" or choice.get("error"):
        raise Fault("interrupted", "the provider broke the message off", True)
    message = choice.get("message")
    if message is None and finish == "content_filter":
        message = {}
    if not isinstance(message, dict):
        raise Fault("wrong_shape", "an answer without a message", True)
    said = _parts(message.get("content"))
    refusal = _text(message.get("refusal")) or said["refusal"]
    thoughts = (message.get("reasoning_content"), message.get("reasoning"), said["thought"])
    thought = _text(next((given for given in thoughts if given and isinstance(given, str)), ""))
    if refusal and finish != "content_filter":
        finish = "refusal"
    tokens, logprobs = _logprobs(choice.get("logprobs"))
    return Answered(said["text"] or refusal, finish, thought, tokens, logprobs, _usage(data.get("usage")))


def _finish(given: object) -> str:
    word = _text(given).lower()[:40] if isinstance(given, str) else ""
    return _FINISH.get(word, word)


def _text(given: object) -> str:
    """A text of the message, "" for null; raises `Fault` for anything else."""
    if given is None:
        return ""
    if not isinstance(given, str):
        raise Fault("wrong_shape", "an answer whose message is no text", True)
    return clean(given)


def _parts(content: object) -> dict[str, str]:
    """What a message's content says, refuses and thinks: it is a text, null, or a list of parts."""
    joined = {"text": "", "refusal": "", "thought": ""}
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, dict):
            joined["text"] += _text(part)
            continue
        kind = part.get("type", "text")
        if kind in ("text", "output_text"):
            joined["text"] += _text(part.get("text"))
        elif kind == "refusal":
            joined["refusal"] += _text(part.get("refusal"))
        elif kind in ("thinking", "reasoning"):
            own = part.get(kind, part.get("text"))
            steps = own if isinstance(own, list) else [own]
            joined["thought"] += "".join(_text(s.get("text") if isinstance(s, dict) else s) for s in steps)
        else:
            raise Fault("wrong_shape", "an answer whose message is no text", True)
    return joined


def _usage(given: object) -> dict[str, int]:
    usage = given if isinstance(given, dict) else {}
    details = usage.get("completion_tokens_details")
    counts = {
        "prompt_tokens": usage.get("prompt_tokens"),
        "sampled_tokens": usage.get("completion_tokens"),
        "thinking_tokens": details.get("reasoning_tokens") if isinstance(details, dict) else None,
    }
    return {name: count for name, count in counts.items() if type(count) is int and 0 <= count < 2**40}


def _logprobs(given: object) -> tuple[list[str] | None, list[float] | None]:
    """Tokens and their log-probabilities: a list of both, or two lists as older servers give them."""
    found = given if isinstance(given, dict) else {}
    entries, words, values = (found.get(name) for name in ("content", "tokens", "token_logprobs"))
    pairs: list[tuple[Any, Any]] = []
    if isinstance(entries, list):
        pairs = [(e.get("token"), e.get("logprob")) if isinstance(e, dict) else (None, None) for e in entries]
    elif isinstance(words, list) and isinstance(values, list) and len(words) == len(values):
        pairs = list(zip(words, values, strict=True))
    for token, value in pairs:
        if not isinstance(token, str) or type(value) not in (int, float) or not abs(value) < 1e9:
            return None, None
    if not pairs:
        return None, None
    return [_text(token) for token, _ in pairs], [round(float(value), 6) for _, value in pairs]


def _told(body: object, depth: int = 0) -> str:
    """The words of an error in the body of an answer; servers put them in different places."""
    if isinstance(body, str):
        return body
    if isinstance(body, list) and depth < 4:  # of pydantic: one entry for each wrong field
        return "; ".join(filter(None, (_told(one, depth + 1) for one in body[:5])))
    if not isinstance(body, dict) or depth > 4:
        return ""
    loc = body.get("loc")
    where = loc if isinstance(loc, list) else [body.get("param")]
    field = ".".join(str(one) for one in where if isinstance(one, (str, int)))
    for name in ("message", "msg", "detail", "error"):
        if said := _told(body.get(name), depth + 1):
            return said if not field or field in said else f"{field}: {said}"
    return ""


def _code(error: object) -> object:
    """The code of an error: an HTTP status, or a word such as "insufficient_quota"."""
    inner = error.get("error") if isinstance(error, dict) else None
    found = next((e for e in (inner, error) if isinstance(e, dict) and "code" in e), {})
    code = found["code"] if found else None
    return int(code) if isinstance(code, str) and re.fullmatch("[0-9]{3}", code) else code


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, which it gives as a number or a date; None where it does not."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if seconds >= 0.0:
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _without_secrets(url: str) -> str:
    """The address without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class ChatServer:
    """Sends requests to a server, repeats them where that can help, and counts them.

    Args:
        model: the server's name for it.
        base_url: up to and with "/v1".
        api_key: sent as the bearer token; it appears in no message.
        request: fields of every request, such as temperature.
        logprobs: whether log-probabilities are asked for.
        extra: further fields of the request's body.
        fold_system: whether the rules begin the first message of the user from the start, rather than once
            the server has refused a system message.
        timeout: seconds for one request as a whole.
        retries: how often a request is sent again.
        longest_wait: the longest `Retry-After` that is waited for, in seconds; beyond it the request fails.
        stats: counters to add to.

    Raises:
        ClarifyError: the address or the key cannot be sent, or `extra` is no JSON.
    """

    backoff = 0.5  # seconds before the first retry, then doubled, at most 8

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str,
        *,
        request: Mapping[str, Any],
        logprobs: bool,
        extra: Mapping[str, Any],
        fold_system: bool,
        timeout: float,
        retries: int,
        longest_wait: float,
        stats: dict[str, int],
    ) -> None:
        self.model = model
        self.request = dict(request)
        self.asked = {"seed", "logprobs"} if logprobs else {"seed"}
        self.extra = dict(extra)
        self.timeout = timeout
        self.retries = retries
        self.longest_wait = longest_wait
        self.stats = stats
        self.left_out = {"system message"} if fold_system else set()
        self._key = api_key
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        if not (api_key.isascii() and api_key.isprintable()):
            raise ClarifyError("OpenAIAgent: the api_key has characters that cannot be sent")
        try:
            self._base = httpx.URL(base_url)
            self.url = _without_secrets(base_url)
        except (httpx.InvalidURL, ValueError):
            shown = base_url.rpartition("@")[2]  # without a user and password
            raise ClarifyError(f"OpenAIAgent: base_url {shown!r} is no address") from None
        try:
            json.dumps(self.extra)
        except (TypeError, ValueError) as error:
            raise ClarifyError(f"OpenAIAgent(extra={self.extra!r:.200}): no JSON: {error}") from None

    def _connected(self) -> httpx.AsyncClient:
        """The connections, which belong to one event loop: after a fork or `close` there is another."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._loop = loop
            self._client = httpx.AsyncClient(
                headers={"authorization": f"Bearer {self._key}", "content-type": "application/json"},
                timeout=None,  # `_call` limits the request as a whole
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
                follow_redirects=True,
            )
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def ask(
        self, messages: Sequence[Message], seed: int, more: Mapping[str, Any] | None = None
    ) -> Answered:
        """The model's next message; raises `Fault` where no try brought one.

        Args:
            messages: the chat.
            seed: of the request.
            more: further fields of this request's body.
        """
        for tried in range(self.retries + 1):
            try:
                return await self._adapted(messages, seed, more or {})
            except Fault as fault:
                pause = fault.wait if fault.wait is not None else self._pause(tried, seed)
                if not fault.again or tried == self.retries or pause > self.longest_wait:
                    times = f", {tried + 1} tries" if tried else ""
                    raise Fault(
                        fault.kind, f"{self.url}, model {self.model!r}: {fault.words}{times}"
                    ) from None
                self.stats["retries"] += 1
                await asyncio.sleep(pause)
        raise AssertionError("not reached")

    async def offered(self) -> list[str] | None:
        """The models that the server offers, or None where it lists none; raises `Fault`."""
        try:
            data = await self._call("GET", "models")
        except Fault as fault:
            if fault.kind == "unknown_model":
                return None
            raise
        listed = data.get("data")
        if not isinstance(listed, list):
            return None
        return [
            entry["id"] for entry in listed if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        ]

    def _pause(self, tried: int, seed: int) -> float:
        """Seconds before the next try: doubled at each, and a little different for each request."""
        return min(self.backoff * 2.0**tried, 8.0) * (0.75 + 0.25 * (seed % 997) / 997)

    async def _adapted(self, messages: Sequence[Message], seed: int, more: Mapping[str, Any]) -> Answered:
        """The message, asked for without what this server says that it does not take; that is remembered."""
        without = set(self.left_out)
        while True:
            try:
                answered = await self._once(messages, seed, without, more)
                break
            except Fault as fault:
                refused = self._refused(fault, messages) - without
                if not refused:
                    raise
                without |= refused
        for name in sorted(without - self.left_out):
            self.left_out.add(name)
            _log.warning("%s takes no %s from now on: %s", self.url, name, _LEFT_OUT[name])
        return answered

    def _refused(self, fault: Fault, messages: Sequence[Message]) -> set[str]:
        """What can be left out, and is named where the server says why it rejects the request."""
        found = set()
        may = fault.kind in ("rejected", "server_error")  # a chat template's own error may come as a 500
        if may and messages[0]["role"] == "system" and _NO_SYSTEM.search(fault.said):
            found.add("system message")
        if fault.kind == "rejected":
            found |= {name for name in self.asked if re.search(rf"\b{name}\b", fault.said)}
            if "max_completion_tokens" in fault.said:
                found.add("max_tokens")
        return found

    async def _once(
        self, messages: Sequence[Message], seed: int, without: set[str], more: Mapping[str, Any]
    ) -> Answered:
        chat = fold_system(messages) if "system message" in without else list(messages)
        request: dict[str, Any] = {"model": self.model, "messages": chat, **self.request}
        if "max_tokens" in without:
            request["max_completion_tokens"] = request.pop("max_tokens")
        wanted = {"seed": seed, "logprobs": True}
        request |= {name: wanted[name] for name in self.asked - without} | self.extra | dict(more)
        self.stats["requests"] += 1
        try:
            data = await self._call("POST", "chat/completions", request)
            usage = _usage(data.get("usage"))
            for name, count in usage.items():
                self.stats[name] += count
            self.stats["without_usage"] += "sampled_tokens" not in usage
            return read_answer(data)
        except Fault as fault:
            key = f"faults/{fault.kind}"
            self.stats[key] = self.stats.get(key, 0) + 1
            raise

    async def _call(self, method: str, path: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that the server sends; raises `Fault`."""
        content = json.dumps(request) if request else None
        url = self._base.copy_with(path=f"{self._base.path.rstrip('/')}/{path}")
        try:
            async with (
                asyncio.timeout(self.timeout),
                self._connected().stream(method, url, content=content) as response,
            ):
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > LARGEST:
                        raise Fault("too_large", f"an answer of more than {LARGEST >> 20} MiB")
        except TimeoutError:
            raise Fault("timeout", f"no answer within {self.timeout:g} s", True) from None
        except httpx.ConnectError:
            raise Fault("unreachable", "cannot be reached", True) from None
        except httpx.HTTPError:
            raise Fault("cut", "the connection broke off", True) from None
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        if not response.is_success:
            raise self._fault(response.status_code, data, response.headers)
        if data is None:
            html = ", but HTML: is the address right?" if body[:200].lstrip()[:1] == b"<" else ""
            raise Fault("not_json", f"an answer that is no JSON{html}", True)
        if not isinstance(data, dict):
            raise Fault("wrong_shape", "an answer without a message", True)
        if data.get("error") or data.get("object") == "error":  # of a gateway, whose own status is 200
            raise self._fault(_code(data), data, {})
        return data

    def _fault(self, status: object, data: object, headers: Mapping[str, str]) -> Fault:
        """What an error stands for, which comes as an HTTP status or in the body of an answer."""
        code, said = _code(data), self._line(_told(data))
        told = said[:200]
        again = headers.get("x-should-retry") != "false"
        wait = _retry_after(headers)
        if code in _FILTERED:
            return Fault("prompt_filtered", f"the provider's filter rejected the prompt: {told}")
        if status == 402 or code == "insufficient_quota":
            return Fault("no_credit", f"no credit left: {told}")
        if not isinstance(status, int) or not 300 <= status < 600:
            return Fault("provider_error", f"the provider reports an error: {told}", again, wait, said)
        if status == 429:
            long = f", for more than {self.longest_wait:g} s" if (wait or 0.0) > self.longest_wait else ""
            return Fault("rate_limited", f"too many requests (429){long}", again, wait)
        if status in (408, 409, 425) or status >= 500:
            return Fault("server_error", f"server error ({status})", again, wait, said)
        if status in (401, 403):
            return Fault("denied", f"access denied ({status}); is the API key right?")
        if status in (404, 405):
            return Fault("unknown_model", f"no such model or address ({status}): {told}")
        return Fault("rejected", f"the request was rejected ({status}): {told}", said=said)

    def _line(self, text: str) -> str:
        """A server's words on one line, without the API key."""
        text = " ".join(_text(text[:4000]).split())
        return text.replace(self._key, "***") if self._key else text
