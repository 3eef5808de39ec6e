"""A model of fewer layers, for tests that compile many: the shipped file without all but its first ones."""

import onnx


def shorten(path, layers):
    """The ONNX model at `path` (test/models/tales2m/torchscript_past.onnx, or one written alike), cut behind so many layers."""
    model = onnx.load(path)
    graph = model.graph
    last = f"/model/layers.{layers - 1}/Add_1_output_0"
    for node in graph.node:
        if node.name == "/model/norm/Cast":
            node.input[0] = last
    kept = [output for output in graph.output if not output.name.startswith("present.") or int(output.name.split(".")[1]) < layers]
    del graph.output[:]
    graph.output.extend(kept)
    producers = {name: node for node in graph.node for name in node.output}
    needed, worklist = set(), [output.name for output in kept]
    while worklist:
        node = producers.get(worklist.pop())
        if node is not None and node.name not in needed:
            needed.add(node.name)
            worklist.extend(node.input)
    nodes = [node for node in graph.node if node.name in needed]
    read = {name for node in nodes for name in node.input}
    for field, values in (("node", nodes), ("initializer", [i for i in graph.initializer if i.name in read]),
                          ("input", [i for i in graph.input if not i.name.startswith("past_key_values.") or i.name in read])):
        values = list(values)
        del getattr(graph, field)[:]
        getattr(graph, field).extend(values)
    return model
