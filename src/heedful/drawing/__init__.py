"""Drawing: numbers in, parts of a page out: scales, SVG charts, the style sheet. No script, and nothing from outside."""
