"""A client for one OpenAI-compatible server that retries requests, counts them, and names every failure.

The retries of the `openai` package are turned off: they are not counted, and an answer that is no JSON, or
JSON of another shape, is not tried again. `Retry-After` is honoured as there.
"""

import asyncio
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import openai

from clarify_env.agents.llm.prompt import Message

_log = logging.getLogger(__name__)


_LEFT_OUT = {
    "seed": "episodes do not repeat there",
    "logprobs": "traces hold no log-probabilities",
    "max_tokens": "max_completion_tokens is sent in its place",
}


class Answered(NamedTuple):
    """A message of the model.

    Args:
        text: what the model wrote, or its refusal; "" where there is nothing.
        finish: why the message ended, in the server's words: "stop", "length", ...
        refused: whether the server says that the model refused.
        tokens: the tokens as text, or None where no log-probabilities came with them.
        logprobs: natural log-probabilities of the tokens, or None.
    """

    text: str
    finish: str
    refused: bool
    tokens: list[str] | None
    logprobs: list[float] | None


class Fault(Exception):
    """A request that brought no message.

    Args:
        kind: under which it is counted.
        words: what happened, in words that are the same for all faults of a kind.
        again: whether the request may be sent again.
        wait: seconds that the server asks to wait before that, or None.
        body: what the server wrote, which may name the field that it rejects.
    """

    def __init__(
        self, kind: str, words: str, again: bool = False, wait: float | None = None, body: str = ""
    ) -> None:
        super().__init__(words)
        self.kind, self.words, self.again, self.wait, self.body = kind, words, again, wait, body


def _read_message(data: Mapping[str, Any]) -> Answered:
    """The message in the body of an answer; raises `Fault` where there is none."""
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Fault("wrong_shape", "an answer without a message", True)
    content, refusal = message.get("content"), message.get("refusal")
    if not isinstance(content, (str, type(None))) or not isinstance(refusal, (str, type(None))):
        raise Fault("wrong_shape", "an answer whose message is no text", True)
    finish = str(choice.get("finish_reason") or "")
    if finish == "content_filter" and not content:
        raise Fault("filtered", "the server's filter withheld the message")
    tokens, logprobs = _logprobs(choice.get("logprobs"))
    return Answered(content or refusal or "", finish, bool(refusal), tokens, logprobs)


def _told(body: object) -> str:
    """The error message in the body of an answer; servers put it in different places."""
    if not isinstance(body, dict):
        return ""
    for value in (body.get("message"), body.get("detail"), body.get("error")):
        if isinstance(value, str):
            return value
        if isinstance(value, dict):
            return _told(value)
    return ""


