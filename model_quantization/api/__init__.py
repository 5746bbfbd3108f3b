"""The documented functions: quantize a model, a file or a directory; compare two models.

Names and arguments are those of the documentation. The work is done in the other rooms; each file
here turns the arguments of one function into settings, and the result into plain values. A new
function gets a file here, a line below and a line in `model_quantization.__init__`.
"""

from model_quantization.api.comparison import compare_model_performance, open_any
from model_quantization.api.directory import batch_quantize_models
from model_quantization.api.model_file import quantize_model_file
from model_quantization.api.quantizer import ModelFormat, ModelQuantizer

__all__ = [
    "ModelFormat",
    "ModelQuantizer",
    "batch_quantize_models",
    "compare_model_performance",
    "open_any",
    "quantize_model_file",
]
