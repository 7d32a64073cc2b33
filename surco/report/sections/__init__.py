"""The sections of the report: each turns evidence into blocks, or says what is missing."""
