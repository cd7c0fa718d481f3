"""Search over a million embeddings: kinds of index beside exact search, in recall, bytes and rate."""
