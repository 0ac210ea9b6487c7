"""An episode for people: coloured lines for a terminal, and HTML for a notebook.

Whatever a player wrote is untrusted: a terminal gets it without control characters, a page gets it escaped.
`clarify_env.episode` imports this module, so the functions here take its `Episode` as it comes.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, NamedTuple

from clarify_env.codec import is_form_of
from clarify_env.moves import Move

_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"


_COLOURS = ("\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m")


_CONTROL = dict.fromkeys([*range(32), *range(127, 160)], " ")


# Mid-tones that can be seen on white and on black; text keeps the colour of the page.
_BORDERS = ("#2a9fb5", "#c98a12", "#b565a7", "#5a9a4b")


_LEFT, _WRAP = "text-align:left;vertical-align:top", "white-space:pre-wrap;overflow-wrap:anywhere"


class Line(NamedTuple):
    """A move as it is shown.

    Args:
        player: who made it.
        kind: of the move, "unreadable" for a message that was none.
        text: of the move.
        message: the text as it came, "" where it says no more than the move.
        paid: the (reward term, quantity) pairs that its step incurred.
    """

    player: str
    kind: str
    text: str
    message: str = ""
    paid: tuple[tuple[str, float], ...] = ()


def lines(
    moves: Iterable[tuple[str, Move]],
    messages: Iterable[tuple[str, str]],
    paid: Iterable[tuple[str, float]],
) -> list[Line]:
    """What is shown of a step: its moves, then the messages that were no move.

    Args:
        moves: (player, move) of each.
        messages: (player, text) of the actions that came as text.
        paid: what the step incurred; it stands with the last line.
    """
    came = dict(messages)
    shown = []
    for player, move in moves:
        message = came.pop(player, "")
        more = message if message and not is_form_of(message, move) else ""
        shown.append(Line(player, move.kind, move.text, more))
    shown += [Line(player, "unreadable", text) for player, text in came.items()]
    paid = tuple(paid)
    if paid and not shown:
        shown = [Line("", "", "")]
    if shown:
        shown[-1] = shown[-1]._replace(paid=paid)
    return shown


def said_lines(episode: Any) -> list[Line]:
    """The lines of all steps of an episode."""
    return [line for step in episode.steps for line in lines(step.moves, step.messages, step.paid)]


def payments(episode: Any, paid: Iterable[tuple[str, float]]) -> str:
    """Reward terms with what they paid, such as "turn_cost -0.100"."""
    parts = []
    for name, quantity in paid:
        cost = episode.terms[name]
        parts.append(f"{name} {(-episode.costs[cost] * quantity if cost else quantity) + 0.0:+.3f}")
    return ", ".join(parts)


def in_words(costs: Mapping[str, float]) -> str:
    """Costs in a few words, such as "turn 0.1, word 0.01"."""
    return ", ".join(f"{name} {value:g}" for name, value in costs.items())


def printable(text: str) -> str:
    """`text` without control characters, so that a player's message cannot steer the terminal."""
    return text.translate(_CONTROL)


def _escaped(text: str) -> str:
    """`text` as it stands in a page: no markup, and of the control characters only line ends."""
    return escape("\n".join(map(printable, text.split("\n"))))


def ansi(episode: Any) -> str:
    """An `Episode` so far for a terminal: its setup, every move with what it paid, and the total."""
    costs = ", ".join(f"{name} cost {value:g}" for name, value in episode.costs.items())
    shown = [f"{_BOLD}{episode.env}{_RESET}  {_DIM}{costs}{_RESET}"]
    for name, value in episode.setup.items():
        first, *rest = [printable(line) for line in _text(value).splitlines()] or [""]
        shown.append("\n  ".join([f"{_DIM}{name}:{_RESET} {first}", *rest]))
    colours: dict[str, str] = {}
    for player, kind, text, _, paid in said_lines(episode):
        colour = colours.setdefault(player, _COLOURS[len(colours) % len(_COLOURS)])
        note = f"  {_DIM}{payments(episode, paid)}{_RESET}" if paid else ""
        shown.append(f"{colour}{player}{_RESET} {kind}: {printable(text)}{note}")
    if episode.stop is not None:
        detail = f" ({printable(episode.detail)})" if episode.detail else ""
        shown.append(f"{_BOLD}{episode.stop}{_RESET}{detail}: reward {episode.reward:+.3f}")
    return "\n".join(shown)


def moves_html(episode: Any) -> str:
    """The moves of an `Episode` with the reward terms that each incurred, and the total, as HTML."""
    parts, colours = [], dict[str, str]()
    for player, kind, text, message, paid in said_lines(episode):
        colour = colours.setdefault(player, _BORDERS[len(colours) % len(_BORDERS)])
        who = f"{escape(player)}, {escape(kind)} "
        more = f"<div><small>as it came: {_escaped(message)}</small></div>" if message else ""
        parts.append(
            f'<div class="said" style="border-left:4px solid {colour};padding:.1em .7em;margin:.4em 0">{who}'
            f"<strong>{escape(payments(episode, paid)) or 'no reward term'}</strong>"
            f'<div style="{_WRAP}">{_escaped(text) or "(nothing)"}{more}</div></div>'
        )
    terms = ", ".join(f"{escape(name)} {value:+.3f}" for name, value in episode.reward_terms.items())
    detail = f" {_escaped(episode.detail)}" if episode.detail else ""
    state = f"over: {escape(str(episode.stop))}{detail}" if episode.stop else "so far"
    return "".join(parts) + f"<p><strong>reward {episode.reward:+.3f}</strong> ({state}) = {terms}</p>"


def html(episode: Any) -> str:
    """An `Episode` for a notebook: what was drawn, every move with what it paid, and the total."""
    drawn = {**episode.setup, "costs": in_words(episode.costs), "seed": episode.seed}
    return f"<div>{table(episode.env, drawn)}{moves_html(episode)}</div>"


def table(title: str, rows: Mapping[str, Any]) -> str:
    """Names and values as a small HTML table; a long value scrolls."""
    body = "".join(
        f'<tr><th scope="row" style="{_LEFT}">{escape(str(name))}</th><td style="{_LEFT}">'
        f'<div style="{_WRAP};max-height:12em;overflow:auto">{_escaped(_text(value))}</div></td></tr>'
        for name, value in rows.items()
    )
    caption = f'<caption style="text-align:left;font-weight:bold">{escape(title)}</caption>'
    return f'<table style="text-align:left">{caption}<tbody>{body}</tbody></table>'


def _text(value: Any) -> str:
    return " | ".join(map(str, value)) if isinstance(value, list) else str(value)
