"""Bridges to what others define: frameworks, monitoring systems, probes. Nothing else of djutils imports them."""
