"""Text to moves and back: one tagged block a message, and no guess where a message is unclear.

    <ask>Which Jordan Hale do you mean?</ask>
    <answer>Port Arden</answer>
    <enumerate>
    the painter => Port Arden
    the chemist => Oslo
    </enumerate>

What stands outside the block is the writer's own business: nobody reads it and nobody pays for it. A
player who can make only one kind of move (the user) may leave the tags out; whatever it then writes is
text, also where it looks like another player's move. Inside a block `&lt;`, `&gt;`, `&amp;` and `&#10;`
stand for the characters that would break the form, so that every move survives the round trip.
"""

import re
from collections.abc import Sequence

from clarify_env.errors import ClarifyError, Unreadable
from clarify_env.moves import Move, Pass, TextMove
from clarify_env.text import unescape


def encode(move: Move) -> str:
    """The message that `decode` reads as `move`."""
    if isinstance(move, Pass):
        return ""
    return f"<{move.kind}>{move.to_text()}</{move.kind}>"


def decode(text: str, kinds: Sequence[type[Move]], max_chars: int = 20_000) -> Move:
    """The move of one of `kinds` that `text` holds.

    Args:
        text: a player's message; blank for no move.
        kinds: the kinds of moves that the player may make.
        max_chars: the longest message that is read.

    Raises:
        Unreadable: the message is too long, has no block or several, or one that is malformed.
    """
    if len(text) > max_chars:
        raise Unreadable(f"a message of {len(text):,} characters; the limit is {max_chars:,}")
    if not text.strip():
        return Pass()
    tags = {kind.kind: kind for kind in kinds}
    found = list(re.finditer(rf"<(/?)({'|'.join(map(re.escape, tags))})>", text)) if tags else []
    if len(kinds) == 1 and issubclass(kinds[0], TextMove):
        whole = [m.group(1) for m in found] == ["", "/"] and _spans(found, text)
        body = text[found[0].end() : found[1].start()] if whole else text
        return kinds[0](unescape(body.strip()) if whole else body.strip())
    shown = " ".join(text.split())[:80]
    if not found:
        expected = " or ".join(f"<{name}>...</{name}>" for name in tags)
        raise Unreadable(f"no move in {shown!r}; expected {expected or 'nothing'}")
    if [m.group(1) for m in found] != ["", "/"] or found[0].group(2) != found[1].group(2):
        raise Unreadable(f"not exactly one block in {shown!r}; expected one <tag>...</tag>")
    kind, body = tags[found[0].group(2)], text[found[0].end() : found[1].start()]
    try:
        return kind.from_text(body)
    except Unreadable:
        raise
    except ClarifyError as error:
        raise Unreadable(str(error)) from None


def is_form_of(message: str, move: Move) -> bool:
    """Whether a message says no more than the move that was read from it, white space aside."""
    return message.split() in (encode(move).split(), move.text.split())


def _spans(found: list[re.Match[str]], text: str) -> bool:
    """Whether nothing stands before the first tag or after the last one."""
    return not text[: found[0].start()].strip() and not text[found[1].end() :].strip()
