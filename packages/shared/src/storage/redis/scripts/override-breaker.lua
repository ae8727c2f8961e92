-- An operator's word on a channel. With breaker-record.
-- KEYS 1 record of the channel      ARGV 1 open, close, drain, or '' to take it back
local word = ARGV[1]
if word == 'close' then
  -- The records of its places are of an epoch before this one, and so forgotten.
  redis.call('HDEL', KEYS[1], 'out', 'probe_at', 'probe', 'probe_until')
  redis.call('HINCRBY', KEYS[1], 'epoch', 1)
end
if word == '' then redis.call('HDEL', KEYS[1], 'override') else redis.call('HSET', KEYS[1], 'override', word) end
