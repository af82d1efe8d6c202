"""Records in; console, live progress, plots and `report.html` out. The only code that imports rich and matplotlib."""
