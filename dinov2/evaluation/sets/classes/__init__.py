"""Classes of images: folders named for them, and sets that share the classes of another."""
