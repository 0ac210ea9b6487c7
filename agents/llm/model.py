"""Loads and checks a causal language model with its tokenizer, and turns chats into token ids."""

import inspect
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.utils import logging

from clarify_env.agents.llm.chat_template import ChatTemplate
from clarify_env.agents.llm.prompt import Message
from clarify_env.errors import ClarifyError

SMALL = Path(__file__).parent / "small"  # the model that ships with the package


class LanguageModel:
    """A language model with its tokenizer and chat template.

    Args:
        model: a causal language model of transformers.
        tokenizer: with a chat template and an end token.
        name: what error messages call it.
        chat_template_kwargs: options of the chat template, such as {"enable_thinking": False}.

    Raises:
        ClarifyError: the tokenizer has no end token, or no chat template that keeps all text.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str = "model",
        chat_template_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.name = name
        self.template = ChatTemplate(tokenizer, name, chat_template_kwargs)
        self.stop = self.template.stop
        ends = model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends]
        self.stop_ids = frozenset(
            {self.stop, int(tokenizer.eos_token_id), *(int(end) for end in listed if end is not None)}
        )
        config = model.config.get_text_config(decoder=True)
        self.context = int(getattr(config, "max_position_embeddings", None) or 2048)
        # Up to so many tokens every layer sees all of them, and the order in which they are held is free.
        self.window = min(self.context, *_windows(config))
        # What a forward calls the keys and values; the older name goes in transformers 5.40.
        named = inspect.signature(model.forward).parameters
        self.cache_argument = "cache" if "cache" in named else "past_key_values"
        self.rewritten = self.template.rewritten
        self.layers = int(getattr(config, "num_hidden_layers", 0))
        # What `self_check` finds, once asked: why rows share no batch, messages no row, or why the caches
        # of transformers are wrong as well; "" where none of that is so.
        self.slow: str | None = None
        self.unpacked: str | None = None
        self.uncached: str | None = None

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str | None = None,
        dtype: str | torch.dtype | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
    ) -> "LanguageModel":
        """Load the model of a folder or hub id.

        Args:
            path: a folder of transformers or with one GGUF file, such a file itself, or an id on the hub;
                "small" for the model that ships with clarify_env.
            device: such as "cpu" or "cuda"; by default a GPU where there is one.
            dtype: such as "float32"; by default bfloat16 on a GPU and float32 on the CPU.
            chat_template_kwargs: options of the chat template.

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
            return cls(model.to(where), tokenizer, name, chat_template_kwargs)
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
        return self.template.text(chat)

    def prompt_ids(self, chat: Sequence[Message]) -> list[int]:
        """Token ids of the chat up to where the model's turn begins."""
        ids: list[int] = self.tokenizer(self.text(chat), add_special_tokens=False)["input_ids"]
        return ids

    def message_ids(self, text: str) -> list[int]:
        """Token ids of a message that the model did not sample, its stop token included."""
        said = self.template.harmless(text)
        ids: list[int] = self.tokenizer(said, add_special_tokens=False)["input_ids"]
        return [*ids, self.stop]

    def message(self, ids: Sequence[int]) -> str:
        """Text of sampled ids, without the stop token; with the mark of a thought that the prompt opened."""
        kept = ids[:-1] if ids and ids[-1] in self.stop_ids else ids
        return self.template.opens + self.template.readable(kept)


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
