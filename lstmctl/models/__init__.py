"""Networks built from cells: a stack of recurrent layers between an input map and a head."""
