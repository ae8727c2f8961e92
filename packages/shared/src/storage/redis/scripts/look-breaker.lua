-- How a place stands. With breaker-record.
-- KEYS 1 record of the channel  2 of the place
-- ARGV 1 ms worth waiting for another's probe  2 what the keys of the figures begin with  3 minutes of them that are wanted
local now, look_again_ms = now_ms(), tonumber(ARGV[1])
local channel = read_record(KEYS[1])
local place = read_place(KEYS[2], channel)
local wait = math.max(wait_of(channel, '', now, look_again_ms), wait_of(place, '', now, look_again_ms), 0)
local figures = {}
for i = 0, tonumber(ARGV[3]) - 1 do
  figures[i + 1] = redis.call('HGETALL', ARGV[2] .. string.format('%d', math.floor(now / 60000) - i))
end
return {
  now, wait, channel.override or '', channel.out or '', channel.probe_at or '', place.out or '', place.probe_at or '', figures,
}
