"""Methods on the halves of a singular value decomposition: the spectrum alone, or the frames alone."""
