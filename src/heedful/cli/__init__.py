"""Command line: one thin function a verb. Flags in; a table or one JSON object out; exit 0 done, 1 refused or failed, 2 usage."""
