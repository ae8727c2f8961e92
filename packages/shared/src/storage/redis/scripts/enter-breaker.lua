-- Lets a call go, or says in how many ms to ask again. With breaker-record.
-- KEYS 1 record of the channel  2 of the place. Answers { ms, 1 = a probe }.
local attempt, probe_ms, look_again_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_ms()
local channel = read_record(KEYS[1])
local place = read_place(KEYS[2], channel)
if channel.override == 'close' then return { 0, 0 } end
if channel.override then return { look_again_ms, 0 } end

local waits = { wait_of(channel, attempt, now, look_again_ms), wait_of(place, attempt, now, look_again_ms) }
local wait = math.max(waits[1], waits[2])
if wait > 0 then return { wait, 0 } end
local probes = 0
for i = 1, 2 do
  if waits[i] < 0 then
    probes = 1
    redis.call('HSET', KEYS[i], 'probe', attempt, 'probe_until', now + probe_ms)
  end
end
return { 0, probes }
