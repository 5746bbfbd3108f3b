"""Short fuzzing without a fuzzer, and the inputs that a long one found."""
