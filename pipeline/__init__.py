"""Recordings to arrays and back, files in data order."""
