"""Parts of `benchmarks/training.py`: bases with random weights, steps of real conversations, and the ways of training on them."""
