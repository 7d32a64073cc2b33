-- Note that jobs belong to a sweep. The sweep's own entry "*" keeps it open until its last job is entered.
-- KEYS  1 surco:open:<sweep>
-- ARGV  1 sweep  2 "1" with the last of its jobs  3... jobs
-- Returns how many of the sweep's jobs are open.
local sweep = ARGV[1]
redis.call('SADD', KEYS[1], '*')
for number = 3, #ARGV do
  local id = ARGV[number]
  local state, sweeps = unpack(redis.call('HMGET', row(id), 'state', 'sweeps'))
  if state then
    sweeps = sweeps or ''
    if not string.find(',' .. sweeps .. ',', ',' .. sweep .. ',', 1, true) then
      redis.call('HSET', row(id), 'sweeps', sweeps == '' and sweep or (sweeps .. ',' .. sweep))
    end
    if not ENDED[state] then
      redis.call('SADD', KEYS[1], id)
    end
  end
end
if ARGV[2] == '1' then
  redis.call('SREM', KEYS[1], '*')
  local open = redis.call('SCARD', KEYS[1])
  if open == 0 and redis.call('HEXISTS', 'surco:sweep:' .. sweep, 'rounds') == 0 then
    event('sweep:' .. sweep .. ':' .. redis.call('HINCRBY', 'surco:sweep:' .. sweep, 'rounds', 1))
  end
  return open
end
return redis.call('SCARD', KEYS[1])
