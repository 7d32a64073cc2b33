-- Cancel a job that has not ended.
-- KEYS  1 row of the job
-- ARGV  1 job  2 reason
-- Returns 1, or 0 where it has ended or is gone.
local state = redis.call('HGET', KEYS[1], 'state')
if not state or ENDED[state] then
  return 0
end
move(ARGV[1], 'cancelled', 'reason', ARGV[2], 'ended', NOW_TEXT, 'failing', '')
return 1
