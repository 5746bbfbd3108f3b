"""Prefect flows, the deployable entry points.

Importing this package gives Prefect the project's settings, so it comes before `import prefect`.
"""

import logging

from flows.prefect_settings import use_project_settings

use_project_settings()
logging.getLogger("model_quantization").setLevel(
    logging.INFO
)  # what Prefect passes on; its own level is WARNING
