-- A job is done: its DONE.json is in S3, and that is the truth whatever the ledger thought until now.
-- KEYS  1 row of the job
-- ARGV  1 job  2 id of the attempt, or "" for whoever read DONE.json  3 the result, JSON
-- Returns 1, or 0 where the job is gone, done already, or another attempt's.
local state, attempt = unpack(redis.call('HMGET', KEYS[1], 'state', 'attempt_id'))
if not state or state == 'done' or (ARGV[2] ~= '' and attempt ~= ARGV[2]) then
  return 0
end
move(ARGV[1], 'done', 'result', ARGV[3], 'ended', NOW_TEXT, 'reason', '', 'failing', '')
return 1
