"""New vectors: a rectified flow over the vectors of a codec, what it must beat, and how both are judged."""
