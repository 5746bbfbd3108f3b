"""Prefect flows, the deployable entry points.

Importing this package gives Prefect the project's settings, so it comes before `import prefect`.
"""

import logging
from importlib.util import find_spec

from flows.prefect_settings import use_project_settings
from model_quantization.extras import QUANTIZE, need

need("the Prefect flow", "prefect", "fastapi", "sqlalchemy", *QUANTIZE)

if find_spec("tasks.quantization") is None:
    raise ImportError(
        "the package `tasks` that Python finds here belongs to another project; start the flow "
        "from a checkout of model-quantization, or use `model-quantization run`, which needs "
        "neither `tasks` nor Prefect"
    )

use_project_settings()
# Prefect passes these lines on to the run's page. Without a level they would start at WARNING.
logging.getLogger("model_quantization").setLevel(logging.INFO)
