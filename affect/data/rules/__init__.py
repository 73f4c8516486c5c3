"""What holds of values, columns, padding, lengths, labels and names of splits, wherever they are from."""
