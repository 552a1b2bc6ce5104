"""Experiments: outcomes of persons in; what may be said of two variants, however often somebody looks, out. Pure numbers.

Derivations and sources: docs/experiments.md. All files use one notation. A person is served by the challenger with probability
`share`, drawn by nobody's choice; a row of an array is one experiment, its last axis `n` are persons in the order in which their
outcome was known. An e-process is a number that, where the null hypothesis holds, does not exceed 1/level, at any time, with more
than probability `level` (Ville 1939): so it may be looked at after every person, and the experiment may be stopped or go on at
will.
"""
