-- Answers { flow, waiting … } and { tenant or flow of a key, picked or running … }.
lapse()
local waiting = {}
for _, line in ipairs(call('HKEYS', base .. ':lines')) do
  for _, flow in ipairs(call('ZRANGE', flows(line), 0, -1)) do
    waiting[#waiting + 1] = flow
    waiting[#waiting + 1] = call('ZCARD', queue(line, flow))
  end
end
return { waiting, call('HGETALL', base .. ':counts') }
