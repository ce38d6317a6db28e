"""Run ERNIE-4.5-VL-28B-A3B-Thinking on your own machine, from the command line."""

__version__ = "0.1.0"
