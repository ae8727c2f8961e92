-- How a place and its channel stand. Answers { now, ms to wait, { window, used, limit, learnt, until, free in } ..., pause }
-- as text, -1 where there is none; or { -1 } when the days given do not reach to now.
if isStale() then return { -1 } end
slide()
local function text(value) return string.format('%.0f', value) end
local answer = { text(now), '0' }
local longest = flightWait()
for _, window in ipairs(WINDOWS) do
  local limit, learnt, till = limitOf(window)
  local wait = windowWait(window, 1)
  longest = math.max(longest, wait)
  answer[#answer + 1] = { window, text(used(window)), text(limit), text(learnt or -1), text(till), text(ms(wait)) }
end
local own, all = tonumber(ARGV[14]), tonumber(ARGV[16])
answer[#answer + 1] = { 'concurrency', text(redis.call('ZCARD', FLYING)), text(own), '-1', '0', text(flightWait()) }
answer[#answer + 1] = { 'channel_concurrency', text(redis.call('ZCARD', ALL_FLYING)), text(all), '-1', '0', '0' }
local paused, reason, why = pauseNow()
answer[#answer + 1] = { 'pause', text(ms(paused)), reason, why }
answer[2] = text(ms(math.max(longest, paused)))
return answer
