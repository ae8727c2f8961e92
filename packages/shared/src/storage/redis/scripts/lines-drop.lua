-- A job leaves, out of its line or its pick.
-- ARGV 1 turn, or nothing  2 flow  3 job
local pick = unpick(ARGV[1])
if pick then unuse(ARGV[1], pick) end
remove(ARGV[2], ARGV[3])
return 1
