-- An attempt failed: queue the job again, or let it end.
-- KEYS  1 row of the job
-- ARGV  1 job  2 id of the attempt, or "" for any  3 reason  4 "1" if it would fail again
--       5 "1" if DONE.json was asked and is not there  6 attempts a job has
-- Returns "queued", "dead", "" where the attempt is not the one that runs, or "last": the job must end but
-- DONE.json was not asked yet; nothing was moved, and the reason is kept for whoever asks it.
local state, attempt, attempts = unpack(redis.call('HMGET', KEYS[1], 'state', 'attempt_id', 'attempts'))
if (state ~= 'running' and state ~= 'queued') or (ARGV[2] ~= '' and attempt ~= ARGV[2]) then
  return ''
end
local spent = (tonumber(attempts or 0) or 0) >= tonumber(ARGV[6])
if state == 'queued' and not spent then
  return ''
end
if ARGV[4] ~= '1' and not spent then
  enqueue(ARGV[1], nil, 'reason', ARGV[3])
  return 'queued'
end
if ARGV[5] ~= '1' then
  redis.call('HSET', KEYS[1], 'failing', ARGV[3])
  return 'last'
end
move(ARGV[1], 'dead', 'reason', ARGV[3], 'ended', NOW_TEXT, 'failing', '')
return 'dead'
