"""What a tokenizer's chat template does with a chat, found out by rendering probes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from clarify_env.agents.llm.prompt import Message, fold_system, say
from clarify_env.agents.llm.thoughts import PAIRS, ThoughtLimit, end_of_thought, is_mark, opened, split
from clarify_env.errors import ClarifyError
from clarify_env.text import clean

# Templates that write today's date get this one: nothing but the observation enters a prompt.
_DATE = "{% macro strftime_now(format) %}{{ '2024-07-26' if '-' in format else '26 Jul 2024' }}{% endmacro %}"
# What a template writes between messages that looks like a mark, where it is no token of its own.
_LIKE_A_MARK = re.compile(r"</?[^<>\s]+>|<<[^<>\s]+>>|\[/?[A-Z_]+\]")
_RULES, _FIRST, _SECOND, _THIRD = "Zqrules", "Zqfirst", "Zqsecond", "Zqthird"


class Rewritten(NamedTuple):
    """How a chat template changes an earlier turn when the next one is rendered.

    Args:
        before: the text from the first difference on, as the model saw and wrote it.
        after: the text from there on when the next turn is rendered.
    """

    before: str
    after: str


class ChatTemplate:
    """The chat template of a tokenizer.

    Marks of the template and control tokens that stand in somebody's text are taken apart by a space, so that
    no text can end its message or begin another's. A system message is folded into the first one of the user
    where the template refuses it or leaves it out; a tokenizer that has `rules_in_weights` may leave it out,
    for its model knows the rules.

    Args:
        tokenizer: with a chat template and an end token.
        name: what error messages call the model.
        options: of the template, such as {"enable_thinking": False}.

    Attributes:
        stop: the token that ends a message.
        opens: the mark of a thought that the template begins every message with, or "".
        rewritten: where the template changes earlier turns of a chat, or None where it never does.

    Raises:
        ClarifyError: there is no chat template or end token, or the template refuses or drops text of a chat.
    """

    def __init__(self, tokenizer: Any, name: str, options: Mapping[str, Any] | None = None) -> None:
        self.tokenizer = tokenizer
        self.name = name
        self.options = dict(options or {})
        if not tokenizer.chat_template:
            raise ClarifyError(f"{name}: its tokenizer has no chat template; take an instruction-tuned model")
        if tokenizer.eos_token_id is None:
            raise ClarifyError(f"{name}: its tokenizer has no end token (eos_token), so no message would end")
        if "strftime_now" in tokenizer.chat_template:
            self.options["chat_template"] = _DATE + tokenizer.chat_template
        self._marks: re.Pattern[str] | None = None
        chat = [say("user", _FIRST), say("assistant", _SECOND), say("user", _THIRD)]
        self.folds = False
        self.folds = not self._takes_system([say("system", _RULES), *chat])
        text = self._probe(chat)
        for written in (_FIRST, _SECOND, _THIRD):
            if written not in text:
                who = "assistant" if written == _SECOND else "user"
                raise ClarifyError(f"{name}: its chat template drops the text of the {who}; give it another")
        between = text[text.index(_SECOND) + len(_SECOND) : text.index(_THIRD)]
        pieces = re.split(
            f"{_RULES}|{_FIRST}|{_SECOND}|{_THIRD}", self._probe([say("system", _RULES), *chat])
        )
        self.stop = self._stop(between)
        self.opens = opened(pieces[-1])
        self._marks = self._pattern(pieces)
        self.rewritten = self._rewriting()

    def text(self, chat: Sequence[Message]) -> str:
        """The chat as the template writes it, up to where the model's turn begins."""
        if self.folds:
            chat = fold_system(chat)
        return self._render([say(one["role"], self.harmless(one["content"])) for one in chat])

    def harmless(self, text: str) -> str:
        """The text with marks of the template and control tokens taken apart."""
        text = clean(text)
        if self._marks is None:
            return text
        return self._marks.sub(lambda match: f"{match.group()[0]} {match.group()[1:]}", text)

    def _render(self, chat: Sequence[Message]) -> str:
        text: str = self.tokenizer.apply_chat_template(
            list(chat), tokenize=False, add_generation_prompt=True, **self.options
        )
        return text

    def _probe(self, chat: Sequence[Message]) -> str:
        try:
            return self.text(chat)
        except Exception as error:  # a template says no with an exception of its own
            said = " ".join(str(error).split())[:120]
            raise ClarifyError(f"{self.name}: its chat template refuses a plain chat: {said}") from None

    def _takes_system(self, chat: Sequence[Message]) -> bool:
        try:
            text = self._render(chat)
        except Exception:  # a template says no with an exception of its own
            return False
        return _RULES in text or bool(self.tokenizer.init_kwargs.get("rules_in_weights"))

    def _stop(self, between: str) -> int:
        """The first control token after a message; the end token where the template writes none there."""
        end = int(self.tokenizer.eos_token_id)
        if "<|channel|>" in self.tokenizer.chat_template:
            return end  # each channel of a message ends with a token of its own
        controls = set(self.tokenizer.all_special_ids) | {
            token for token, added in self.tokenizer.added_tokens_decoder.items() if added.special
        }
        ids = self.tokenizer(between, add_special_tokens=False)["input_ids"]
        return next((token for token in ids if token in controls), end)

    def _pattern(self, pieces: Sequence[str]) -> re.Pattern[str] | None:
        """What has to be taken apart in a text."""
        added = self.tokenizer.added_tokens_decoder
        written = {
            int(k) for piece in pieces for k in self.tokenizer(piece, add_special_tokens=False)["input_ids"]
        }
        found = {str(one.content) for token, one in added.items() if one.special or token in written}
        found |= {mark for piece in pieces for mark in _LIKE_A_MARK.findall(piece)}
        listed = sorted((mark for mark in found if len(mark.strip()) > 1), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, listed))) if listed else None

    def _rewriting(self) -> Rewritten | None:
        """Where the template changes earlier turns of a chat, or None where it never does."""
        for own in ("<ask>Which year?</ask>", "First.<answer>a</answer>"):
            chat = [say("user", "Which one?"), say("assistant", own), say("user", "The first.")]
            before, after = self.text(chat[:1]) + own, self.text(chat)
            if not after.startswith(before):
                at = next(i for i, (a, b) in enumerate(zip(before, after + "\0", strict=False)) if a != b)
                return Rewritten(before[at : at + 60], after[at : at + 60])
        return None

    def thinking_tokens(self, ids: Sequence[int]) -> int:
        """How many of a message's tokens are thoughts, their marks included."""
        text = self.opens + self.readable(ids)
        _, end = split(text)
        if not end:
            return 0
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            if len(self.opens) + len(self.readable(ids[:middle])) >= end:
                high = middle
            else:
                low = middle + 1
        return low

    def thought_limit(self, most: int) -> ThoughtLimit:
        """What ends a thought after so many tokens.

        Raises:
            ClarifyError: it is not known how this model writes its thoughts.
        """
        pairs = PAIRS if not self.opens else [(self.opens, end_of_thought(self.opens))]
        known = self.tokenizer.get_vocab()
        for begin, end in pairs:
            written = [(begin, end), (begin.upper(), end.upper())]
            for first, last in written:
                if self.opens or (first in known and last in known):
                    ids = [
                        tuple(self.tokenizer(t, add_special_tokens=False)["input_ids"]) for t in (first, last)
                    ]
                    return ThoughtLimit(most, () if self.opens else ids[0], ids[1])
        raise ClarifyError(
            f"max_thinking_tokens={most}: {self.name} has no token that begins a thought, and its chat "
            "template opens none; leave it out"
        )

    def readable(self, ids: Sequence[int]) -> str:
        """Text of sampled ids: without control tokens, but with marks of thoughts that are such tokens."""
        special = set(self.tokenizer.all_special_ids)
        if not special.intersection(ids):
            return clean(self.tokenizer.decode(list(ids), skip_special_tokens=True))
        text = clean(self.tokenizer.decode(list(ids), skip_special_tokens=False))
        dropped = [token for token in self.tokenizer.all_special_tokens if not is_mark(token)]
        if "<|channel|>" in text:
            dropped = []  # `aloud` needs to see where a channel ends
        for token in sorted(dropped, key=len, reverse=True):
            text = text.replace(token, "")
        return text
