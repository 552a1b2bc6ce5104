"""Lifecycle: the whole way from a source to a served companion; the only room that joins store, training and evaluation."""
