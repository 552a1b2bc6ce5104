"""Heedful: fine-tune, prove, serve and improve a companion of your own, on your own machine."""

__version__ = "0.1.0"
