-- A job stands in line from a later instant on.
-- ARGV 1 line  2 flow  3 share  4 place  5 job  6 ms until then
local line, flow, share, place, job, ms = unpack(ARGV)
remove(flow, job)
local entry = flow .. TAB .. job
call('HSET', base .. ':laters', entry, table.concat({ line, share, place }, TAB))
call('ZADD', base .. ':later', now + ms, entry)
return 1
