"""Networks made of cells: a stack of recurrent layers between an input map and a head."""
