-- A pick that could not go; its line waits.
-- ARGV 1 turn  2 ms, or nothing
local line = putBack(ARGV[1])
if line and ARGV[2] ~= '' then call('HSET', base .. ':lines', line, now + ARGV[2]) end
return line and 1 or 0
