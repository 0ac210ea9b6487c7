"""The playground as a page in the browser: sliders for the costs, the policy's moves, a dialogue to its end.

Served on the loopback address, with no call to any other host: no share link, no analytics, no fonts.
"""

import os
from html import escape
from typing import Any

from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.game import Ask, Costs, Enumerate
from clarify_env.moves import Answer
from clarify_env.render import moves_html
from clarify_env.trainers.reporting.playground import (
    Dialogue,
    DialogueState,
    Playground,
    Preferences,
    notes_text,
    read_task,
    typed,
)

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported


CSS = """
.moves { width: 100%; border-collapse: collapse; }
.moves td, .moves th { padding: .25rem .5rem; text-align: left; }
.moves tr.best { font-weight: 700; }
.moves td.number { text-align: right; white-space: nowrap; }
.moves i { display: block; height: .35rem; border-radius: 2px; background: #0b6fa4; }
"""


EXAMPLE = (
    "When did the film open?",
    "When did the film open in Norway? => 1950\nWhen did the film open in Chile? => 3 May 1951 | May 1951",
)


def preferences_html(found: Preferences) -> str:
    """The candidates as a table with bars, the preferred one first."""
    top = max(abs(c.number) for c in found.candidates) or 1.0
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("move", "text", found.what))
    rows = []
    for k, c in enumerate(found.candidates):
        text = escape(c.text) or "(nothing)"
        bar = f'<i style="width:{max(0.0, 100 * c.number / top):.1f}%"></i>'
        number = f'<td class="number">{c.number:.3f}</td>'
        best = "" if k else ' class="best"'
        rows.append(f"<tr{best}><td>{escape(c.kind)}</td><td>{text}{bar}</td>{number}</tr>")
    return f'<table class="moves"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def dialogue_html(point: DialogueState) -> str:
    """The question and the moves so far, with the reward terms that each incurred, and the reward."""
    episode = point.env.episode()
    asked = f"<p>The user asks: <strong>{escape(episode.setup['question'])}</strong></p>"
    return asked + moves_html(episode)


def hint(point: DialogueState, said: str = "", who: str = "scripted") -> str:
    """What whoever is on turn can do now, as HTML.

    Args:
        point: of the dialogue.
        said: what the user of the page would reply.
        who: that is, "scripted" or "trained".
    """
    if not point.player:
        return "The dialogue is over. Move a slider to price it anew, or start over."
    if point.player == "asker":
        return "The asker is on turn."
    message = point.observation["transcript"][-1].move
    if isinstance(message, Ask):
        told = f" The {who} user would say: {escape(said)}" if said else ""
        return f"The user is on turn: type a reply, or let the {who} user reply.{told}"
    if isinstance(message, Answer):
        return "The user is on turn: take the answer (nothing typed takes it as it is)."
    assert isinstance(message, Enumerate)
    return f"The user is on turn: type 1 to {len(message.options)} for the option that is taken."


