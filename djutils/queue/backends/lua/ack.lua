-- KEYS[10] what is lent to the owner; ARGV: ids. Answers those that were no longer the owner's.
return ack(KEYS[10], ARGV)
