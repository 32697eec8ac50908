-- Deletes every message; the owners stay enrolled.
redis.call('UNLINK', MESSAGES, READY, RANKED, DELAYED, ABOUT, DEAD, WAKE, COUNT, LENT)
unpack_lent()
