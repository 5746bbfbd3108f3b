"""`python -m model_quantization`: the command line; see `commands`."""

from __future__ import annotations

import sys

from model_quantization.commands.line import main

sys.exit(main())
