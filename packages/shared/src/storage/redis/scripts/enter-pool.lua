-- Members come. Who is there already, of the same priority and with the same deadline, keeps its place and what was noted
-- of it: waiting jobs come again every few minutes, and each that counted as new would be read again.
-- KEYS 1 pool  2 stayers      ARGV 1 width of a band  2.. score of a newcomer, 1 = what it was judged by has changed, member
local band = tonumber(ARGV[1])
for n = 2, #ARGV, 3 do
  local score, anew, member = tonumber(ARGV[n]), ARGV[n + 1], ARGV[n + 2]
  local known = anew == '0' and tonumber(redis.call('ZSCORE', KEYS[1], member) or nil)
  if known ~= score and known ~= score - band then
    redis.call('ZADD', KEYS[1], ARGV[n], member)
    redis.call('ZREM', KEYS[2], member)
  end
end
return (#ARGV - 1) / 3
