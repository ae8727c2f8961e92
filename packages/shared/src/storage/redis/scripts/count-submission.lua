-- One submission more within a sliding minute, unless that is too many. A slot is forgotten as a whole, once all of it
-- is over a minute old: so no minute ever has more than it may.
-- Answers { 1 or 0, how many are left, ms until there is room, or until the oldest are forgotten }.
-- KEYS 1 hash: second -> submissions      ARGV 1 how many a minute
local SECONDS, most = 60, tonumber(ARGV[1])
local time = redis.call('TIME')
local slot, ms = tonumber(time[1]), math.floor(time[2] / 1000)
local all, counts, sum, oldest = redis.call('HGETALL', KEYS[1]), {}, 0, slot
for n = 1, #all, 2 do
  local one, count = tonumber(all[n]), tonumber(all[n + 1])
  if one < slot - SECONDS then redis.call('HDEL', KEYS[1], all[n]) else
    counts[one] = count
    sum = sum + count
    oldest = math.min(oldest, one)
  end
end
local function forgotten(one) return (one + SECONDS + 1 - slot) * 1000 - ms end
if sum < most then
  redis.call('HINCRBY', KEYS[1], slot, 1)
  redis.call('EXPIRE', KEYS[1], SECONDS + 2)
  return { 1, most - sum - 1, forgotten(oldest) }
end
-- The limit may have been lowered: then more than the oldest slot has to be forgotten first.
for one = oldest, slot do
  sum = sum - (counts[one] or 0)
  if sum < most then return { 0, 0, forgotten(one) } end
end
return { 0, 0, forgotten(slot) }
