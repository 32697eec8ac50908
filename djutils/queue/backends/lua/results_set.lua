-- ARGV: the life of the records in milliseconds, then each name and its record.
keep_results(ARGV[1], rest(2))
