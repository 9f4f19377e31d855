"""What a person reads at the end: figures, and one page in HTML and in Markdown."""
