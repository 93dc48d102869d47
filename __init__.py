"""motionpipe: folders of videos, RGB and depth, to learned motion representations."""

__version__ = "0.1.0"
