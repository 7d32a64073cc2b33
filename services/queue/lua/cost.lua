-- Note what an attempt at a job cost, if it is on the ledger.
-- KEYS  1 row of the job
-- ARGV  1 the cost, JSON
-- Returns 1, or 0 where there is no such job.
if redis.call('HEXISTS', KEYS[1], 'state') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'cost', ARGV[1])
return 1
