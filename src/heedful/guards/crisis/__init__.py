"""The crisis guard: the person's messages in, a tier with kinds out. Rules, a small classifier and a window over the last turns."""
