"""Serve the demo's three text models by name, and switch one while it serves.

Run after ``make demo`` as ``python examples/serve_by_name.py [--model-dir demo/models]``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from model_quantization.serving.named_loaders import (
    EmailModelLoader,
    IntentModelLoader,
    SentimentModelLoader,
)

MESSAGES = {
    IntentModelLoader: "What is artificial intelligence?",
    SentimentModelLoader: "A moving and beautifully acted film.",
    EmailModelLoader: "You have won a free prize! Call now to claim.",
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Serve the demo's text models by name.")
    parser.add_argument("--model-dir", type=Path, default=Path("demo/models"))
    options = parser.parse_args(arguments)
    for kind, message in MESSAGES.items():
        loader = kind(use_quantized=True, model_dir=options.model_dir)
        sizes = loader.get_model_size_info()
        status = loader.status()
        print(f"{loader.files.name}: {message!r} -> {loader.predict([message])[0]}")
        print(
            f"  answered by the {status['active']} ({status['reason']}), "
            f"{sizes['size_reduction_percent']:.1f} % smaller"
        )
        loader.use_quantized_model(False)
        print(f"  the original says {loader.predict([message])[0]}")


if __name__ == "__main__":
    main()
