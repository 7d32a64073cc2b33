-- Enter a job, and decide at once whether it can be queued.
-- KEYS  1 row of the job
-- ARGV  1 job  2 its state: waiting, done, dead or cancelled  3... further fields of the row (name, value, ...)
-- Returns {1, state} or, where the job is there already and nothing was changed, {0, state}.
-- What stands under the job's key and is no row (it has no kind or no state) gives way.
local id, to = ARGV[1], ARGV[2]
local state, kind = unpack(redis.call('HMGET', KEYS[1], 'state', 'kind'))
if state and kind then
  return {0, state}
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', 'surco:malformed', id)
redis.call('HSET', KEYS[1], 'state', to, 'created', NOW_TEXT, unpack(ARGV, 3))
redis.call('ZADD', 'surco:jobs', NOW_TEXT, id)
redis.call('ZADD', 'surco:ids', 0, id)
local required, optional = unpack(redis.call('HMGET', KEYS[1], 'required', 'optional'))
for _, need in ipairs(cjson.decode(optional)) do
  redis.call('HSET', 'surco:children:' .. need, id, 'optional')
end
for _, need in ipairs(cjson.decode(required)) do
  redis.call('HSET', 'surco:children:' .. need, id, 'required')
end
redis.call('ZADD', 'surco:in:' .. to, NOW_TEXT, id)
redis.call('ZADD', 'surco:changed', NOW_TEXT, id)
if ENDED[to] then
  if redis.call('EXISTS', 'surco:children:' .. id) == 1 then
    redis.call('ZADD', 'surco:releasing', NOW_TEXT, id) -- a dependant was entered before it
  end
  return {1, to}
end
return {1, decide(id)}
