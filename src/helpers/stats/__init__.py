"""Statistics of the book, a family a module: arrays in, arrays out."""
