-- A worker shuts down: queue its job again at its old rank; the attempt does not count.
-- KEYS  1 row of the job
-- ARGV  1 job  2 id of the attempt
-- Returns 1, or 0 where the attempt is not the one that runs.
local state, attempt, attempts, rank = unpack(
  redis.call('HMGET', KEYS[1], 'state', 'attempt_id', 'attempts', 'rank'))
if state ~= 'running' or attempt ~= ARGV[2] then
  return 0
end
enqueue(ARGV[1], rank or nil, 'attempts', math.max(0, (tonumber(attempts or 1) or 1) - 1))
return 1
