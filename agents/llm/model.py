"""Loads and checks a causal language model with its tokenizer, and turns chats into token ids."""

import inspect
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.utils import logging

from clarify_env.agents.llm.prompt import Message
from clarify_env.errors import ClarifyError

SMALL = Path(__file__).parent / "small"  # the model that ships with the package


_PROBE: list[Message] = [
    {"role": "user", "content": "Which one?"},
    {"role": "assistant", "content": "<ask>Which year?</ask>"},
    {"role": "user", "content": "The first."},
]


class Rewritten(NamedTuple):
    """How a chat template changes an earlier turn when the next one is rendered.

    Args:
        before: the text from the first difference on, as the model saw and wrote it.
        after: the text from there on when the next turn is rendered.
    """

    before: str
    after: str


class LanguageModel:
    """A language model with its tokenizer and chat template.

    Args:
        model: a causal language model of transformers.
        tokenizer: with a chat template and an end token.
        name: what error messages call it.

    Raises:
        ClarifyError: the tokenizer has no chat template or no end token, or the model does not run.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str = "model") -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.name = name
        if not tokenizer.chat_template:
            raise ClarifyError(f"{name}: its tokenizer has no chat template; take an instruction-tuned model")
        ends = model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends]
        if tokenizer.eos_token_id is None:
            raise ClarifyError(f"{name}: its tokenizer has no end token (eos_token), so no message would end")
        self.stop = int(tokenizer.eos_token_id)
        self.stop_ids = frozenset({self.stop, *(int(end) for end in listed if end is not None)})
        config = model.config.get_text_config(decoder=True)
        self.context = int(getattr(config, "max_position_embeddings", None) or 2048)
        # Up to so many tokens every layer sees all of them, and the order in which they are held is free.
        self.window = min(self.context, *_windows(config))
        # What a forward calls the keys and values; the older name goes in transformers 5.40.
        named = inspect.signature(model.forward).parameters
        self.cache_argument = "cache" if "cache" in named else "past_key_values"
        self._fold_system = not self._takes_system()
        self.rewritten = self._rewriting()
        self.layers = int(getattr(config, "num_hidden_layers", 0))
        # What `self_check` finds, once asked: why rows share no batch, messages no row, or why the caches
        # of transformers are wrong as well; "" where none of that is so.
        self.slow: str | None = None
        self.unpacked: str | None = None
        self.uncached: str | None = None

    @classmethod
    def load(
        cls, path: str | Path, device: str | None = None, dtype: str | torch.dtype | None = None
    ) -> "LanguageModel":
        """Load the model of a folder or hub id.

        Args:
            path: a folder of transformers or with one GGUF file, such a file itself, or an id on the hub;
                "small" for the model that ships with clarify_env.
            device: such as "cpu" or "cuda"; by default a GPU where there is one.
            dtype: such as "float32"; by default bfloat16 on a GPU and float32 on the CPU.

        Raises:
            ClarifyError: there is no such model or device, or `LanguageModel` refuses it.
        """
        where = pick_device(device)
        kind = _dtype(dtype, where)
        folder = SMALL if str(path) == "small" else Path(path)
        name = str(path)
        source, extra = _source(folder, name)
        if extra and find_spec("gguf") is None:
            raise ClarifyError(f"{name}: a GGUF file needs gguf: pip install 'clarify_env[gguf]'")
        shown = logging.get_verbosity()
        bars = logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, **extra)
            if extra:
                extra["quantization_config"] = GgufConfig(dequantize=True)
            model = AutoModelForCausalLM.from_pretrained(source, dtype=kind, **extra)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise ClarifyError(f"{name}: no language model: {str(error).strip().splitlines()[0]}") from None
        finally:
            logging.set_verbosity(shown)
            if bars:
                logging.enable_progress_bar()
        try:
            return cls(model.to(where), tokenizer, name)
        except torch.OutOfMemoryError:
            raise ClarifyError(
                f"{name}: does not fit on {where}; give dtype='bfloat16' or device='cpu'"
            ) from None

    @property
    def device(self) -> torch.device:
        """The device of the model's weights."""
        device: torch.device = self.model.device
        return device

    def text(self, chat: Sequence[Message]) -> str:
        """The chat as the model's template writes it, up to where the model's turn begins."""
        if self._fold_system and chat and chat[0]["role"] == "system":
            rules, first, *rest = chat
            joined = {"role": "user", "content": f"{rules['content']}\n\n{first['content']}"}
            chat = [joined, *rest]
        text: str = self.tokenizer.apply_chat_template(list(chat), tokenize=False, add_generation_prompt=True)
        return text

    def prompt_ids(self, chat: Sequence[Message]) -> list[int]:
        """Token ids of the chat up to where the model's turn begins."""
        ids: list[int] = self.tokenizer(self.text(chat), add_special_tokens=False)["input_ids"]
        return ids

    def message_ids(self, text: str) -> list[int]:
        """Token ids of a message that the model did not sample, its stop token included."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return [*ids, self.stop]

    def message(self, ids: Sequence[int]) -> str:
        """Text of sampled ids, without the stop token."""
        kept = list(ids[:-1]) if ids and ids[-1] in self.stop_ids else list(ids)
        text: str = self.tokenizer.decode(kept, skip_special_tokens=True)
        return text

    def _takes_system(self) -> bool:
        try:
            text = self.tokenizer.apply_chat_template(
                [{"role": "system", "content": "Rules."}, _PROBE[0]], tokenize=False
            )
        except Exception:  # a template says no with an exception of its own
            return False
        return bool(text)

    def _rewriting(self) -> Rewritten | None:
        """Where the template changes earlier turns of a chat, or None where it never does."""
        for chat in (
            _PROBE,
            [_PROBE[0], {"role": "assistant", "content": "First.<answer>a</answer>"}, _PROBE[2]],
        ):
            before = self.text(chat[:1]) + chat[1]["content"]
            after = self.text(chat)
            if not after.startswith(before):
                at = next(i for i, (a, b) in enumerate(zip(before, after + "\0", strict=False)) if a != b)
                return Rewritten(before[at : at + 60], after[at : at + 60])
        return None


def _windows(config: Any) -> list[int]:
    """The widths of those layers that see no more than so many tokens."""
    named = ("sliding_window", "attention_chunk_size", "attention_window_size", "window_size")
    found = [getattr(config, name, None) for name in named]
    return [width for width in found if isinstance(width, int) and width > 0] or [1 << 30]


def pick_device(device: str | None) -> torch.device:
    """The device of this name, or the best one; raises ClarifyError where there is no such device."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(device)
    except RuntimeError:
        raise ClarifyError(f"device={device!r}: no device; such as 'cpu', 'cuda' or 'cuda:1'") from None
    if where.type == "cuda" and (
        not torch.cuda.is_available() or (where.index or 0) >= torch.cuda.device_count()
    ):
        raise ClarifyError(
            f"device={device!r}: torch sees {torch.cuda.device_count()} GPUs; give device='cpu'"
        )
    return where


def _dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    if dtype is None:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ClarifyError(f"dtype={dtype!r}: no float type; such as 'float32' or 'bfloat16'")
    return found


def _source(folder: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Where transformers loads from, and its argument that names a GGUF file."""
    if folder.suffix == ".gguf":
        if not folder.is_file():
            raise ClarifyError(f"{name}: there is no such file")
        return str(folder.parent), {"gguf_file": folder.name}
    if not folder.is_dir():
        if name.count("/") != 1 or name[0] in "./~":
            raise ClarifyError(f"{name}: no such folder, and no hub id, which looks like owner/name")
        return name, {}
    files = sorted(folder.glob("*.gguf"))
    if (folder / "config.json").is_file() or not files:
        return str(folder), {}
    if len(files) > 1:
        raise ClarifyError(f"{name}: holds {len(files)} GGUF files; give the path of one")
    return str(folder), {"gguf_file": files[0].name}
