"""Recurrent cells: one short file each, whose docstring gives the equations and whose `step` reads like them."""
