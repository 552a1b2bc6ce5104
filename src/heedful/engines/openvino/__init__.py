"""The OpenVINO engine: many replies at once on a CPU, each token of all of them in one pass over the weights."""
