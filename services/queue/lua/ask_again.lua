-- Give a job another spec of the same identity: where its music lies has no part in that.
-- KEYS  1 row of the job
-- ARGV  1 the spec, JSON
-- Returns 1, or 0 where the job runs, is done or is gone.
local state = redis.call('HGET', KEYS[1], 'state')
if not state or state == 'running' or state == 'done' then
  return 0
end
redis.call('HSET', KEYS[1], 'spec', ARGV[1])
return 1
