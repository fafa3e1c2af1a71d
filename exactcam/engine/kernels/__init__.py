"""Compiled loops of the fast engine: arrays in, arrays out."""
