-- Ends the waits of the lines that a channel is in.
-- ARGV 1 channel
for _, line in ipairs(call('HKEYS', base .. ':lines')) do
  if string.find(',' .. line .. ',', ',' .. ARGV[1] .. ',', 1, true) then call('HSET', base .. ':lines', line, 0) end
end
return 1
