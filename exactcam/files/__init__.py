"""Bytes in and out, whatever they mean."""
