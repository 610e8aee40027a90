"""One reader a data set format, and one way to open any of them."""
