-- Put an ended, not done job back, and decide on it. Its skipped dependants follow through surco:releasing.
-- KEYS  1 row of the job
-- ARGV  1 job
-- Returns its state now, or "" where it is gone, done, or has not ended.
local state = redis.call('HGET', KEYS[1], 'state')
if not state or not ENDED[state] or state == 'done' then
  return ''
end
move(ARGV[1], 'waiting', 'attempts', '0', 'reason', '', 'ended', '0', 'result', '{}', 'progress', '{}')
return decide(ARGV[1])
