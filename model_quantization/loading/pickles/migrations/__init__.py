"""Models of other versions of scikit-learn, read as the version that saved them meant them.

`steps.py` is the machinery: a step is one change that one release made to what a class holds, and
is applied to the state as saved, before any object has it. The other files hold the steps, one
file per kind of model, each with the release that made the change. `names.py` knows what classes
and functions were called; `deferred.py` has the objects that C code makes, whose state is put right
before they are made; `stand_ins.py` is what an unpickler is given instead of the classes.
"""

from __future__ import annotations

from model_quantization.loading.pickles.migrations.names import current_name
from model_quantization.loading.pickles.migrations.steps import (
    AS_SAVED,
    Upgrade,
    in_todays_form,
    known_release,
)

__all__ = ["AS_SAVED", "Upgrade", "current_name", "in_todays_form", "known_release"]
