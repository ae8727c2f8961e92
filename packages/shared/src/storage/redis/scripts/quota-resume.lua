-- Forgets the pause and everything learnt of a place and of its channel. Answers whether there was a pause.
local was = redis.call('DEL', PAUSE)
redis.call('DEL', LEARNT, ALL_LEARNT)
return { was }
