-- Drops an archived record and its indexes; a record that changed since, whose attempt is still open or whose followers
-- wait for its end stays an hour more.
-- KEYS 1 job  2 jobs  3 jobs of the status  4 retention  5 deadlines  6 followers  7 rows by status
-- ARGV 1 id  2 version  3 look again at  4 status of a batch's row ('' = it is none)
local current = redis.call('HMGET', KEYS[1], 'v', 'a')
local busy = current[1] and (current[1] ~= ARGV[2] or current[2] ~= '')
if busy or redis.call('EXISTS', KEYS[6]) == 1 then
  redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
  return 0
end
if redis.call('DEL', KEYS[1]) == 1 and ARGV[4] ~= '' then redis.call('HINCRBY', KEYS[7], ARGV[4], -1) end
for key = 2, 5 do redis.call('ZREM', KEYS[key], ARGV[1]) end
return 1
