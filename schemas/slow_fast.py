"""What the recipe and the network of SlowFast must agree on: frame rates and widths of its pathways."""

from __future__ import annotations

ALPHA = 4
"""Frames of the fast pathway for each of the slow one."""
BETA_INVERSE = 8
"""Channels of the slow pathway for each of the fast one."""
