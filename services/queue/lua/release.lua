-- Decide on a job after something that it needs has changed.
-- KEYS  1 row of the job
-- ARGV  1 job  2 the need that changed, or "" to look at all of them
-- Returns {state now, 1 if this call changed it, queue}.
local id, need = ARGV[1], ARGV[2]
local before = redis.call('HGET', KEYS[1], 'state')
if need ~= '' and before == 'waiting' then
  local has = state_of(need)
  local good = has == 'done'
    or (has and ENDED[has] and redis.call('HGET', 'surco:children:' .. need, id) == 'optional')
  if good then
    redis.call('SREM', 'surco:needs:' .. id, need)
    if redis.call('SCARD', 'surco:needs:' .. id) > 0 then
      return {'waiting', 0, ''} -- a job of ten thousand needs is not read ten thousand times
    end
  end
end
local after = decide(id)
return {after, after ~= before and 1 or 0, redis.call('HGET', KEYS[1], 'queue') or ''}
