"""The library: quantization, its codecs, kernels, gate and artifact."""
