"""The file classifier.onnx: encoder.onnx with the head behind it, from the same input to probabilities.

The output `probabilities` is (B, K). The file's metadata_props say what those of encoder.onnx say, and further the
classes, as a JSON list, the temperature, and the SHA-256 of the encoder's weights. B images, D features, K classes.
"""

import json
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from components.classifier.files import CLASSES, PROBABILITIES
from components.classifier.saved import Config
from components.stage.disk import write_beside
from components.stage.errors import InputError

FEATURES = "features"  # the output of encoder.onnx
HEAD = "head."  # begins the names of what is added


def write_onnx(path: Path, model: onnx.ModelProto, tensors: dict[str, Tensor], config: Config) -> None:
    """Write the encoder's graph with the head added to it."""
    graph = model.graph
    batch = graph.output[0].type.tensor_type.shape.dim[0].dim_param
    scaled = {"centre": tensors["centre"]}
    scaled |= {name: tensors[name] / config.temperature for name in ("weights", "bias")}
    graph.initializer.extend(numpy_helper.from_array(tensor.numpy(), HEAD + name) for name, tensor in scaled.items())
    chain = [("Sub", "centre"), ("MatMul", "weights"), ("Add", "bias")]  # (B, D) -> (B, K)
    before = FEATURES
    for operation, name in chain:
        graph.node.append(helper.make_node(operation, [before, HEAD + name], [HEAD + operation], HEAD + operation))
        before = HEAD + operation
    graph.node.append(helper.make_node("Softmax", [before], [PROBABILITIES], PROBABILITIES, axis=-1))
    del graph.output[:]
    shape = [batch, len(config.classes)]
    graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, shape))
    said = {entry.key: entry.value for entry in model.metadata_props}
    said |= {CLASSES: json.dumps(config.classes), "temperature": str(config.temperature), "encoder": config.encoder}
    helper.set_model_props(model, said)
    with write_beside(path) as new:
        onnx.save(model, new)


def read_model(path: Path, width: int) -> onnx.ModelProto:
    """Read encoder.onnx. Raises InputError if it is missing or damaged, or does not give so many features."""
    made = "`dvc repro pretrain` writes it, `python -m pipelines.verify` says whether it is damaged"
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; {made}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; {made}") from None
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise InputError(f"{path}: damaged: {str(error).splitlines()[0][:200]}; {made}") from None
    outputs = [(output.name, output.type.tensor_type.shape.dim[-1].dim_value) for output in model.graph.output]
    if outputs != [(FEATURES, width)]:
        raise InputError(f"{path}: its outputs are {outputs}, not {width} {FEATURES}; {made}")
    return model
