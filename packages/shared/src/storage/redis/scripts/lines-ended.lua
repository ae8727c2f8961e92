-- ARGV 1 the name it runs by  2 flow
local over = call('ZREM', base .. ':running', ARGV[1] .. TAB .. ARGV[2])
if over == 1 then count(ARGV[2], -1) end
return over
