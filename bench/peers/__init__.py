"""What is measured and how: djutils, its peers and the bare stores, each in its own environment."""
