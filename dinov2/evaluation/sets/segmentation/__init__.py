"""Classes of pixels: masks beside images."""
