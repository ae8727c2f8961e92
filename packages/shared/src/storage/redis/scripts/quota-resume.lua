-- Forgets pauses and everything learnt of a place and of its channel. Answers whether there was a pause.
local was = redis.call('EXISTS', PAUSE, ALL_PAUSE) > 0
redis.call('DEL', PAUSE, ALL_PAUSE, LEARNT, ALL_LEARNT)
return { was and 1 or 0 }
