"""The step `layer.distil_logits`: a layer learns a teacher's whole distributions over next tokens (Hinton et al. 2015).

Loss of a token: (1 - w) CE + w T² KL(teacher || layer), both distributions softened by T. Teacher and base need the same tokenizer.
Letters: b sequences, t tokens, d width, v vocabulary, c chunk, k of the teacher's tokens told apart.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.engines.bases import as_folder, find_base
from rumpun.errors import InputError
from rumpun.layer.base import base_facts, base_sha256
from rumpun.layer.distil.params import LogitsParams
from rumpun.layer.distil.teacher import source_of_weights
from rumpun.layer.train import learn
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import torch

    from rumpun.layer.loop import OneStep
    from rumpun.layer.prepared import Run

__all__ = ["distil_logits", "taught_loss"]

_TRIAL = ("Orang menanam bambu di tepi sungai.", "ชาวบ้านปลูกไผ่", "ရွာသားတို့ ဝါးစိုက်ကြသည်။", "x = [1, 23] # river\n")
_AGREE = 1e-2  # of logits' own size, between the head's product and what the model itself returns


def _facts(params: LogitsParams) -> dict[str, Any]:
    """The hashes of the base and the teacher."""
    return {**base_facts(params), "teacher_sha256": base_sha256(find_base(params.teacher))}


@step(kind="layer", version=1, identity=_facts, part="train", needs=("corpus",))
def distil_logits(params: LogitsParams, work: Work) -> Outcome:
    """Train as layer.tune does, with a teacher's distributions beside the text; inputs: a corpus, and a layer to go on from."""
    place = find_base(params.teacher, work.progress)
    source = source_of_weights(place, params.teacher, params.teacher_licence)
    folder = as_folder(place, work.progress)
    found = next((item for item in work.inputs if item.manifest.kind == "layer"), None)
    outcome = learn(params, work, found, lambda run, own: _taught_step(run, own, folder, params))
    summary = {
        "teacher": source.name, "teacher_weight": params.teacher_weight, "temperature": params.temperature, "top_k": params.top_k,
    }  # fmt: skip
    return dataclasses.replace(outcome, sources=(*outcome.sources, source), summary=outcome.summary | summary)


def taught_loss(
    student_cv: "torch.Tensor", teacher_cv: "torch.Tensor", targets_c: "torch.Tensor", *, weight: float,
    temperature: float, top_k: int = 0,
) -> "torch.Tensor":  # fmt: skip
    """Each token's loss [c] in nats.

    With `top_k` the teacher's k likeliest tokens are told apart and all others count as one: a divergence too, and never
    above that of all tokens.

    Args:
        student_cv: logits; more tokens than the teacher has are left out of its part.
        teacher_cv: logits.
        targets_c: the text's own next tokens.
        weight: of the teacher's part.
        temperature: above 0.
        top_k: 0: all tokens.
    """
    from torch.nn import functional

    own = functional.cross_entropy(student_cv, targets_c, reduction="none")
    both = min(student_cv.shape[1], teacher_cv.shape[1])
    said = (student_cv[:, :both] / temperature).log_softmax(1)
    told = (teacher_cv[:, :both] / temperature).log_softmax(1)
    if 0 < top_k < both:
        best = told.topk(top_k, 1).indices
        said, told = _lumped(said, best), _lumped(told, best)
    apart = functional.kl_div(said, told, reduction="none", log_target=True).sum(1)
    return (1 - weight) * own + weight * temperature**2 * apart


def _lumped(logprobs_cv: "torch.Tensor", best_ck: "torch.Tensor") -> "torch.Tensor":
    """[c, k + 1]: these tokens, and all others as one."""
    import torch

    rest = logprobs_cv.scatter(1, best_ck, float("-inf")).logsumexp(1, keepdim=True)
    return torch.cat([logprobs_cv.gather(1, best_ck), rest], 1)


