"""A small vision transformer that is trained on the pool to find copies (Pizzi et al. 2022, SSCD).

Read in this order: config, edits, views, batches (what is seen), network, loss, fit (how it learns), whitening,
descriptor (how images are described), files, fitted (how all this is kept).
"""
