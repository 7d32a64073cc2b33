"""The study of vectors: what they know, how they lie, and what happens when one moves them.

Pure functions on arrays, one idea a module. Vectors are (N, D) float arrays, one row a clip; labels
are sequences of N strings. Nothing here reads a store or a codec's files: jobs do.
"""
