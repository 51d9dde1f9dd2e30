"""The schema's history: one line of numbered files, additive within a release, removals a release later."""
