"""The peers, a file each, run by `python -m` in an environment of its own (`..environments`)."""
