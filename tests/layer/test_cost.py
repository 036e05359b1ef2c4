"""What a run will cost: operations against what torch counts, memory against what runs took, forecasts against runs."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import UsageError
from rumpun.layer.cost import Load, memory_of, operations, pass_that_fits, shared_memory, trained_numbers
from rumpun.layer.machines import find_card, find_gpu, machines, package_joules, share_reached
from rumpun.layer.params import TARGETS, Replay, TrainParams
from rumpun.layer.places import Asked, on_gpu, on_this_machine
from rumpun.layer.shape import Shape, find_shape

SMALL = Shape(  # SmolLM2-135M
    name="small", hidden=576, blocks=30, heads=9, key_heads=3, head_dim=64, inner=1536, vocabulary=49_152, tied=True,
    modules={"q_proj": (576, 576), "k_proj": (192, 576), "v_proj": (192, 576), "o_proj": (576, 576),
             "gate_proj": (1536, 576), "up_proj": (1536, 576), "down_proj": (576, 1536)},
    config={},
)  # fmt: skip
WIDE = Shape(  # Llama 3.1 8B
    name="wide", hidden=4096, blocks=32, heads=32, key_heads=8, head_dim=128, inner=14_336, vocabulary=128_256, tied=False,
    modules={"q_proj": (4096, 4096), "k_proj": (1024, 4096), "v_proj": (1024, 4096), "o_proj": (4096, 4096),
             "gate_proj": (14_336, 4096), "up_proj": (14_336, 4096), "down_proj": (4096, 14_336)},
    config={},
)  # fmt: skip


def load(shape: Shape = SMALL, added: int = 0, **given_params: Any) -> Load:
    return Load(shape, TrainParams(**{"tokens": 10_000_000} | given_params), added)


@pytest.mark.parametrize(
    "given_params",
    [
        {},
        {"document_masking": False, "rank": 8, "targets": ("q_proj", "down_proj")},
        {"gradient_checkpointing": True},
        {"replay": Replay(languages=("en",), share=0.25, base_weight=0.5)},
    ],
)
def test_operations_are_those_that_torch_counts(base_folder: Path, given_params: dict[str, Any]) -> None:
    """On a processor the counter sees every matrix product; attention there multiplies what lies ahead too."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from rumpun.layer.loop import one_step
    from rumpun.layer.prepared import find_device, prepare

    params = TrainParams(
        base="tiny", tokens=512, sequence_tokens=64, batch_sequences=8, micro_tokens=512, precision="float32", **given_params
    )  # fmt: skip
    run = prepare(base_folder, params, find_device(params), 1)
    ids = torch.randint(0, 260, (8, 64), generator=torch.Generator().manual_seed(1))
    targets = torch.roll(ids, -1, 1)
    positions = torch.arange(64).remainder(40).expand(8, 64) if params.document_masking else None
    with FlopCounterMode(display=False) as counter:
        one_step(run, ids, targets, 1.0, positions, torch.arange(8) < 2 if run.recall else None)
    expected = operations(Load(find_shape("tiny"), params))
    products = sum(expected.values()) + (0 if params.document_masking else expected["attention"])
    # the first block's q, k and v give no gradient to frozen embeddings, unless checkpointing asks for it
    spared = 0 if params.gradient_checkpointing else 2 * (64 * 64 + 2 * 32 * 64)
    assert counter.get_total_flops() / ids.numel() == pytest.approx(products - spared)


@given(
    rank=st.integers(1, 128), tokens=st.sampled_from([64, 256, 1024]), added=st.integers(0, 8_000),
    checkpointing=st.booleans(), targets=st.sets(st.sampled_from(TARGETS)),
)  # fmt: skip
def test_more_work_never_costs_less(
    rank: int, tokens: int, added: int, checkpointing: bool, targets: set[str]
) -> None:
    params = {
        "rank": rank,
        "sequence_tokens": tokens,
        "gradient_checkpointing": checkpointing,
        "targets": tuple(targets),
    }
    one, wide = load(added=added, **params), load(WIDE, added=added, **params)
    assert sum(operations(one).values()) < sum(operations(wide).values())
    assert trained_numbers(one) < trained_numbers(wide) or not (targets or added)
    again = load(added=added, **params | {"gradient_checkpointing": True})
    assert sum(operations(again).values()) >= sum(operations(one).values())
    held, less = (memory_of(each, place="cuda", number_bytes=2) for each in (one, again))
    assert less["activations"] <= held["activations"]
    assert all(value >= 0 for value in held.values())


