"""Every model takes some seconds longer, without using the processor: imported by who does them."""

import os
import time
from typing import Any

from model_quantization.batch import run as batch

_quantize_stage = batch.quantize_stage


def _slowly(*arguments: Any) -> dict[str, Any]:
    time.sleep(float(os.environ["SLOW_MODEL_SECONDS"]))
    return _quantize_stage(*arguments)


batch.quantize_stage = _slowly
