-- Enter a row that is there into the indexes: it comes from a ledger of an older layout.
-- KEYS  1 row of the job
-- ARGV  1 job
-- Returns 1, or 0 where there is no row or it is in the indexes already.
local id = ARGV[1]
local values = redis.call('HMGET', KEYS[1], 'state', 'created', 'required', 'optional')
local state = values[1]
if not state or redis.call('ZSCORE', 'surco:ids', id) then
  return 0
end
local read, required = pcall(cjson.decode, values[3] or '')
local read_too, optional = pcall(cjson.decode, values[4] or '')
if not read or not read_too then
  return 0
end
local function child_of(need, how)
  local children = 'surco:children:' .. need
  if redis.call('TYPE', children).ok == 'set' then
    redis.call('DEL', children)
  end
  redis.call('HSET', children, id, how)
end
redis.call('ZADD', 'surco:ids', 0, id)
redis.call('ZADD', 'surco:jobs', tonumber(values[2] or 0) or 0, id)
for _, need in ipairs(optional) do
  child_of(need, 'optional')
end
for _, need in ipairs(required) do
  child_of(need, 'required')
end
redis.call('ZADD', 'surco:in:' .. state, NOW_TEXT, id)
redis.call('ZADD', 'surco:changed', NOW_TEXT, id)
if state == 'queued' then
  enqueue(id)
end
return 1
