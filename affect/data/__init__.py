"""Corpora: reading, keeping, generating and batching them.

The rooms from low to high; each imports those above it in this list alone, and none of its own line:

    precision, steps, targets, provenance, corpora, posteriors, corpus_files
    ragged
    rules, consistency, pooled
    formats, samples, speakers
    corpus
    classes, duplicates, quality, leaks, splitting, text, shapes, factors, native, export, checks
    tokens, conversations
    loading, synthetic, writer, making
    words
    sources
    contents

One door leads up: `Corpus.from_arrays` and `Corpus.from_samples` hand what they are given to `making`.
"""
