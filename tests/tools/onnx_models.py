"""ONNX models of a few nodes, and whether the network read from one agrees with onnxruntime."""

import numpy as np
import onnx
import onnxruntime

import exactcam
from tools.onnx_build import model_of


def save(path, nodes, shape, constants, opset, kind=1):
    onnx.save(model_of(nodes, constants, shape, opset, kind), path)


def agree(path, shape, points=5, size=3.0, dtype=np.float32):
    """Exact outputs are onnxruntime's, up to float32 rounding."""
    network = exactcam.load(path)  # with the loader's own check
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rng = np.random.default_rng(1)
    inputs = (rng.standard_normal((points, *shape)) * size).astype(dtype)
    exact = network.evaluate_many([x.ravel() for x in inputs])
    for x, ours in zip(inputs, exact, strict=True):
        theirs = session.run(None, {name: x})[0].ravel()
        ours = np.asarray([float(y) for y in ours])
        assert ours.shape == theirs.shape
        bound = 1e-5 if dtype == np.float32 else 1e-13
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound * (1 + np.abs(theirs).max()))
    return network
