-- Running jobs whose lease is gone, among those whose lease was due to be looked at.
-- KEYS  1 surco:in:running
-- ARGV  1 seconds a lease may be missing  2 how many to look at
-- Returns {how many were looked at, job, ...}. A job whose lease is alive is looked at again when that would end.
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', NOW - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
local answer = {#ids}
for _, id in ipairs(ids) do
  if state_of(id) ~= 'running' then
    redis.call('ZREM', KEYS[1], id) -- its row was deleted by hand
  else
    local left = redis.call('PTTL', 'surco:lease:' .. id)
    if left == -1 then -- a lease that never ends holds a job for ever
      left = 60000
      redis.call('PEXPIRE', 'surco:lease:' .. id, left)
    end
    redis.call('ZADD', KEYS[1], string.format('%.6f', NOW + math.max(left, 0) / 1000), id)
    if left <= 0 then
      answer[#answer + 1] = id
    end
  end
end
return answer
