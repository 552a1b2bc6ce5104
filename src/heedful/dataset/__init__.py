"""Dataset: conversations of the store in; an immutable, split, explained directory of chat rows out."""

from heedful.dataset.build import BuiltDataset, build_dataset
from heedful.dataset.versions import dataset_dir, list_datasets, load_split, show_dataset

__all__ = ["BuiltDataset", "build_dataset", "dataset_dir", "list_datasets", "load_split", "show_dataset"]
