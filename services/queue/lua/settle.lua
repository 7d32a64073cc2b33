-- Cross a job off a list of things to do, if nothing has happened to it since it was read there.
-- KEYS  1 the list: surco:releasing or surco:mirror
-- ARGV  1 job  2 its score when it was read
-- Returns 1 where this call took it off the list; 0 where its score is another by now, or it is off already.
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
