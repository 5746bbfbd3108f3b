"""`python -m ml`: look after releases and the machine they are made on; see ml/commands."""

from __future__ import annotations

import sys

from ml.commands.line import main

sys.exit(main())
