"""Turns the files of the folder named by AFFECT_DATA into native corpora."""
