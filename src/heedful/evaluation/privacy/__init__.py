"""Privacy checks: what a model gives away of those it learned from. Copies, membership, canaries, withdrawn records."""
