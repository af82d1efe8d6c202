"""Corpora and tables: found, checked, encoded once into one array, split by position."""
