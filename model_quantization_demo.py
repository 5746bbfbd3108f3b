"""Quantize the models of a directory: `python model_quantization_demo.py --help`."""

import sys

from model_quantization.commands.demo import main

if __name__ == "__main__":
    sys.exit(main())
