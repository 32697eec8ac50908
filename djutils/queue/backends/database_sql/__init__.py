"""The SQL that differs between database vendors, one small file for each."""