def page(play: Playground, name: str) -> Any:
    """The page as gradio Blocks, not launched.

    Args:
        play: the policy and the game.
        name: of the policy, for the headline.
    """
    import gradio as gr

    def show(dialogue: Dialogue, turn: float, word: float) -> list[Any]:
        point = play.at(dialogue, Costs(turn, word))
        asker, user = point.player == "asker", point.player == "user"
        shown = preferences_html(play.preferences(point)) if asker else "<p>The policy is not on turn.</p>"
        buttons = [gr.update(interactive=on) for on in (asker, user, user, asker or user)]
        who = "trained" if play.partner else "scripted"
        told = hint(point, play.scripted(dialogue, point).text if user else "", who)
        return [dialogue, dialogue_html(point), shown, told, *buttons]

    def guarded(work: Any) -> Any:
        """`work`, with mistakes as a message on the page."""

        def run(*given: Any) -> Any:
            try:
                return work(*given)
            except ClarifyError as error:
                raise gr.Error(escape(str(error)), print_exception=False) from None

        return run

    def intents(task: Any, at: int = 0) -> Any:
        return gr.update(choices=[(m.text, k) for k, m in enumerate(task.interpretations)], value=at)

    def begin(question: str, notes: str, context: str, taken: Any, turn: float, word: float) -> list[Any]:
        same = taken and (taken.question, notes_text(taken), taken.context) == (question, notes, context)
        task = taken if same else read_task(question, notes, context)
        return [intents(task), *show(Dialogue(task), turn, word)]

    def take(number: int, turn: float, word: float) -> list[Any]:
        task = play.task(number)
        texts = [task.question, notes_text(task), task.context]
        return [number + 1, task, *texts, intents(task), *show(Dialogue(task), turn, word)]

    def mean(intent: int, dialogue: Dialogue, turn: float, word: float) -> list[Any]:
        return show(Dialogue(dialogue.task, int(intent)), turn, word)

    def act(dialogue: Dialogue, turn: float, word: float) -> list[Any]:
        best = play.preferences(play.at(dialogue, Costs(turn, word))).candidates[0]
        return show(dialogue.then(best.action), turn, word)

    def reply(text: str, dialogue: Dialogue, turn: float, word: float) -> list[Any]:
        point = play.at(dialogue, Costs(turn, word))
        if point.player != "user":
            raise ClarifyError("the user is not on turn: let the policy move first")
        return ["", *show(dialogue.then(typed(point, text)), turn, word)]

    def scripted(dialogue: Dialogue, turn: float, word: float) -> list[Any]:
        point = play.at(dialogue, Costs(turn, word))
        return show(dialogue.then(play.scripted(dialogue, point)), turn, word)

    def finish(dialogue: Dialogue, turn: float, word: float) -> list[Any]:
        return show(play.to_the_end(dialogue, Costs(turn, word)), turn, word)

    first = read_task(*EXAMPLE)
    with gr.Blocks(title=f"{name}: playground", analytics_enabled=False) as blocks:
        dialogue, taken, number = gr.State(Dialogue(first)), gr.State(None), gr.State(0)
        gr.Markdown(f"# Playground: {escape(name)} on {play.env.name}")
        with gr.Row():
            with gr.Column():
                question = gr.Textbox(EXAMPLE[0], label="Question", elem_id="question")
                notes = gr.Textbox(
                    EXAMPLE[1], lines=4, elem_id="notes", label="Meanings: what is meant => answer | alias"
                )
                with gr.Accordion("Context that both see", open=False):
                    context = gr.Textbox("", lines=3, show_label=False, elem_id="context")
                with gr.Row():
                    start = gr.Button("Start with this question", elem_id="start")
                    game = gr.Button("Take one from the game", elem_id="take")
                intent = gr.Dropdown(
                    [(m.text, k) for k, m in enumerate(first.interpretations)],
                    value=0,
                    label="What the user means",
                    elem_id="intent",
                )
                turn = gr.Slider(0, 0.5, 0.1, step=0.01, label="Cost of a question", elem_id="turn")
                word = gr.Slider(0, 0.1, 0.01, step=0.001, label="Cost of a word", elem_id="word")
            with gr.Column():
                gr.Markdown("### The policy's moves, the preferred one first")
                shown = gr.HTML(elem_id="moves")
                act_button = gr.Button("Play the preferred move", variant="primary", elem_id="act")
                gr.Markdown("### Dialogue")
                said = gr.HTML(elem_id="dialogue")
                told = gr.HTML(elem_id="hint")
                text = gr.Textbox(label="Your reply as the user", elem_id="reply")
                with gr.Row():
                    reply_button = gr.Button("Reply", elem_id="send")
                    scripted_button = gr.Button("Let the scripted user reply", elem_id="scripted")
                end_button = gr.Button("Play to the end", elem_id="end")
        outputs = [dialogue, said, shown, told, act_button, reply_button, scripted_button, end_button]
        costs = [turn, word]
        wired = [
            (blocks.load, show, [dialogue, *costs], outputs),
            (turn.change, show, [dialogue, *costs], outputs),
            (word.change, show, [dialogue, *costs], outputs),
            (start.click, begin, [question, notes, context, taken, *costs], [intent, *outputs]),
            (game.click, take, [number, *costs], [number, taken, question, notes, context, intent, *outputs]),
            (intent.input, mean, [intent, dialogue, *costs], outputs),
            (act_button.click, act, [dialogue, *costs], outputs),
            (reply_button.click, reply, [text, dialogue, *costs], [text, *outputs]),
            (text.submit, reply, [text, dialogue, *costs], [text, *outputs]),
            (scripted_button.click, scripted, [dialogue, *costs], outputs),
            (end_button.click, finish, [dialogue, *costs], outputs),
        ]
        for listen, work, inputs, changed in wired:
            listen(
                guarded(work),
                inputs,
                changed,
                concurrency_id="policy",  # one at a time: an agent is not made for several threads
                concurrency_limit=1,
                trigger_mode="always_last" if work is show else "once",
                show_progress="hidden",
                api_visibility="private",
            )
    return blocks


def serve(
    play: Playground, name: str, host: str = "127.0.0.1", port: int | None = None, block: bool = True
) -> str:
    """Serve the page and return its address.

    Args:
        play: the policy and the game.
        name: of the policy, for the headline.
        host: address to listen on.
        port: to listen on; by default the first free one from 7860.
        block: until Ctrl-C; else go on while a thread serves.

    Raises:
        ClarifyError: gradio is not installed, or the port is taken.
    """
    try:
        import gradio as gr
    except ModuleNotFoundError as error:
        raise ClarifyError(f"{error.name} is not installed: pip install 'clarify_env[demo]'") from None
    blocks = page(play, name)
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            share=False,
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            css=CSS,
            footer_links=[],
        )
    except OSError as error:
        raise ClarifyError(f"--port {port}: {error}") from None
    if block:
        print(f"Playground: {address}  (Ctrl-C ends it)", flush=True)
        blocks.block_thread()
    return str(address)
