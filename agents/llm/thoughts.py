"""What of a message is said, and what is thought: the forms in which models write their reasoning."""

import re
from collections.abc import Sequence
from typing import NamedTuple

# Where a thought begins and where it ends; names of tags in any case.
_TAGS = "think|thinking|thought|reasoning|seed:think"
PAIRS = [
    *((f"<{name}>", f"</{name}>") for name in _TAGS.split("|")),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
]
_ENDS = dict(PAIRS)
_MARKS = re.compile("|".join(re.escape(mark) for pair in PAIRS for mark in pair), re.IGNORECASE)
_AROUND = re.compile(r"<\|(?:begin|end)_of_solution\|>|<\|(?:START|END)_RESPONSE\|>")
# Channels, as gpt-oss writes them: what stands in the last one is said, where that is the final one.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")


def is_mark(token: str) -> bool:
    """Whether this token of a model says where a thought begins or ends."""
    return bool(_MARKS.fullmatch(token)) or token in ("<|channel|>", "<|message|>")


def opened(prompt: str) -> str:
    """The mark of a thought that the end of a prompt leaves open, as some chat templates do, or ""."""
    marks = list(_MARKS.finditer(prompt))
    return marks[-1].group() if marks and marks[-1].group().lower() in _ENDS else ""


def end_of_thought(begin: str) -> str:
    """The mark that ends a thought which began with this one."""
    end = _ENDS[begin.lower()]
    return end.upper() if begin.isupper() else end


def escaped(message: str) -> str:
    """A message whose text has no mark of a thought, but the characters of tags that stand for it."""
    return _MARKS.sub(lambda match: match.group().replace("<", "&lt;"), message)


def aloud(text: str) -> str:
    """A message without its thoughts; see `split`."""
    return split(text)[0]


def split(text: str) -> tuple[str, int]:
    """What of a message is said, and where in it the last thought ends (0 without one).

    A thought may lack its opening mark, which some chat templates put before the message, or its closing one,
    where the limit of tokens cut it off. One pass, so that no message takes long.
    """
    if "<|channel|>" in text:
        final = [match for match in _CHANNEL.finditer(text) if match.group(1) == "final"]
        end = final[-1].end() if final else len(text)
        return _CHANNEL_END.split(text[end:])[0].strip(), end
    said: list[str] = []
    begin, inside = 0, ""
    for match in _MARKS.finditer(text):
        mark = match.group().lower()
        if inside:
            if mark == inside:
                begin, inside = match.end(), ""
        elif mark in _ENDS:
            said.append(text[begin : match.start()])
            inside = _ENDS[mark]
        else:  # it was opened before the message
            said, begin = [], match.end()
    if inside:
        begin = len(text)
    return _AROUND.sub("", "".join([*said, text[begin:]])).strip(), begin


class ThoughtLimit(NamedTuple):
    """Ends a thought that grows too long.

    Args:
        most: tokens that a thought may have, >= 1.
        begin: tokens that a message with a thought begins with; none where the prompt opens it.
        end: tokens that end the thought.
    """

    most: int
    begin: tuple[int, ...]
    end: tuple[int, ...]

    def forced(self, ids: Sequence[int]) -> int | None:
        """The token that has to come next in a message with these ones, or None where any may."""
        first = len(self.begin) + self.most
        at = len(ids) - first
        if not 0 <= at < len(self.end) or tuple(ids[: len(self.begin)]) != self.begin:
            return None
        width = len(self.end)
        ended = any(tuple(ids[k : k + width]) == self.end for k in range(len(self.begin), first - width + 1))
        return None if ended else self.end[at]
