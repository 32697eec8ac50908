"""Small values with a time to live: for results, schedules, limits and keys that are used once."""
