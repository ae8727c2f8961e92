-- Takes one call out of an allowance (GCRA, burst 1), unless the provider told everyone to stay away.
-- Answers { 0 } or { ms to wait, why }. Time is the server's, so workers need no common clock.
-- KEYS 1 next allowed (ms)  2 pause      ARGV 1 ms between calls (0 = no limit)
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then return { pause, redis.call('GET', KEYS[2]) } end
local interval = tonumber(ARGV[1])
if interval <= 0 then return { 0 } end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local next = tonumber(redis.call('GET', KEYS[1]) or '0')
if next > now then return { math.ceil(next - now), 'rate_limited' } end
redis.call('SET', KEYS[1], string.format('%.3f', math.max(now, next) + interval), 'PX', math.ceil(interval) + 1000)
return { 0 }
