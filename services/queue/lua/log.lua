-- Add a line to a job's log, if the job is on the ledger.
-- KEYS  1 row of the job  2 its log
-- ARGV  1 the line  2 lines to keep, about
-- Returns 1, or 0 where there is no such job.
if redis.call('HEXISTS', KEYS[1], 'state') == 0 then
  return 0
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'line', ARGV[1])
return 1
