"""Recurrent cells, one short file each: the docstring gives the equations, and `step` follows them line by line."""
