"""`python -m model_quantization`: the same as the command `model-quantization`."""

from __future__ import annotations

import sys

from model_quantization.commands.application import main

sys.exit(main())
