"""What differs from vendor to vendor, one small file for each."""
