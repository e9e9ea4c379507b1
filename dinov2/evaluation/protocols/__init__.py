"""What is read off frozen features, one file a protocol: it learns on train and answers for test with statistics."""
