-- Say why a queued job still waits.
-- KEYS  1 row of the job
-- ARGV  1 the reason
-- Returns 1, or 0 where the job is not queued.
if redis.call('HGET', KEYS[1], 'state') ~= 'queued' then
  return 0
end
redis.call('HSET', KEYS[1], 'reason', ARGV[1])
return 1
