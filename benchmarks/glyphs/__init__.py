"""The benchmark of isolated printed glyphs on unseen font families; see docs/BENCHMARK.md."""
