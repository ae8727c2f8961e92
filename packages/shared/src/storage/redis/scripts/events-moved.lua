-- Notes how far the archive of events reaches, and drops from the stream what it holds. The border never goes back.
-- KEYS 1 events  2 border      ARGV 1 ms  2 number within it, both of the last event that is archived
local ms, seq = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = redis.call('GET', KEYS[2])
if known then
  local known_ms, known_seq = string.match(known, '(%d+)-(%d+)')
  known_ms, known_seq = tonumber(known_ms), tonumber(known_seq)
  if known_ms > ms or (known_ms == ms and known_seq >= seq) then return 0 end
end
redis.call('SET', KEYS[2], ARGV[1] .. '-' .. ARGV[2])
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1] .. '-' .. string.format('%.0f', seq + 1))
return 1
