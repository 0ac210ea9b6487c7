"""Words of a text compared by meaning rather than by form: endings, written-out numbers, function words.

`stems` is what the scripted user compares texts by; what an answer costs and earns goes by `text.tokens`.
"""

import re
from functools import lru_cache

from clarify_env.text import REMEMBERED, tokens

FUNCTION = frozenset(
    """i me my we our you your he she him his her it its they them their this that these those there is are
    was were be been being am do does did has have had will would can could may might shall should must of to
    in on at by for from with as and or but nor if so just only about into than then who whom whose what which
    when where why how s not no yes isnt wasnt arent werent dont doesnt didnt any some a an the
    """.split()
)
_CARDINALS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty""".split()
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
_SAME = {word: str(n) for n, word in enumerate(_CARDINALS)} | {
    f"{n}{'st' if n == 1 else 'nd' if n == 2 else 'rd' if n == 3 else 'th'}": word
    for n, word in enumerate(_ORDINALS, start=1)
}
_ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ly", ""), ("es", ""),
            ("s", ""), ("e", ""))  # fmt: skip
_JOINS = re.compile("[-/\u2013\u2014]")


def stem(token: str) -> str:
    """A token without its commonest English endings, numbers to twenty in digits, ordinals in words."""
    token = _SAME.get(token, token)
    if len(token) < 4 or token.isdigit():
        return token
    for ending, rest in _ENDINGS:
        if token.endswith(ending) and len(token) - len(ending) >= 3 and not token.endswith("ss"):
            return token[: -len(ending)] + rest
    return token


def apart(text: str) -> str:
    """`text` with words joined by a hyphen, dash or slash taken apart."""
    return _JOINS.sub(" ", text)


def stems(text: str) -> tuple[str, ...]:
    """The stems of `text`'s tokens in order; words joined by a hyphen, dash or slash are taken apart."""
    return _stems(text) if len(text) <= REMEMBERED else _stems.__wrapped__(text)


@lru_cache(maxsize=200_000)
def _stems(text: str) -> tuple[str, ...]:
    return tuple(map(stem, tokens(apart(text))))


def content(text: str) -> tuple[str, ...]:
    """The stems of `text` without function words."""
    return tuple(stem(token) for token in tokens(apart(text)) if token not in FUNCTION)
