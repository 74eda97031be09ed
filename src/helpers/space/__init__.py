"""Where things are: grids and the way onto them, windows of cells, regions and their outlines, yearly maps."""
