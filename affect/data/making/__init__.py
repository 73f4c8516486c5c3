"""Arrays, tensors, lists and frames, as people hold them in memory -> a corpus."""
