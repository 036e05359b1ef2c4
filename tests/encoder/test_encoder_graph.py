"""The ONNX graph against the network in torch, rows against their bounds, and the way back."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rumpun.encoder.model import Student, padded
from rumpun.encoder.onnx_graph import build, quantised_rows, read_back
from rumpun.errors import InputError


@pytest.fixture(scope="module")
def student() -> Student:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = Student(vocabulary=300, positions=40, layers=2, width=96)
        for name, tensor in model.named_parameters():
            if "norm" in name or name == "places":
                torch.nn.init.normal_(tensor, mean="weight" in name, std=0.1)
            elif name != "words.weight":
                torch.nn.init.normal_(tensor, std=0.08)
    return model.eval()


@pytest.fixture(scope="module")
def tensors(student: Student) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in student.state_dict().items()}


def run(graph: onnx.ModelProto | bytes, ids: list[list[int]]) -> np.ndarray:
    import onnxruntime

    data = graph if isinstance(graph, bytes) else graph.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    padded_ids, mask = padded(ids)
    return session.run(None, {"ids": padded_ids.numpy(), "mask": mask.long().numpy()})[0]


TEXTS = [[2, *range(10 + 5 * n, 12 + 7 * n), 3] for n in range(1, 12)]


@pytest.mark.parametrize(("bits", "most", "least"), [(8, 63, 0.998), (8, 127, 0.99), (4, 63, 0.98)])
def test_the_graph_is_the_network(
    student: Student, tensors: dict[str, np.ndarray], bits: int, most: int, least: float
) -> None:
    """Cosines with torch in float32, texts of several lengths in one batch; 127 may saturate without VNNI."""
    graph = build(tensors, bits=bits, weight_most=most)
    onnx.checker.check_model(graph, full_check=True)
    found = run(graph, TEXTS)
    with torch.inference_mode():
        exact = student(*padded(TEXTS)).numpy()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * exact).sum(1).min() > least


def _plain(packed: np.ndarray, scales: np.ndarray, bits: int) -> np.ndarray:
    """Rows as the graph's operators read them."""
    if bits == 4:
        packed = np.concatenate([(packed & 15).astype(np.int32), packed >> 4], axis=1) - 8
    return packed.reshape(*scales.shape, -1) * scales.astype(np.float64)[..., None]


@given(arrays.arrays(np.float32, (3, 192), elements=st.floats(-4, 4, width=32)), st.sampled_from([4, 8]))
def test_a_row_is_as_near_as_its_bits_allow(rows: np.ndarray, bits: int) -> None:
    packed, scales = quantised_rows(rows, bits)
    assert packed.nbytes * 8 == rows.size * bits
    groups = rows.reshape(3, 2, 96).astype(np.float64)
    error = np.abs(_plain(packed, scales, bits) - groups)
    most = (1 << (bits - 1)) - 1
    top = np.abs(groups).max(2)
    # against the plainest rounding there is, by its own arithmetic: never worse, and at 8 bits half a step at most
    step = np.maximum(top / most, 2**-14).astype(np.float16).astype(np.float64)[..., None]
    plainest = np.clip(np.round(groups / step), -most, most) * step - groups
    assert ((error**2).sum(2) <= (plainest**2).sum(2) * 1.001 + 1e-9).all()
    if bits == 8:
        assert (error <= 0.5 * step + most * step * 2**-10 + 1e-9).all()
    else:
        assert (
            error.max(2) <= np.maximum(0.5 * step[..., 0], 0.31 * top) + 1e-6
        ).all()  # clipped to 0.7 at most


def test_clipping_helps_rows_as_they_are() -> None:
    rows = np.random.default_rng(0).standard_t(5, (200, 384)).astype(np.float32)
    packed, scales = quantised_rows(rows, 4)
    groups = rows.reshape(200, 4, 96)
    step = (np.abs(groups).max(2) / 7)[..., None]
    plainest = np.round(groups / step) * step - groups
    assert ((_plain(packed, scales, 4) - groups) ** 2).mean() < 0.93 * (plainest**2).mean()


@pytest.mark.parametrize(("bits", "most"), [(4, 63), (8, 63), (8, 127)])
def test_read_back_and_built_again_it_is_the_same_file(
    tensors: dict[str, np.ndarray], tmp_path: Path, bits: int, most: int
) -> None:
    rough = {name: tensor.copy() for name, tensor in tensors.items()}
    rough["words.weight"][0] = 0  # a row of nothing
    rough["words.weight"][1] *= 1e-7
    rough["layers.0.up.weight"][3] = 0
    first = build(rough, bits=bits, weight_most=most).SerializeToString()
    (tmp_path / "encoder.onnx").write_bytes(first)
    back = read_back(tmp_path / "encoder.onnx")
    assert {name: (t.shape, t.dtype) for name, t in back.items()} == {
        name: (t.shape, t.dtype) for name, t in tensors.items()
    }
    for name, tensor in back.items():
        step = np.abs(rough[name]).max() / (7 if bits == 4 and name == "words.weight" else most)
        assert np.abs(tensor - rough[name]).max() <= (
            2.2 * step if name == "words.weight" else 0.51 * step
        ), name
    assert build(back, bits=bits, weight_most=most).SerializeToString() == first


def test_what_is_no_graph_of_ours_is_named(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    with pytest.raises(InputError, match=r"encoder\.onnx: cannot be read"):
        read_back(path)
    whole = build(tensors, bits=4).SerializeToString()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"encoder\.onnx: cannot be read"):
        read_back(path)
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])  # fmt: skip
    path.write_bytes(helper.make_model(other).SerializeToString())
    with pytest.raises(InputError, match="KeyError"):
        read_back(path)
