"""Privacy: what a person wrote, and what they allowed, in; what may be used, and without what names them, out."""
