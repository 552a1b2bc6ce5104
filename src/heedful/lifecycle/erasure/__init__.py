"""Erasure: a person in; nothing of theirs left in the workspace, no model that learned from them in service, and a receipt, out."""
