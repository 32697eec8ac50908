-- ARGV: owner, ids... Returns those that were no longer the owner's.
begin_by_freeing()
return ack(ARGV[1], rest(2))
