"""Corpora: reading, keeping, generating and batching them."""
