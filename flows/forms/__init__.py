"""What a person fills in to start a run: the fields that Prefect's pages show, and whether what they hold can be."""
