"""The benchmark of serving: Glyphery beside other servers of the same model; see docs/PERFORMANCE.md."""
