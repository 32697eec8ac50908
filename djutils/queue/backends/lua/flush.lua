-- with lanes
-- Deletes every message; the owners stay enrolled.
redis.call('UNLINK', MESSAGES, READY, RANKED, DELAYED, ABOUT, DEAD, WAKE, COUNT, LENT)
redis.call('UNLINK', WAITING, SLOTS, LANES, OPENS, LATER, LANED)
unpack_lent()
