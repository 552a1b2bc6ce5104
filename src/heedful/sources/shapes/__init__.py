"""Shapes: how conversations are written in records. Records in, SourceRow and BadRow values out; one file a shape."""