def _taught_step(run: "Run", own: Path, folder: Path, params: LogitsParams) -> "OneStep":
    """The step of a run beside this teacher.

    Raises:
        InputError: the teacher has another tokenizer or tokens without a row, or does more to its logits than its head says.
    """
    import torch

    from rumpun.engines.hf_load import check_folder, load
    from rumpun.layer.logits import by_chunk, run_logits
    from rumpun.layer.tokenizer import Tokenizer, embedding_rows

    check_folder(folder)
    Tokenizer(folder, embedding_rows(folder))  # a token without a row would end in an IndexError, hours later
    device = run.device
    model, tokenizer = load(folder, device.dtype, device.place)
    model.requires_grad_(requires_grad=False)
    _same_tokenizer(own, folder, tokenizer)
    head = model.get_output_embeddings()
    _plain_head(model, head, tokenizer, folder)

    def some(hidden: "torch.Tensor", taught: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
        return taught_loss(
            run_logits(run, hidden), head(taught).float(), targets, weight=params.teacher_weight,
            temperature=params.temperature, top_k=params.top_k,
        )  # fmt: skip

    def one(
        run: "Run", tokens_bt: "torch.Tensor", targets_bt: "torch.Tensor", clip: float,
        positions_bt: "torch.Tensor | None" = None, _: "torch.Tensor | None" = None,
    ) -> "torch.Tensor":  # fmt: skip
        learnt = max(1, int((targets_bt >= 0).sum()))
        rows = max(1, device.micro_tokens // tokens_bt.shape[1])
        with torch.no_grad():
            run.refresh()
        losses = []
        for start in range(0, len(tokens_bt), rows):
            part, aims = tokens_bt[start : start + rows], targets_bt[start : start + rows]
            where = None if positions_bt is None else positions_bt[start : start + rows].to(device.place)
            given, wanted = part.to(device.place), aims.to(device.place).flatten()
            kept = torch.nonzero(wanted >= 0).squeeze(1)
            each = torch.zeros(len(wanted), device=device.place)
            if len(kept):
                hidden = run.decoder(
                    input_ids=given, position_ids=where, use_cache=False
                ).last_hidden_state.flatten(0, 1)
                with torch.no_grad():
                    taught = model.model(
                        input_ids=given, position_ids=where, use_cache=False
                    ).last_hidden_state.flatten(0, 1)
                found = by_chunk(some, device.chunk_tokens, hidden[kept], taught[kept], wanted[kept])
                (found.sum() / learnt).backward()  # type: ignore[no-untyped-call]
                each[kept] = found.detach()
            losses.append(each.view(part.shape))
        if clip:
            torch.nn.utils.clip_grad_norm_(run.parameters.values(), clip)
        run.optimizer.step()
        run.optimizer.zero_grad(set_to_none=True)
        return torch.cat(losses)

    return one


def _same_tokenizer(own: Path, folder: Path, theirs: Any) -> None:
    from rumpun.layer.tokenizer import Tokenizer

    mine = Tokenizer(own)
    same = mine.inner.get_vocab() == theirs.get_vocab()
    if same:
        same = mine.documents(list(_TRIAL)) == theirs(
            list(_TRIAL), add_special_tokens=False, split_special_tokens=True
        )["input_ids"]  # fmt: skip
    if not same:
        raise InputError(
            f"{folder}: its tokenizer is not that of {own}",
            "take a teacher of the same family, or learn from its answers with layer.distil",
        )


def _plain_head(model: Any, head: Any, tokenizer: Any, folder: Path) -> None:
    """Refuse a model that caps or scales its logits behind the head."""
    import torch

    ids = torch.tensor([tokenizer(_TRIAL[0], add_special_tokens=False)["input_ids"]], device=model.device)
    with torch.no_grad():
        whole = model(input_ids=ids, use_cache=False).logits.float()
        made = head(model.model(input_ids=ids, use_cache=False).last_hidden_state).float()
    if (whole - made).abs().max() > _AGREE * whole.abs().max():
        raise InputError(
            f"{folder}: the model caps or scales its logits, which is not known here",
            "learn from its answers with layer.distil",
        )
