"""Published benchmark settings, and the scripts that prepare their corpora."""
