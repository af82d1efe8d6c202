"""Console output, live progress, plots and `report.html` for results. The only code that imports rich and
matplotlib."""
