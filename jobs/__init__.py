"""The jobs: one module a kind, each with a typed `Spec` and `run(spec, context)`.

A job gets its store and tracker through its context, so any of them runs in a plain script or in a
test with a folder on disk. Heavy imports stand inside `run`: submitting a job needs only its spec.
"""