def _logprobs(given: object) -> tuple[list[str] | None, list[float] | None]:
    entries = given.get("content") if isinstance(given, dict) else None
    if not isinstance(entries, list) or not entries:
        return None, None
    tokens, logprobs = [], []
    for entry in entries:
        value = entry.get("logprob") if isinstance(entry, dict) else None
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            return None, None
        tokens.append(str(entry.get("token", "")))
        logprobs.append(round(float(value), 6))
    return tokens, logprobs


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
    except (ValueError, TypeError):
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
        timeout: seconds for one request as a whole.
        retries: how often a request is sent again.
        longest_wait: the longest `Retry-After` that is waited for, in seconds; beyond it the request fails.
        stats: counters to add to.
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
        timeout: float,
        retries: int,
        longest_wait: float,
        stats: dict[str, int],
    ) -> None:
        self.model = model
        self.url = _without_secrets(base_url)
        self.request = dict(request)
        self.asked = {"seed", "logprobs"} if logprobs else {"seed"}
        self.extra = dict(extra)
        self.timeout = timeout
        self.retries = retries
        self.longest_wait = longest_wait
        self.stats = stats
        self.left_out: set[str] = set()
        self._key = api_key
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=timeout)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(self, messages: Sequence[Message], seed: int) -> Answered:
        """The model's next message; raises `Fault` where no try brought one."""
        for tried in range(self.retries + 1):
            try:
                return await self._adapted(messages, seed)
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
            data = await self._call(self._client.models.with_raw_response.list())
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

    async def _adapted(self, messages: Sequence[Message], seed: int) -> Answered:
        """The message, asked for without the fields that this server rejects; they are remembered."""
        without = set(self.left_out)
        while True:
            try:
                answered = await self._once(messages, seed, without)
                break
            except Fault as fault:
                more = self._objects(fault, without)
                if not more:
                    raise
                without |= more
        for name in sorted(without - self.left_out):
            self.left_out.add(name)
            _log.warning("%s takes no %s from now on: %s", self.url, name, _LEFT_OUT[name])
        return answered

    def _objects(self, fault: Fault, without: set[str]) -> set[str]:
        """The fields to leave out: those that the rejection names, else all that can be left out."""
        if fault.kind != "rejected":
            return set()
        spare = self.asked - without
        if "max_completion_tokens" in fault.body and "max_tokens" not in without:
            return {"max_tokens"}
        return {name for name in spare if name in fault.body} or spare

    async def _once(self, messages: Sequence[Message], seed: int, without: set[str]) -> Answered:
        request = dict(self.request)
        if "max_tokens" in without:
            request["max_completion_tokens"] = request.pop("max_tokens")
        wanted = {"seed": seed, "logprobs": True}
        request |= {name: wanted[name] for name in self.asked - without}
        self.stats["requests"] += 1
        try:
            call = self._client.chat.completions.with_raw_response.create(
                model=self.model, messages=list(messages), extra_body=self.extra or None, **request
            )
            return self._message(await self._call(call))
        except Fault as fault:
            key = f"faults/{fault.kind}"
            self.stats[key] = self.stats.get(key, 0) + 1
            raise

    async def _call(self, call: Any) -> dict[str, Any]:
        """The JSON object that the server sends; raises `Fault`."""
        try:
            async with asyncio.timeout(self.timeout):
                raw = await call
                text = raw.http_response.text
        except (TimeoutError, openai.APITimeoutError):
            raise Fault("timeout", f"no answer within {self.timeout:g} s", True) from None
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__.startswith("Connect"):
                raise Fault("unreachable", "cannot be reached", True) from None
            raise Fault("cut", "the connection broke off", True) from None
        except UnicodeError:
            raise Fault("not_json", "an answer that is no JSON", True) from None
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise Fault("not_json", "an answer that is no JSON", True) from None
        if not isinstance(data, dict):
            raise Fault("wrong_shape", "an answer without a message", True)
        return data

    def _message(self, data: dict[str, Any]) -> Answered:
        given = data.get("usage")
        usage = given if isinstance(given, dict) else {}
        for name, field in (("prompt_tokens", "prompt_tokens"), ("sampled_tokens", "completion_tokens")):
            count = usage.get(field)
            self.stats[name] += count if isinstance(count, int) and count >= 0 else 0
        if not usage:
            self.stats["without_usage"] += 1
        return _read_message(data)

    def _refusal(self, error: Any) -> Fault:
        """What an HTTP status stands for."""
        status = error.status_code
        again = error.response.headers.get("x-should-retry") != "false"
        wait = _retry_after(error.response.headers)
        if status == 429:
            long = f", for more than {self.longest_wait:g} s" if (wait or 0.0) > self.longest_wait else ""
            return Fault("rate_limited", f"too many requests (429){long}", again, wait)
        if status in (408, 409) or status >= 500:
            return Fault("server_error", f"server error ({status})", again, wait)
        if status in (401, 403):
            return Fault("denied", f"access denied ({status}); is the API key right?")
        body = error.body if isinstance(error.body, str) else json.dumps(error.body)
        said = self._shown(_told(error.body) or str(error.message))
        if status in (404, 405):
            return Fault("unknown_model", f"no such model or address ({status}): {said}")
        return Fault("rejected", f"the request was rejected ({status}): {said}", body=body)

    def _shown(self, text: str) -> str:
        """A server's words on one short line, without the API key."""
        text = " ".join(text.split())
        return (text.replace(self._key, "***") if self._key else text)[:200]
