"""The made-up dialogues that `small_model.py` trains on; run it to see some.

python examples/small_model_data.py --seed 3
"""

import argparse

import numpy as np

from clarify_env.agents.clarification.move_scorer import Asking
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.costs import FixedCosts
from clarify_env.games.clarification.game import Answer, ClarificationGame, Costs, Enumerate, Reply
from clarify_env.games.clarification.optimum import questions
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.games.clarification.synthetic import generate_task
from clarify_env.games.clarification.task import canonical

PROMPT = AskerPrompt()
USER = UserModel()


def reply(task_or_dialogue, ask, note):
    """What the truthful user says to `ask` if it means `note`."""
    return USER.replies(ask.text, task_or_dialogue.question, note.text, note.facts)[0][0]


def held(dialogue):
    """The notes that the replies allow, likeliest first."""
    said = [turn.move for turn in dialogue.transcript]
    pairs = list(zip(said[::2], said[1::2], strict=True))
    allowed = [n for n in dialogue.notes if all(reply(dialogue, a, n) == r.text for a, r in pairs)]
    return canonical(allowed)


def label(note):
    """The facts of a note as they stand in it: longer than it need be, but never wrong."""
    values = {fact.value for fact in note.facts}
    words = [word.strip(",") for word in note.text.split()]
    return " ".join(word for word in words if word.lower() in values)


def listing(notes, count):
    """The first notes under labels, the last of them for whoever fits no other."""
    options = [(label(note), note.answers[0]) for note in notes[: count - 1]]
    return Enumerate([*options, ("otherwise", notes[count - 1].answers[0])])


def teacher(rng, dialogue):
    """A random sensible move, the costs ignored."""
    notes = held(dialogue)
    first = notes[0].answers[0]
    kinds = [
        [ask for ask in questions(notes) if all(turn.move != ask for turn in dialogue.transcript)],
        [Answer(first), Answer(first), Answer(first.split()[-1])],
        [listing(notes, count) for count in range(2, len(notes) + 1)],
    ]
    kinds = [moves for moves in kinds if moves]
    moves = kinds[int(rng.integers(len(kinds)))]
    return moves[int(rng.integers(len(moves)))]


def cost(rng, low, high):
    """One or two digits, evenly drawn on a logarithmic scale."""
    value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return float(f"{value:.{1 + int(rng.integers(2))}g}")


def names(asks):
    """What some questions ask for."""
    return " ".join(ask.text.removeprefix("Which ").rstrip("?") for ask in asks)


def about_the_prompt(rng, dialogue, costs):
    """A question about what stands in the prompt, with its answer."""
    notes = held(dialogue)
    draw = rng.random()
    if rng.random() < 0.35:
        return "What differs?", names(questions(notes)) or "nothing"
    if draw < 0.15:
        return "How many?", str(len(notes))
    if draw < 0.3:
        return "How likely?", f"{round(100 * notes[0].weight)}%"
    if draw < 0.6:
        words = max(1, round(costs.turn / costs.word * np.exp(rng.uniform(-1.5, 1.5))))
        return (
            f"Is a question cheaper than {words} words?",
            "yes" if costs.turn < words * costs.word else "no",
        )
    name, own = ("question", costs.turn) if draw < 0.8 else ("word", costs.word)
    other = float(f"{own * np.exp(rng.uniform(-2, 2)):.1g}")
    return f"Is a {name} cheaper than {other:g}?", "yes" if own < other else "no"


def branches(rng, task, count):
    """Chats about one question, each under its own costs, with the message that ends it."""
    game = ClarificationGame([task], FixedCosts())
    for _ in range(count):
        costs = Costs(cost(rng, 0.005, 0.8), cost(rng, 0.0005, 0.1))
        state = game.start(rng, {"task": 0, "costs": costs})
        for _ in range(int(rng.choice(3, p=(0.35, 0.4, 0.25)))):
            dialogue = Asking.of(game.view(state, "asker"), "teacher")
            useful = [a for a in questions(held(dialogue)) if all(t.move != a for t in dialogue.transcript)]
            if not useful:
                break
            ask = useful[int(rng.integers(len(useful)))]
            state, _ = game.apply(state, {"asker": ask})
            said = reply(task, ask, task.interpretations[state.intent])
            state, _ = game.apply(state, {"user": Reply(said)})
        observation = game.view(state, "asker")
        dialogue = Asking.of(observation, "teacher")
        chat = PROMPT.messages(observation)
        if rng.random() < 0.7:
            yield chat, PROMPT.write(teacher(rng, dialogue), observation)
        else:
            asked, text = about_the_prompt(rng, dialogue, costs)
            yield [*chat[:-1], {**chat[-1], "content": f"{chat[-1]['content']}\n{asked}"}], text


def main():
    """Print what one made-up question gives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    rng = np.random.default_rng(parser.parse_args().seed)
    task = generate_task(rng, "task")
    for chat, text in branches(rng, task, 8):
        said = " | ".join(message["content"] for message in chat if message["role"] != "system")
        print(f"{said}\n  -> {text}\n")


if __name__ == "__main__":
    main()