def test_trained_numbers_are_those_of_the_shipped_layer() -> None:
    assert trained_numbers(load()) == 9_768_960
    assert trained_numbers(load(targets=(), added=1000)) == 1000 * 576
    assert trained_numbers(load(WIDE, targets=(), added=1000)) == 2 * 1000 * 4096


@pytest.mark.parametrize(
    ("batch", "tokens", "seconds", "peak"),
    [(32, 31_457_280, 214.8, 27_815_932_416), (16, 6_291_456, 73.9, 16_412_545_024)],
)
def test_computed_memory_is_near_what_the_shipped_layers_runs_took_on_an_h100(
    batch: int, tokens: int, seconds: float, peak: int
) -> None:
    """Figures of layers/first/lineage; that training let documents see one another, and held a chunk's logits twice."""
    asked = load(sequence_tokens=1024, batch_sequences=batch, tokens=tokens, document_masking=False)
    place = on_gpu(find_gpu("h100"), asked, Asked())
    counted = place.memory_bytes - place.memory["process"]  # torch does not see the driver's
    twice = 8_192 * 49_152 * 2
    assert counted == pytest.approx(peak - twice, rel=0.06)
    assert place.hours is not None
    assert 0.3 < place.hours * 3600 / seconds < 1.5


def test_what_does_not_fit_is_told_with_a_mend() -> None:
    wide = load(WIDE, sequence_tokens=2048, batch_sequences=32)
    place = on_gpu(find_gpu("h100"), wide, Asked())
    (words,) = [note for note in place.notes if "micro_tokens" in note]
    fitting = int(words.rpartition("= ")[2])
    assert fitting % 2048 == 0
    mended = dataclasses.replace(wide, params=dataclasses.replace(wide.params, micro_tokens=fitting))
    assert on_gpu(find_gpu("h100"), mended, Asked()).memory_bytes <= find_gpu("h100").memory_bytes
    assert fitting == pass_that_fits(wide, place="cuda", number_bytes=2, memory_bytes=find_gpu("h100").memory_bytes)  # fmt: skip
    small = on_gpu(find_gpu("rtx4090"), wide, Asked())
    assert small.cards > 1
    assert any("share the weights" in note for note in small.notes)


def test_a_card_without_bfloat16_says_so() -> None:
    assert any("bfloat16" in note for note in on_gpu(find_gpu("t4"), load(), Asked()).notes)
    assert on_gpu(find_gpu("h100"), load(precision="float32"), Asked()).hours is None


def test_a_clock_in_the_recipe_ends_the_forecast() -> None:
    place = on_this_machine(load(minutes_max=30.0), Asked(tokens_per_second=100.0))
    assert place.hours == pytest.approx(0.5)
    assert any("180,000 tokens" in note for note in place.notes)


def test_stated_figures_are_used_and_marked() -> None:
    place = on_this_machine(load(), Asked(tokens_per_second=500.0, watts=20.0))
    assert (place.basis, place.watts_basis) == ("stated", "stated")
    assert place.hours == pytest.approx(load().tokens / 500 / 3600)
    assert place.watt_hours == pytest.approx(20 * place.hours)


def test_the_table_of_machines_is_whole() -> None:
    for name, gpu in machines().gpus.items():
        assert find_card(f"NVIDIA {gpu.matches} x") == gpu, name
    found = find_card("NVIDIA H100 80GB HBM3")
    assert found is not None
    assert found.name == "NVIDIA H100 SXM"
    assert find_card("cpu, 2 threads") is None
    assert share_reached(100) == 0.10 < share_reached(2048) < share_reached(8192) == 0.35
    with pytest.raises(UsageError, match="h10O") as caught:
        find_gpu("h10O")
    assert "h100" in caught.value.hint


