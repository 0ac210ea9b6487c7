"""`VLLMAgent`: a `TransformersAgent` whose messages are sampled by vLLM, with new weights on request.

Written against vLLM 0.33 and never run on a GPU; see docs/servers.md.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
import torch
import vllm
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from clarify_env.agents.llm.model import SMALL, LanguageModel
from clarify_env.agents.llm.prompt import Prompt
from clarify_env.agents.llm.sampler import Completion, Generator
from clarify_env.agents.llm.thoughts import ThoughtLimit
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.errors import ClarifyError

_ADAPTERS = count(1)


class Engine(Generator):
    """`Generator.sample` by vLLM.

    Args:
        model: for its stop tokens and its name.
        llm: a `vllm.LLM` of the same model, with logprobs_mode="processed_logprobs"; several may share one.
        adapter: folder of a low-rank adapter in peft's form that is applied, or None.
    """

    def __init__(self, model: LanguageModel, llm: Any, adapter: str | Path | None = None) -> None:
        super().__init__(model, memory=0)
        self.llm = llm
        self.request: dict[str, Any] = {}
        if adapter is not None:
            from vllm.lora.request import LoRARequest

            if not (Path(adapter) / "adapter_config.json").is_file():
                raise ClarifyError(f"{adapter}: no adapter of peft; it has no adapter_config.json")
            number = next(_ADAPTERS)  # a new one each time: vLLM keeps what it has read under a number
            self.request = {"lora_request": LoRARequest(f"adapter-{number}", number, str(adapter))}

    def sample(
        self,
        prompts: Sequence[list[int]],
        rngs: Sequence[np.random.Generator],
        limit: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        thoughts: ThoughtLimit | None = None,
    ) -> list[Completion]:
        """A message for each prompt, in order; each generator gives one draw, the seed of its message.

        Raises:
            ClarifyError: vLLM sent back another number of messages, or one without its stop token.
        """
        if thoughts is not None:
            raise ClarifyError(f"max_thinking_tokens={thoughts.most}: not with vLLM; leave it out")
        settings = [
            vllm.SamplingParams(
                temperature=temperature,
                top_p=top_p,
                max_tokens=limit,
                seed=int(rng.integers(2**31)),
                logprobs=0,  # of the sampled token alone
                stop_token_ids=sorted(self.model.stop_ids),
                detokenize=False,
            )
            for rng in rngs
        ]
        inputs = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        outputs = self.llm.generate(inputs, settings, use_tqdm=False, **self.request)
        if len(outputs) != len(prompts):
            raise ClarifyError(
                f"{self.model.name}: vLLM sent {len(outputs)} messages for {len(prompts)} prompts"
            )
        return [self._sampled(output, greedy=temperature == 0.0) for output in outputs]

    def _sampled(self, output: Any, greedy: bool) -> Completion:
        known = output.num_cached_tokens or 0
        self.reused_tokens += known
        self.read_tokens += len(output.prompt_token_ids) - known
        (message,) = output.outputs
        ids = list(message.token_ids)
        if not ids or (message.finish_reason == "stop" and ids[-1] not in self.model.stop_ids):
            raise ClarifyError(
                f"{self.model.name}: vLLM left the stop token out of a message of {len(ids)} tokens "
                f"(finish_reason {message.finish_reason!r}), so it cannot be trained on"
            )
        if greedy:
            return Completion(ids, [0.0] * len(ids))
        return Completion(ids, [at[token].logprob for token, at in zip(ids, message.logprobs, strict=True)])


class VLLMAgent(TransformersAgent):
    """Plays by sampling from vLLM; the trace of a decision is that of `TransformersAgent`.

    Args:
        model: a folder of transformers, a hub id, or "small" for the model that ships with clarify_env.
        prompt: how a turn is put to the model; by default `RolePrompt()`, which serves every player.
        temperature: of sampling, >= 0; 0 always takes the likeliest token.
        top_p: share of the probability that is drawn from, in (0, 1].
        max_tokens: most tokens of a message, >= 1.
        chat_template_kwargs: options of the chat template, such as {"enable_thinking": False}.
        format_retries: how often a message that is no move is sampled again, >= 0.
        adapter: folder of a low-rank adapter in peft's form, as `LanguageLearner.export` writes it; agents
            made by `with_(adapter=...)` share one engine, each with an adapter of its own (see max_loras of
            `vllm.LLM`).
        context: tokens of prompt and message together (vLLM's max_model_len); by default the model's own.
        seed: of the agent's own generator.
        engine: further arguments of `vllm.LLM`, such as gpu_memory_utilization or tensor_parallel_size.

    Raises:
        ClarifyError: the model cannot be loaded, or an argument is out of range.
    """

    def __init__(
        self,
        model: str | Path = "small",
        prompt: Prompt | None = None,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_tokens: int = 160,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        format_retries: int = 0,
        adapter: str | Path | None = None,
        context: int | None = None,
        seed: int | None = None,
        **engine: Any,
    ) -> None:
        fixed = {"trust_remote_code", "logprobs_mode", "enable_prefix_caching", "max_model_len"} & set(engine)
        if fixed:
            raise ClarifyError(
                f"VLLMAgent({sorted(fixed)[0]}=...): is not for choosing; context sets the length"
            )
        described = _described(
            str(SMALL if str(model) == "small" else model), str(model), chat_template_kwargs
        )
        if context is not None:
            described.context = min(context, described.context)
        super().__init__(
            described,
            prompt,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            format_retries=format_retries,
            seed=seed,
        )
        self.stats["refreshes"] = 0
        if adapter is not None:
            engine = {"enable_lora": True, **engine}
        try:
            llm = vllm.LLM(
                model=str(SMALL if str(model) == "small" else model),
                max_model_len=described.context,
                enable_prefix_caching=True,
                logprobs_mode="processed_logprobs",  # after temperature and top_p, as drawn from
                **engine,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise ClarifyError(f"{model}: vLLM: {str(error).strip().splitlines()[0]}") from None
        self.generator = Engine(described, llm, adapter)

    def with_(self, **changes: Any) -> Self:
        """An agent with the same engine and other settings, such as temperature=0.0 or another adapter."""
        twin = object.__new__(type(self))
        adapter = changes.pop("adapter", None)
        own = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        given = {"prompt": self.prompt, "format_retries": self.format_retries, **own, **changes}
        TransformersAgent.__init__(twin, self.model, **given)
        twin.stats["refreshes"] = 0
        twin.generator = self.generator
        if adapter is not None:
            twin.generator = Engine(self.model, self._engine.llm, adapter)
        return twin

    def refresh(self, weights: Mapping[str, torch.Tensor] | str | Path) -> None:
        """Replace the weights of the model, and drop the keys and values of the old ones.

        The weights reach the engine through files, since it may run in another process.

        Args:
            weights: a state dict with the names of transformers, or a folder of safetensors files, such as
                a checkpoint of a run; or the folder of an adapter, which replaces this agent's alone.

        Raises:
            ClarifyError: a weight is missing or unknown; adapters have to be merged first.
        """
        if not isinstance(weights, Mapping):
            if (Path(weights) / "adapter_config.json").is_file():
                self.generator = Engine(self.model, self._engine.llm, weights)
                self.stats["refreshes"] += 1
            else:
                self._reload(Path(weights))
            return
        with TemporaryDirectory(prefix="clarify_env-") as folder:
            tensors: dict[int, tuple[str, torch.Tensor]] = {}
            for name, tensor in weights.items():  # of tied weights, one is written
                tensors.setdefault(tensor.data_ptr() or id(tensor), (name, tensor))
            save_file(
                {name: tensor.detach().contiguous() for name, tensor in tensors.values()},
                Path(folder) / "model.safetensors",
            )
            self._reload(Path(folder))

    def _reload(self, folder: Path) -> None:
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise ClarifyError(f"{folder}: no folder with safetensors files to take weights from")
        names: set[str] = set()
        for file in files:
            with safe_open(file, framework="pt") as opened:
                names |= set(opened.keys())
        self._fits(names, folder)
        llm = self._engine.llm
        llm.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)})
        if not llm.reset_prefix_cache():
            raise ClarifyError(
                f"{self.model.name}: vLLM kept keys and values of the old weights; it is still busy"
            )
        self.stats["refreshes"] += 1

    def _fits(self, names: set[str], folder: Path) -> None:
        """Raise ClarifyError where `names` are not the model's weights; one of tied weights is enough."""
        tied: dict[int, set[str]] = {}
        for name, parameter in self.model.model.named_parameters(remove_duplicate=False):
            tied.setdefault(id(parameter), set()).add(name)
        known = {*set().union(*tied.values()), *(name for name, _ in self.model.model.named_buffers())}
        if names - known:
            odd = sorted(names - known)[0]
            raise ClarifyError(f"{folder}: {odd!r} is no weight of {self.model.name}; merge adapters first")
        missing = [sorted(group)[0] for group in tied.values() if not group & names]
        if missing:
            raise ClarifyError(f"{folder}: {sorted(missing)[0]!r} of {self.model.name} is missing")

    @property
    def _engine(self) -> Engine:
        if not isinstance(self.generator, Engine):
            raise ClarifyError("VLLMAgent: its generator was replaced; refresh needs vLLM's")
        return self.generator


def _described(source: str, name: str, options: Mapping[str, Any] | None) -> LanguageModel:
    """Tokenizer, chat template, stop tokens and names of the weights, without the weights."""
    try:
        config = AutoConfig.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        raise ClarifyError(f"{name}: no language model: {str(error).strip().splitlines()[0]}") from None
    with suppress(OSError):  # where there is none, the config says where messages end
        model.generation_config = GenerationConfig.from_pretrained(source)
    described = LanguageModel(model, tokenizer, name, options)
    described.slow = ""  # it is vLLM that reads
    return described
