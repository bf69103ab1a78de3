"""What the archive is made of, as values: canonical texts, custody, the manifest, and the files of a bag."""
