"""Export: a registered version in; a directory that other software runs, checked, with a model card, out."""

from heedful.registry.export.export import KINDS, Exported, ExportKind, Wanted, export_version

__all__ = ["KINDS", "ExportKind", "Exported", "Wanted", "export_version"]
