-- ARGV: the life of the record in milliseconds, its name, the record. Returns 1 if it was added, 0: there was one.
if result(ARGV[2], lives_of_results()) then return 0 end
keep_results(ARGV[1], rest(2))
return 1
