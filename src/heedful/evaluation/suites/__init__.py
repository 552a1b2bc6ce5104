"""Suites: the name of a packaged YAML file in, prompts with what is expected of a reply out."""

from heedful.evaluation.suites.read import Suite, load_suite, suite_file, suite_names

__all__ = ["Suite", "load_suite", "suite_file", "suite_names"]
