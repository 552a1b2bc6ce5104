"""The output guard: what a model wrote in, what a person may read out, with a reason for each thing that was changed."""
