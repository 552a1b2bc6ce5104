"""Containers: how records are kept. The first part of a file in, Records out when it is such a file; one file a container."""
