-- Forget a job: its row and every trace of it in the indexes.
-- KEYS  1 row of the job
-- ARGV  1 job
-- Returns 1, or 0 where there was no row.
local id = ARGV[1]
local values = redis.call('HMGET', KEYS[1], 'state', 'queue', 'worker', 'sweeps', 'required', 'optional', 'code')
local there = redis.call('DEL', KEYS[1])
redis.call('DEL', 'surco:log:' .. id, 'surco:needs:' .. id, 'surco:lease:' .. id)
for _, index in ipairs({'jobs', 'ids', 'changed', 'mirror', 'malformed'}) do
  redis.call('ZREM', 'surco:' .. index, id)
end
for _, state in ipairs({'waiting', 'queued', 'running', 'done', 'dead', 'cancelled', 'skipped'}) do
  redis.call('ZREM', 'surco:in:' .. state, id)
end
if values[2] then
  redis.call('ZREM', 'surco:rank:' .. values[2], id)
  redis.call('ZREM', 'surco:rank:' .. values[2] .. ':' .. (values[7] or ''), id)
end
if values[3] and redis.call('HGET', 'surco:workers', values[3]) == id then
  redis.call('HDEL', 'surco:workers', values[3])
end
count_in_sweeps(id, values[4] or '', true)
for _, text in ipairs({values[5] or '', values[6] or ''}) do
  local read, needs = pcall(cjson.decode, text)
  if read and type(needs) == 'table' then
    for _, need in ipairs(needs) do
      redis.call('HDEL', 'surco:children:' .. need, id)
    end
  end
end
if redis.call('EXISTS', 'surco:children:' .. id) == 1 then
  redis.call('ZADD', 'surco:releasing', NOW_TEXT, id)
end
return there
