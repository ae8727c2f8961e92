-- Moves a follower from one leader to another, or out. An heir that is over already has its end handed on once more:
-- it could not know of a follower that comes after it.
-- KEYS 1 followers of the old leader  2 followers of the heir  3 record of the heir  4 handoffs
-- ARGV 1 follower  2 heir ('' = none)  3 now
redis.call('SREM', KEYS[1], ARGV[1])
if ARGV[2] == '' or ARGV[2] == ARGV[1] then return 1 end
redis.call('SADD', KEYS[2], ARGV[1])
local heir = redis.call('HMGET', KEYS[3], 's', 'a')
local waiting = heir[1] == 'queued' or heir[1] == 'running'
-- A call of an ended heir that is still out may bring an image; its own end is handed on then.
local open = heir[1] and heir[1] ~= 'succeeded' and heir[2] ~= ''
if not waiting and not open then redis.call('ZADD', KEYS[4], 'NX', ARGV[3], ARGV[2]) end
return 1
