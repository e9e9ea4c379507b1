"""The stages of dvc.yaml, one file each; a new one is one file and one line here."""

STAGES = {
    "ingest": "Read pools, curated and evaluation sets into a manifest and a list of rejects.",
    "embed": "Describe every image by vectors, for copy detection and for retrieval.",
    "deduplicate": "Keep one of each group of near-copies, and none of an evaluation image.",
    "retrieve": "Choose from the pool what resembles the curated sets: the training images.",
    "pack": "Copy the training images into shards in the store, which training then reads.",
    "pretrain": "Train a backbone on them without labels.",
    "highres": "Go on for a short while at high resolution.",
    "distill": "Train a smaller STUDENT from the frozen teacher.",
    "evaluate": "Probe a frozen MODEL next to random weights and raw pixels.",
    "register": "Register a MODEL with its figures and its card.",
    "report": "Put everything on one page.",
}
MATRIX = {"distill": "STUDENT", "evaluate": "MODEL", "register": "MODEL"}
"""Stages that run once for each item, and what the item is called."""
