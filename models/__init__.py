"""Tensors in, tensors out: networks, losses, the scene-flow solver, codebook encoding."""
