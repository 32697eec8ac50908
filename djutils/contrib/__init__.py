"""Bridges to what others define; each needs its own package or release, and nothing else imports them."""
