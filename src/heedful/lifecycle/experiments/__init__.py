"""Experiments in a workspace: a challenger in; persons drawn, harms watched, and what may be said of them, out."""
