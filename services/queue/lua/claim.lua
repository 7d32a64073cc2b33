-- Begin an attempt: choose the job, take its lease, raise fence and count, all in one step.
-- KEYS  1 row of the job that the message names
-- ARGV  1 job that the message names  2 worker  3 token of the lease  4 length of the lease, ms
--       5 attempts a job has  6 random hexadecimal digits for the attempt's id
--       7 token of a dead holder whose lease may be taken, or ""  8 job that is not to be looked at, or ""
--       9 versions of the code that the worker has, joined by commas, or "*" for any
-- Returns {"claimed", job, attempt's id, row...}: the row as it is now, name and value in turn
--         {"held", job, token}: the job runs, its lease is that token's
--         {"spent", job, attempt's id}: the job has used its attempts up and must end
--         {"foreign", job}: all that is queued was asked for by code that the worker has not
--         {"none"}: nothing to do.
-- The message only says that its queue has work. A job that it names and that runs under no lease (its worker
-- died) goes first; else the queue's foremost job is taken, whichever that is. Each claim answers one message
-- and takes one job, so there are as many messages as queued jobs whatever the order.
local asked, worker, token, length, limit, random = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local broken, skip, codes = ARGV[7], ARGV[8], ARGV[9]

local function begin(id)
  local key = row(id)
  local attempts, last = unpack(redis.call('HMGET', key, 'attempts', 'attempt_id'))
  attempts = tonumber(attempts or 0) or 0
  if attempts >= limit then
    return {'spent', id, last or ''}
  end
  local fence = redis.call('HINCRBY', key, 'fence', 1)
  local attempt = string.format('%04d-%s', fence, random)
  move(id, 'running', 'attempts', attempts + 1, 'attempt_id', attempt, 'started', NOW_TEXT, 'worker', worker,
    'token', token, 'reason', '', 'failing', '')
  redis.call('SET', 'surco:lease:' .. id, token, 'PX', length)
  redis.call('HSET', 'surco:workers', worker, id)
  local answer = redis.call('HGETALL', key)
  table.insert(answer, 1, attempt)
  table.insert(answer, 1, id)
  table.insert(answer, 1, 'claimed')
  return answer
end

local function first(index)
  local found = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
  while found[1] and state_of(found[1]) ~= 'queued' do
    redis.call('ZREM', index, found[1]) -- its row was deleted by hand
    found = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
  end
  return found[1], tonumber(found[2])
end

local state, queue, code = unpack(redis.call('HMGET', KEYS[1], 'state', 'queue', 'code'))
local known = codes == '*' or string.find(',' .. codes .. ',', ',' .. (code or '') .. ',', 1, true)
if state == 'running' and asked ~= skip and known then
  local holder = redis.call('GET', 'surco:lease:' .. asked)
  if holder and holder ~= broken then
    return {'held', asked, holder}
  end
  return begin(asked)
end
if not queue then
  return {'none'}
end
local rank = 'surco:rank:' .. queue
local any = first(rank)
if not any or codes == '*' then
  return any and begin(any) or {'none'}
end
local best, foremost
for one in string.gmatch(codes, '[^,]+') do
  local id, score = first(rank .. ':' .. one)
  if id and (not best or score < foremost) then
    best, foremost = id, score
  end
end
if best then
  return begin(best)
end
return {'foreign', state == 'queued' and asked or any}
