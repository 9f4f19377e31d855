"""ONNX graphs written down as expressions: each call adds a node and returns the name of what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

OPSET = 18
"""The first one in which ReduceMean and its like take their axes as an input; onnxruntime knows it since 1.14."""

IR_VERSION = 9
"""Of the file's format; what belongs to the opset and the years of the runtimes that know it."""

Value = tuple[str, int, Sequence[int | str]]
"""A graph's input or output: its name, its type (of ``TensorProto``), its shape, in which a name is any number."""

Array = NDArray[Any]


class Nodes:
    """Nodes and constants that are being collected.

    Args:
        prefix: What the names of all of them begin with; a graph inside another one needs its own.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def __call__(self, operator: str, *inputs: str | Array, **attributes: Any) -> str:
        """Add a node with one output and return the name of this output; an input that is an array is a constant."""
        output = f"{self._prefix}{len(self._nodes)}"
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        self._nodes.append(helper.make_node(operator, names, [output], name=f"{output}-{operator}", **attributes))
        return output

    def _constant(self, array: Array) -> str:
        name = f"{self._prefix}c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def named(self, value: str, name: str) -> None:
        """Give a value a name of its own, that of an output of the graph."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"{name}-Identity"))

    def graph(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> GraphProto:
        """Return the graph of all nodes so far."""
        return helper.make_graph(self._nodes, self._prefix, _described(inputs), _described(outputs), self._constants)

    def model(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> ModelProto:
        """Return the graph of all nodes so far as a model."""
        return helper.make_model(
            self.graph(inputs, outputs), opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )


def either(
    add: Nodes, condition: str, then: Callable[[Nodes], str], otherwise: Callable[[Nodes], str], shape: Sequence[int], name: str
) -> str:
    """Add a choice of which one side is computed, and return the name of its float32 value.

    Args:
        add: The graph.
        condition: Name of the condition, bool (1,).
        then: Adds what is computed where it holds, and returns the name of that.
        otherwise: The same for where it does not.
        shape: Shape of either value.
        name: What the names of both sides begin with.
    """
    branches = {}
    for side, compute in (("then", then), ("else", otherwise)):
        nodes, output = Nodes(f"{name}/{side}/"), f"{name}/{side}"
        nodes.named(compute(nodes), output)
        branches[f"{side}_branch"] = nodes.graph([], [(output, TensorProto.FLOAT, shape)])
    return add("If", add("Squeeze", condition), **branches)


def _described(values: Sequence[Value]) -> list[ValueInfoProto]:
    return [helper.make_tensor_value_info(name, type_, shape) for name, type_, shape in values]


def integers(*values: int) -> Array:
    """Return a constant of whole numbers, int64."""
    return np.array(values, np.int64)


def number(value: float) -> Array:
    """Return a constant that is one float32."""
    return np.array(value, np.float32)


def set_metadata(model: ModelProto, values: Mapping[str, str]) -> None:
    """Write what belongs to a model into its file, in the order of the names."""
    helper.set_model_props(model, dict(sorted(values.items())))
