"""Prefect flows, the deployable entry points.

Importing this package gives Prefect the project's settings, so it comes before `import prefect`.
"""

from flows.prefect_settings import use_project_settings

use_project_settings()
