"""Hostile inputs from a seed: whatever they hold, the answer is a result or one short sentence."""
