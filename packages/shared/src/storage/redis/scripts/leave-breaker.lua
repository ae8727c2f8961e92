-- A call that entered was not made. With breaker-record.
-- KEYS 1 record of the channel  2 of the place.
for _, key in ipairs(KEYS) do free_probe(key, read_record(key), ARGV[1]) end
