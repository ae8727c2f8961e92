-- What whoever sends this idempotency key again is told: `replayed`, or `reused` for another body, and the id that came
-- of it first; nothing when the key is free.
local function first_answer(idempotency, body)
  local seen = redis.call('GET', idempotency)
  if not seen then return nil end
  local at = string.find(seen, '|', 1, true)
  return string.sub(seen, 1, at - 1) == body and 'replayed' or 'reused', string.sub(seen, at + 1)
end