def test_energy_is_read_where_the_machine_lets_it(tmp_path: Path) -> None:
    assert package_joules(tmp_path) is None
    for number, value in enumerate((2_000_000, 500_000)):
        (tmp_path / f"intel-rapl:{number}").mkdir()
        (tmp_path / f"intel-rapl:{number}" / "energy_uj").write_text(f"{value}\n")
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of package 0, counted in it
    (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("9000000\n")
    assert package_joules(tmp_path) == 2.5


def test_a_folder_and_its_gguf_have_one_shape(base_file: Path, base_folder: Path) -> None:
    found, other = find_shape(str(base_file)), find_shape(str(base_folder))
    assert dataclasses.replace(found, name="") == dataclasses.replace(other, name="")
    config = json.loads((base_folder / "config.json").read_text())
    assert (found.hidden, found.blocks) == (config["hidden_size"], config["num_hidden_layers"])
    assert found.numbers == 90_880


@pytest.mark.parametrize(
    ("flags", "low"),
    [
        ("fpu avx512f avx512_bf16 clzero", True),
        ("fpu avx512f amx_bf16 amx_tile", True),
        ("fpu avx512f avx512_vnni", False),
        ("fpu no_avx512_bf16_here", False),
        ("", False),
    ],
)
def test_bfloat16_is_computed_in_where_the_processor_multiplies_it(
    flags: str, low: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emulated it is slower than float32, so `precision = "auto"` follows the processor; what a recipe says counts first."""
    import torch

    from rumpun.layer import machines as found
    from rumpun.layer.prepared import find_device

    monkeypatch.setattr(found, "_cpuinfo", lambda: f"model name : Some Processor\nflags\t\t: {flags}\n")
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")
    assert found.computes_bfloat16() is low
    chosen = {
        name: find_device(dataclasses.replace(TrainParams(), precision=name)).dtype
        for name in ("auto", "bfloat16", "float32")
    }
    auto = torch.bfloat16 if low else torch.float32
    assert chosen == {"auto": auto, "bfloat16": torch.bfloat16, "float32": torch.float32}


@pytest.mark.parametrize("read", ["amx_bf16", "avx512_bf16", "avx512_vnni", None])
def test_the_plan_counts_what_the_run_would_compute_in(
    read: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flags stand in /proc/cpuinfo, one line a core; where there is no such file, float32 it is."""
    from rumpun.layer.machines import computes_bfloat16, processor

    one = f"processor\t: 0\nmodel name\t: Some   Processor\nflags\t\t: fpu sse2 {read}\nbugs\t\t:\n\n"
    whole = Path.read_text

    def read_text(path: Path, *given: Any, **options: Any) -> str:
        if path != Path("/proc/cpuinfo"):
            return whole(path, *given, **options)
        if read is None:
            raise FileNotFoundError(2, "No such file or directory")
        return one * 2

    monkeypatch.setattr(Path, "read_text", read_text)
    low = read in ("amx_bf16", "avx512_bf16")
    assert computes_bfloat16() is low
    assert (processor() == "Some Processor") == (read is not None)
    stated = Asked(measure=False, tokens_per_second=100.0)
    auto, half, full = (
        on_this_machine(load(precision=name), stated).memory for name in ("auto", "bfloat16", "float32")
    )
    assert auto == (half if low else full)
    assert sum(half.values()) < sum(full.values())


def test_the_base_beside_a_run_is_counted_wherever_its_share_is_known() -> None:
    """Its weights in every case, also where bytes decide the share; its operations by replay's share or the weights'."""
    shape = find_shape("tiny")
    usual = TrainParams(base="tiny")

    def of(**more: Any) -> Load:
        return Load(
            shape,
            dataclasses.replace(
                usual, replay=Replay(languages=("en",), base_weight=0.5, **more.pop("replay", {})), **more
            ),
        )

    without = memory_of(Load(shape, usual), place="cpu", number_bytes=2)
    kept = memory_of(of(), place="cpu", number_bytes=2)
    assert kept["weights"] - without["weights"] == shape.numbers * 2
    assert kept["logits"] > without["logits"]
    assert shared_memory(of(), 2) == shared_memory(Load(shape, usual), 2)  # every process holds one
    assert [of().recalled, of(replay={"share": 0.2}).recalled, Load(shape, usual).recalled] == [0, 0.2, 0]
    weighed = of(language_weights={"en": 1.0, "id": 3.0}, chat_share=0.4)
    assert weighed.recalled == pytest.approx(0.25 * 0.6)
    assert operations(weighed)["recall"] == pytest.approx(
        0.6 * operations(of(replay={"share": 0.25}))["recall"]
    )
